"""Several corpora: the commands train on all together, or test each one without training on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from support import Run, write_wav

from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.evaluation.cross_corpus import FOUR
from sernet_edge.train.evaluation.metrics import confusion_matrix

pytestmark = pytest.mark.training

LABELS = {
    "one": ("anger", "happiness", "neutral", "sadness", "boredom"),
    "two": ("anger", "happiness", "neutral", "sadness", "fear"),
}
RATES_HZ = {"one": 16_000, "two": 48_000}
SHORT: tuple[Any, ...] = (
    "--architecture", "light-sernet-quarter", "--window-frames", 16, "--epochs", 1,
    "--set", "steps=2", "--set", "batch_size=8",
)  # fmt: skip


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """Options for two corpora with different rates; each has one label that the other lacks."""
    folder, given = tmp_path_factory.mktemp("corpora"), list[Any]()
    rng = np.random.default_rng(3)
    for name, labels in LABELS.items():
        for speaker in "abc":
            for index, label in enumerate(labels):
                place = folder / name / label / speaker
                place.mkdir(parents=True)
                time_s = np.arange(8000) / 16_000
                tone = 4000 * np.sin(2 * np.pi * 200 * (index + 1) * time_s)
                # The same sounds at both rates, so that nothing else differs.
                noisy = tone + rng.normal(0, 300, len(time_s))
                sound = soxr.resample(noisy, 16_000, RATES_HZ[name])
                write_wav(place / "x.wav", sound.astype(np.int16), RATES_HZ[name])
        given += ["--corpus", f"folder:{name}", folder / name]
    return tuple(given)


@pytest.fixture(scope="module")
def run(
    sernet_edge: Run, corpora: tuple[Any, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A cross-corpus run with both folds."""
    out = tmp_path_factory.mktemp("cross") / "run"
    result = sernet_edge(
        "cross-validate", *corpora, *SHORT, "--split", "corpora", "--keep-models", "--out", out
    )
    assert result.returncode == 0, result.stderr
    assert "only folder:one has boredom: its fold cannot learn that" in result.stderr
    assert "cross-corpus float" in result.stdout and "folder:two" in result.stdout
    return out


def test_the_model_that_tests_a_corpus_was_not_trained_on_it(run: Path) -> None:
    report = json.loads((run / "report.json").read_text())
    assert report["corpus"] == "folder:one+folder:two"
    labels = report["labels"]
    assert labels == ["anger", "boredom", "fear", "happiness", "neutral", "sadness"]
    for name, lacks in (("one", "boredom"), ("two", "fear")):
        fold = json.loads((run / f"fold-folder%3A{name}.json").read_text())
        assert set(fold["corpora"]) == {f"folder:{name}"}
        assert set(fold["speakers"]) == {f"folder:{name}:{speaker}" for speaker in "abc"}
        scores = np.array(fold["int8_scores"])
        # The model never predicts a label that the training corpus lacks.
        assert not scores[:, labels.index(lacks)].any()
        assert scores.sum(axis=1) == pytest.approx(1, abs=0.02)
        matrix = confusion_matrix(fold["truth"], scores.argmax(axis=1), len(labels))
        four = [labels.index(label) for label in ("anger", "happiness", "neutral", "sadness")]
        found = report["protocols"]["cross-corpus"]["int8"]["four"]["corpora"][f"folder:{name}"]
        assert found["uar"] == pytest.approx(np.mean([matrix[i, i] / 3 for i in four]))
    assert set(report["calibration"]["sure"]["70%"]) == {"folder:one", "folder:two"}


def test_a_run_of_other_corpora_does_not_continue(
    run: Path, corpora: tuple[Any, ...], sernet_edge: Run
) -> None:
    arguments = ("cross-validate", *corpora[:3], *SHORT, "--split", "speakers", "--out", run)
    result = sernet_edge(*arguments)
    assert result.returncode == 1
    assert "holds a run that differs in its corpus, labels, recordings, split" in result.stderr


def test_the_baseline_has_the_same_folds(
    run: Path, corpora: tuple[Any, ...], tmp_path: Path, sernet_edge: Run
) -> None:
    arguments = ("cross-validate", *corpora, "--split", "corpora", "--baseline")
    result = sernet_edge(*arguments, "--out", tmp_path / "svm", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["folds"] == ["folder:one", "folder:two"]
    for fold in ("fold-folder%3Aone.json", "fold-folder%3Atwo.json"):
        ours, theirs = (json.loads((r / fold).read_text()) for r in (tmp_path / "svm", run))
        assert ours["truth"] == theirs["truth"] and ours["files"] == theirs["files"]
    # Chance level is one in four.
    assert report["protocols"]["cross-corpus"]["float"]["four"]["mean"]["uar"] > 0.5


def test_the_strict_protocol_tests_one_corpus_and_adds_the_other_to_training(
    corpora: tuple[Any, ...], tmp_path: Path, sernet_edge: Run
) -> None:
    arguments = ("cross-validate", *corpora, *SHORT, "--out", tmp_path / "run")
    strict = (*arguments, "--test-corpus", "folder:one", "--folds", "folder:one:b")
    result = sernet_edge(*strict, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["test_corpus"] == "folder:one"
    assert report["protocols"]["strict"]["int8"]["utterances"] == len(LABELS["one"])
    for wrong in (
        ("--test-corpus", "emodb"),
        ("--test-corpus", "folder:one", "--split", "corpora"),
    ):
        result = sernet_edge(*arguments, *wrong)
        assert result.returncode == 2 and "test-corpus" in result.stderr


def test_the_commands_train_convert_and_evaluate_a_model_of_several_corpora(
    corpora: tuple[Any, ...], run: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    keras, tflite = tmp_path / "m.keras", tmp_path / "m.tflite"
    result = sernet_edge("train", *corpora, *SHORT, "--holdout", "folder:two:c", "--out", keras)
    assert result.returncode == 0, result.stderr
    provenance = ModelFile.read(keras).require_contract().provenance
    assert provenance["corpus"] == "folder:one+folder:two"
    assert provenance["holdout_speakers"] == ["folder:two:c"]
    result = sernet_edge("convert", keras, *corpora[:3], "--out", tflite)
    assert result.returncode == 2
    assert "was trained on folder:one and folder:two, not on folder:one" in result.stderr
    calibrated = ("--calibrate-from", run, "--sure-precision", 0.01)
    result = sernet_edge("convert", keras, *corpora, *calibrated, "--out", tflite)
    assert result.returncode == 0, result.stderr
    fitted = ModelFile.read(tflite).require_contract().provenance["conversion"]["calibration"]
    four = fitted["cross-corpus"]["int8"]["four"]
    assert set(four["corpora"]) == {"folder:one", "folder:two"} and "uar" in four["mean"]
    assert set(fitted["sure_by_corpus"]) == {"folder:one", "folder:two"}
    heard = (*corpora, "--corpus", "folder:three", corpora[5])
    result = sernet_edge("evaluate", tflite, *heard, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    found = {name: f["heard"] for name, f in report["four"]["corpora"].items()}
    assert found == {"folder:one": 3, "folder:two": 2, "folder:three": 0}
    assert len(report["trained_on_these_speakers"]) == 5
    text = sernet_edge("evaluate", tflite, *heard).stdout
    assert "[unheard]" in text and "[trained on 2 of its speakers]" in text


def test_the_error_names_the_damaged_file_of_several_corpora(
    corpora: tuple[Any, ...], tmp_path: Path, sernet_edge: Run
) -> None:
    place = tmp_path / "bad" / "anger" / "a"
    place.mkdir(parents=True)
    (place / "y.wav").write_bytes(b"RIFF")
    (tmp_path / "bad" / "fear" / "a").mkdir(parents=True)
    tone = 4000 * np.sin(np.arange(8000) / 5)
    for label in ("anger", "fear"):
        write_wav(tmp_path / "bad" / label / "a" / "x.wav", tone.astype(np.int16))
    arguments = ("train", *corpora, "--corpus", "folder:bad", tmp_path / "bad", *SHORT)
    out = tmp_path / "m.keras"
    result = sernet_edge(*arguments, "--holdout", "none", "--out", out)
    assert result.returncode == 1
    assert str(place / "y.wav") in result.stderr and "--skip-bad" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--split", "corpora"], 1, "needs two corpora or more"),
        (["--labels", "anger"], 2, "two different labels or more"),
        (["--labels", "anger,bliss"], 2, "no recording is labelled bliss"),
        (["--map", "anger"], 2, "must be THEIRS=OURS"),
        (["--map", "bliss=anger"], 2, "no recording is labelled bliss"),
    ],
)
def test_wrong_usage_has_a_message(
    arguments: list[str],
    code: int,
    message: str,
    corpora: tuple[Any, ...],
    tmp_path: Path,
    sernet_edge: Run,
) -> None:
    result = sernet_edge("cross-validate", *corpora[:3], *arguments, "--out", tmp_path / "run")
    assert (result.returncode, message in result.stderr) == (code, True), result.stderr


def test_a_corpus_without_speakers_cannot_use_the_strict_protocol(
    corpora: tuple[Any, ...], tmp_path: Path, sernet_edge: Run
) -> None:
    tone = 4000 * np.sin(np.arange(8000) / 5)
    for number, label in enumerate(("anger", "sadness")):
        (tmp_path / "c" / label).mkdir(parents=True)
        write_wav(tmp_path / "c" / label / "x.wav", np.roll(tone, number).astype(np.int16))
    unnamed = ("--corpus", "folder:unnamed", tmp_path / "c")
    result = sernet_edge("cross-validate", *corpora, *unnamed, *SHORT, "--out", tmp_path / "run")
    assert result.returncode == 1
    assert "the corpus folder:unnamed does not name the speaker" in result.stderr


def test_a_folds_model_gives_the_folds_scores_and_names_the_left_out_corpus(
    run: Path, corpora: tuple[Any, ...], sernet_edge: Run
) -> None:
    path, fold = run / "fold-folder%3Atwo.tflite", run / "fold-folder%3Atwo.json"
    assert ModelFile.read(path).require_contract().provenance["corpus"] == "folder:one"
    result = sernet_edge("evaluate", path, *corpora[3:], "--labels", ",".join(FOUR), "--json")
    assert result.returncode == 0, result.stderr
    report, saved = json.loads(result.stdout), json.loads(fold.read_text())
    assert report["trained_on_these_speakers"] == []
    guess, truth = np.argmax(saved["int8_scores"], axis=1), np.array(saved["truth"])
    labels = saved["labels"]
    among = np.isin(truth, [labels.index(label) for label in FOUR])
    assert report["wa"] == pytest.approx(float((guess == truth)[among].mean()))
