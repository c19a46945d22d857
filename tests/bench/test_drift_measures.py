"""The comparison of measures of drift, and its page."""

from __future__ import annotations

import json
from pathlib import Path

import drift_measures_page
import numpy as np
import pytest
from click.testing import CliRunner
from drift_measures import FIGURES, FITS, MEASURES, SPLITS, Heard, area, held_back
from scipy.spatial.distance import mahalanobis

from sernet_edge.runtime.drift import drift
from sernet_edge.train.corpora.utterance import Utterance

LABELS = ("angry", "calm")


def heard(statistics: np.ndarray, embeddings: np.ndarray | None = None) -> Heard:
    count = len(statistics)
    if embeddings is None:
        embeddings = np.zeros((count, 3))
    return Heard(statistics, embeddings, np.full((count, 2), 0.5), np.resize(LABELS, count))


def test_the_area_is_the_share_of_pairs_in_order_and_half_of_those_that_tie() -> None:
    assert area(np.array([2.0, 5.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(4.5 / 6)


def test_each_speaker_of_each_corpus_is_held_back_in_one_split() -> None:
    utterances = [
        Utterance(Path(f"{n}.wav"), "angry", f"{speaker}", corpus)
        for corpus, count in (("a", 4), ("b", 7))
        for speaker in range(count)
        for n in range(2)
    ]
    times = np.sum([held_back(utterances, split) for split in range(SPLITS)], axis=0)
    assert times.tolist() == [1] * len(utterances)
    first = {
        (u.corpus, u.speaker)
        for u, is_in in zip(utterances, held_back(utterances, 0), strict=True)
        if is_in
    }
    assert first == {("a", "0"), ("a", "3"), ("b", "0"), ("b", "3"), ("b", "6")}


def test_today_is_the_drift_of_the_runtime() -> None:
    windows = np.random.default_rng(1).normal(0.3, 1.4, (5, 60, 4))
    statistics = np.concatenate([windows.mean(axis=1), np.log(windows.std(axis=1))], axis=1)
    measure = MEASURES["today"](heard(statistics))
    np.testing.assert_allclose(measure(heard(statistics)), [drift(w) for w in windows])


def test_the_covariance_gives_mahalanobis_distances() -> None:
    rng = np.random.default_rng(2)
    training = rng.normal(size=(4000, 3)) @ np.array([[2.0, 1, 0], [0, 1, 0.5], [0, 0, 1]]) + 3
    others = rng.normal(size=(50, 3))
    inverse = np.linalg.inv(np.cov(training, rowvar=False))
    expected = [mahalanobis(one, training.mean(axis=0), inverse) ** 2 for one in others]
    found = MEASURES["covariance"](heard(training))(heard(others))
    np.testing.assert_allclose(found, expected, rtol=0.05)


def test_components_of_one_variance_give_the_distance_in_spreads() -> None:
    rng = np.random.default_rng(3)
    training = rng.normal(size=(20_000, 20)) * np.arange(1, 21) + 5
    others = rng.normal(size=(50, 20)) * 30
    expected = np.square((others - 5) / np.arange(1, 21)).sum(axis=1)
    found = MEASURES["components"](heard(training))(heard(others))
    np.testing.assert_allclose(found, expected, rtol=0.1)


def test_an_embedding_is_as_far_as_the_mean_of_the_nearest_label() -> None:
    means = np.array([[4.0, 0, 0], [0, 0, 0]])  # of LABELS
    away = np.random.default_rng(4).normal(size=(8000, 3))
    training = np.resize(means, (8000, 3)) + away * (1, 2, 3)
    others = np.array([[4.0, 0, 3], [1.0, 4, 0]])
    nothing = np.zeros((2, 1))
    expected = {"embedding": (9, 17), "embedding, spreads": (1, 5), "embedding, covariance": (1, 5)}
    for name, squares in expected.items():
        measure = MEASURES[name](heard(np.zeros((8000, 1)), training))
        np.testing.assert_allclose(measure(heard(nothing, others)), squares, rtol=0.15)


def test_the_page_has_means_and_ranges_of_the_splits(tmp_path: Path) -> None:
    figures = {
        f"{name}; {fit}, split {split}, {corpus}": dict.fromkeys(
            FIGURES, 10 * place + 2 * split + 3 * at
        )
        for at, name in enumerate(MEASURES)
        for place, fit in enumerate(FITS)
        for split in (1, 2)
        for corpus in ("emodb", "nemo")
    }
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps({"most": 100, "figures": figures}))
    done = CliRunner().invoke(
        drift_measures_page.main, [str(saved), "--out", str(tmp_path / "page.md")]
    )
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page.md").read_text()
    as_training_hears, as_recorded = (
        "| today | 3.0 (2.0 to 4.0) |",
        "| today | 13.0 (12.0 to 14.0) |",
    )
    # Areas, windows above the limit, areas by corpus.
    assert page.count(as_training_hears) == page.count(as_recorded) == 3
    assert page.index(as_training_hears) < page.index(as_recorded)
    assert "at most 100 recordings" in page
