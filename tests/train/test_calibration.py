"""Scores as probabilities: the temperature, the calibration error, the threshold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.evaluation.calibration import (
    OutOfFold,
    calibrated_by_others,
    expected_calibration_error,
    fit_temperature,
    read_out_of_fold,
    reliability,
    softmax,
    sure_threshold,
)


def drawn(temperature: float, utterances: int = 4000) -> OutOfFold:
    """Utterances of one window, with labels drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 4, (utterances, 3))
    draws = rng.uniform(size=(utterances, 1))
    truth = (softmax(logits / temperature).cumsum(axis=1) < draws).sum(axis=1)
    speakers = np.array(["a", "b"])[rng.integers(0, 2, utterances)]
    return OutOfFold(logits, np.ones(utterances, int), truth, speakers)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_fit_finds_the_temperature_that_the_labels_were_drawn_with(temperature: float) -> None:
    data = drawn(temperature)
    assert fit_temperature(data) == pytest.approx(temperature, rel=0.05)
    calibrated = calibrated_by_others(data)
    assert expected_calibration_error(calibrated, data.truth) < 0.02
    assert (calibrated.argmax(axis=1) == data.logits.argmax(axis=1)).all()


def test_an_utterance_has_the_mean_scores_of_its_windows() -> None:
    logits = np.log([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9]])
    data = OutOfFold(logits, np.array([2, 1]), np.array([0, 1]), np.array(["a", "b"]))
    np.testing.assert_allclose(data.scores(1.0), [[0.6, 0.4], [0.1, 0.9]])
    # Halving the temperature squares the odds: 16:1, 4:9 and 1:81.
    np.testing.assert_allclose(data.scores(0.5)[:, 0], [(16 / 17 + 4 / 13) / 2, 1 / 82])
    np.testing.assert_allclose(data.of(np.array([False, True])).scores(1.0), [[0.1, 0.9]])


def test_the_calibration_error_agrees_with_counting_by_hand() -> None:
    # Top scores 0.65, 0.65, 0.95, 1.0: right, wrong, right, right.
    scores = np.array([[0.65, 0.35], [0.35, 0.65], [0.95, 0.05], [1.0, 0.0]])
    truth = np.array([0, 0, 0, 0])
    low, high = reliability(scores, truth)
    assert (low["count"], low["score"], low["accuracy"]) == (2, pytest.approx(0.65), 0.5)
    assert (high["count"], high["score"], high["accuracy"]) == (2, pytest.approx(0.975), 1.0)
    assert (high["low"], high["high"]) == (0.9, 1.0)
    expected = (2 * 0.15 + 2 * 0.025) / 4
    assert expected_calibration_error(scores, truth) == pytest.approx(expected)


def test_the_threshold_is_the_lowest_that_reaches_the_precision() -> None:
    top = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    scores = np.stack([top, 1 - top], axis=1)
    scores[0] = [0.5, 0.4]
    truth = np.array([1, 0, 1, 0, 0])  # wrong, right, wrong, right, right
    assert sure_threshold(scores, truth, 0.6) == 0.0
    assert sure_threshold(scores, truth, 0.75) == 0.6
    assert sure_threshold(scores, truth, 1.0) == 0.8
    with pytest.raises(SernetError, match="best reaches 0%.*--sure-precision"):
        sure_threshold(scores, np.ones(5, int), 0.9)


def write_run(run: Path, folds: list[dict[str, object]], split: str = "speakers") -> Path:
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"split": split}))
    for number, fold in enumerate(folds):
        (run / f"fold-{number}.json").write_text(json.dumps({"fold": str(number), **fold}))
    return run


def test_scores_of_utterances_are_read_if_a_run_has_none_of_windows(tmp_path: Path) -> None:
    fold = {"truth": [0, 1], "speakers": ["a", "a"], "float_scores": [[0.6, 0.4], [0.0, 1.0]]}
    windows = {"windows": [2, 1], "float_window_scores": [[0.9, 0.1], [0.3, 0.7], [1e-9, 1.0]]}
    new = read_out_of_fold(write_run(tmp_path / "new", [{**fold, **windows}]))
    np.testing.assert_allclose(new.scores(1.0), [[0.6, 0.4], [1e-9, 1.0]], rtol=1e-6)
    old = read_out_of_fold(write_run(tmp_path / "old", [fold]))
    np.testing.assert_allclose(old.scores(1.0), [[0.6, 0.4], [0.0, 1.0]], atol=1e-4)


def test_a_run_tested_on_its_training_speakers_cannot_calibrate(tmp_path: Path) -> None:
    with pytest.raises(SernetError, match="same speakers"):
        read_out_of_fold(write_run(tmp_path / "run", [], split="random"))
    with pytest.raises(SernetError, match="no finished fold"):
        read_out_of_fold(write_run(tmp_path / "empty", []))
