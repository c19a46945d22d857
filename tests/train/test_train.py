"""`sernet-edge train`: the corpus, the architecture, the outputs, continuing after a stop."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from heard_progress import HeardProgress
from support import Run, write_wav

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError, SettingError
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation import metrics
from sernet_edge.train.new_contract import with_statistics
from sernet_edge.train.recipe import RECIPES, Recipe
from sernet_edge.train.recordings import Recording
from sernet_edge.train.settings import ModelSettings
from sernet_edge.train.training import TrainingSettings, train
from sernet_edge.train.windows import TrainingWindows, Windows

CONTRACT = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40, level="none")


@pytest.mark.parametrize(
    ("frames", "classes", "parameters"), [(184, 7, 463_431), (434, 4, 462_468)]
)
def test_light_sernet_has_the_published_number_of_parameters(
    frames: int, classes: int, parameters: int
) -> None:
    from sernet_edge.train.models.light_sernet import light_sernet

    assert light_sernet(frames, 40, classes).count_params() == parameters


def test_emodb_is_read_with_its_published_counts(emodb: Path) -> None:
    utterances = CORPORA["emodb"].read(emodb)
    assert len(utterances) == 535
    assert Counter(u.label for u in utterances) == {
        "anger": 127,
        "boredom": 81,
        "disgust": 46,
        "fear": 69,
        "happiness": 71,
        "sadness": 62,
        "neutral": 79,
    }
    assert Counter(u.speaker for u in utterances) == {
        "03": 49, "08": 58, "09": 43, "10": 38, "11": 55,
        "12": 35, "13": 61, "14": 69, "15": 56, "16": 71,
    }  # fmt: skip


def test_training_writes_model_contract_metrics_and_picture(small_keras: Path) -> None:
    contract = ModelFile.read(small_keras).require_contract()
    report = json.loads(small_keras.with_suffix(".metrics.json").read_text())
    assert report["contract_id"] == contract.id
    assert contract.provenance["holdout_speakers"] == ["09"]
    assert report["utterances"] == 7
    assert np.sum(report["confusion"]) == 7
    assert len(report["history"]) == 2
    picture = small_keras.with_suffix(".confusion.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert not list(small_keras.parent.glob("*checkpoint*"))


def test_normalisation_uses_the_training_speakers_only(
    small_keras: Path, small_corpus: Path
) -> None:
    contract = ModelFile.read(small_keras).require_contract()
    front_end = FrontEnd(contract)
    from sernet_edge.train.recordings import read_recordings

    recordings = read_recordings(CORPORA["emodb"].read(small_corpus), contract)
    rows = np.concatenate(
        [feature_rows(front_end, r.samples) for r in recordings if r.utterance.speaker != "09"]
    )
    # The level removes the mean of c0, so c0 is not compared.
    np.testing.assert_allclose(contract.mean[1:], rows.mean(axis=0)[1:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(contract.std[1:], rows.std(axis=0)[1:], rtol=1e-5)
    assert contract.mean[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.training
def test_a_stopped_run_continues_to_the_same_weights(
    small_keras: Path, small_corpus: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    out = tmp_path / "small.keras"
    command = ["train", "--corpus", "emodb", str(small_corpus), "--out", str(out)]
    command += ["--holdout", "09", "--epochs", "2"]
    checkpoint = out.with_suffix(".checkpoint.npz")
    process = subprocess.Popen(
        [sys.executable, "-m", "sernet_edge", *command], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 200
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoint.exists(), "the run was to be stopped after its first epoch"
    assert not out.exists()

    result = sernet_edge(*command)
    assert result.returncode == 0, result.stderr
    assert "continuing after epoch" in result.stderr
    import keras

    uninterrupted, resumed = (
        keras.saving.load_model(path, compile=False) for path in (small_keras, out)
    )
    for expected, weight in zip(uninterrupted.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    from sernet_edge.train.fit import start

    checkpoint = tmp_path / "m.checkpoint.npz"
    np.savez(checkpoint, identity="another run")
    refusal = r"m\.checkpoint\.npz is the checkpoint of a run with other settings"
    with pytest.raises(SernetError, match=refusal):
        start(CONTRACT, Recipe(), [recording(1.0)], 1, checkpoint)


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:5000]])
def test_a_damaged_checkpoint_is_named(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    from sernet_edge.train.fit import start

    checkpoint = tmp_path / "m.checkpoint.npz"
    np.savez(checkpoint, identity="x", weights=np.zeros(10_000))
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(SernetError, match=r"m\.checkpoint\.npz is damaged.*delete it"):
        start(CONTRACT, Recipe(), [recording(1.0)], 1, checkpoint)


@pytest.mark.training
def test_a_training_that_diverges_stops_with_an_error(tmp_path: Path) -> None:
    from sernet_edge.train.fit import start

    recipe = Recipe(epochs=2, learning_rate=1e30)
    fit = start(CONTRACT, recipe, [recording(1.0)] * 4, 1, tmp_path / "c.npz")
    with pytest.raises(SernetError, match="diverged in epoch"):
        fit.run(lambda epoch, entry: None)


@pytest.mark.training
def test_sound_without_speech_is_learnt_as_none(tmp_path: Path) -> None:
    from sernet_edge.train.fit import predict, start

    def spoken(label: str, hz: int, seed: int) -> Recording:
        time_s = np.arange(48_000) / 16_000
        wave = np.sign(np.sin(2 * np.pi * hz * time_s)) * (np.sin(20 * time_s) > 0)
        noise = np.random.default_rng(seed).normal(0, 20, 48_000)
        return Recording(Utterance(Path("x"), label, "1"), (3000 * wave + noise).astype(np.int16))

    contract = CONTRACT.replace(labels=("a", "b", "none"))
    recordings = [spoken(*what, seed) for what in (("a", 110), ("b", 900)) for seed in range(16)]
    recipe = Recipe(epochs=12, batch_size=8, none_share=0.3, class_weights=True, average_epochs=1)
    fit = start(contract, recipe, recordings, 1, tmp_path / "c.npz", "light-sernet-quarter")
    fit.run(lambda epoch, entry: None)
    fit.finish()
    cut = [fit.windows.test_windows(recording) for recording in recordings[::4]]
    cut += [fit.windows.none_window(np.random.default_rng([9, i]))[None] for i in range(8)]
    guess = predict(fit.model, cut).argmax(axis=1)
    assert guess.tolist() == [0] * 4 + [1] * 4 + [2] * 8


@pytest.mark.training
def test_the_robust_recipe_trains_with_a_folder_of_noise(
    small_corpus: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    noise = tmp_path / "noise"
    noise.mkdir()
    for number in range(6):
        rng = np.random.default_rng(number)
        write_wav(noise / f"{number}.wav", rng.normal(0, 500, 20_000).astype(np.int16))
    out = tmp_path / "m.keras"
    command = ["train", "--corpus", "emodb", small_corpus, "--out", out, "--json"]
    command += ["--architecture", "light-sernet-quarter", "--recipe", "robust", "--epochs", 1]
    refused = sernet_edge(*command)
    assert refused.returncode == 2
    assert "--noise: the recipe adds noise to 50% of the windows" in refused.stderr
    result = sernet_edge(*command, "--noise", noise)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    contract = ModelFile.read(out).require_contract()
    assert contract.labels[-1] == "none" and contract.none_index == len(contract.labels) - 1
    assert report["noise"]["clips"] + report["noise"]["clips_for_tests"] == 6
    assert "no training recording is labelled" not in result.stderr
    assert report["classes"]["none"]["recall"] is None


def test_a_focal_loss_without_gamma_is_cross_entropy() -> None:
    from sernet_edge.train.losses import scores_loss

    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(7), 20).astype(np.float32)
    truth = np.eye(7, dtype=np.float32)[rng.integers(0, 7, 20)]
    entropy = float(scores_loss(Recipe())(truth, scores))
    assert float(
        scores_loss(Recipe(loss="focal", focal_gamma=0.0))(truth, scores)
    ) == pytest.approx(entropy, rel=1e-4)
    right = (truth * scores).sum(axis=1)
    expected = -((1 - right) ** 2 * np.log(right)).mean()
    assert float(scores_loss(Recipe(loss="focal"))(truth, scores)) == pytest.approx(
        expected, rel=1e-3
    )


def test_the_papers_learning_rate_falls_in_stairs_from_epoch_50() -> None:
    paper = RECIPES["paper"]
    rates = [paper.learning_rate_at(epoch, 0, 10) for epoch in (0, 49, 50, 69, 70, 299)]
    expected = [1e-4 * np.exp(-0.15 * n) for n in (0, 0, 1, 1, 2, 13)]
    assert rates == pytest.approx(expected)


def recording(seconds: float) -> Recording:
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 2000, int(16_000 * seconds)).astype(np.int16)
    return Recording(Utterance(Path("x.wav"), "a", "1"), samples)


def test_a_long_recording_is_tested_on_the_windows_that_listen_would_score() -> None:
    windows = Windows(CONTRACT).test_windows(recording(4.2))
    rows = feature_rows(FrontEnd(CONTRACT), recording(4.2).samples)
    assert len(windows) == (len(rows) - CONTRACT.window_frames) // CONTRACT.hop_frames + 1 == 3
    front_end = FrontEnd(CONTRACT)
    expected = front_end.window_features(rows[31 : 31 + 184])
    np.testing.assert_array_equal(windows[1], expected)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 4.0])
@pytest.mark.parametrize("level", ["none", "running", "window", "clip"])
def test_a_training_window_of_any_recording_has_the_models_shape(
    seconds: float, level: str
) -> None:
    contract = with_statistics(CONTRACT.replace(level=level), [recording(seconds)])
    rng = np.random.default_rng(0)
    window = TrainingWindows(contract, Recipe()).training_window(recording(seconds), rng)
    assert window.shape == (184, 40)
    assert np.isfinite(window).all()


def test_metrics_agree_with_counting_by_hand() -> None:
    matrix = metrics.confusion_matrix([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 2], 4)
    summary = metrics.summary(matrix, ["a", "b", "c", "never spoken"])
    assert summary["wa"] == pytest.approx(4 / 6)
    assert summary["uar"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert summary["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert summary["classes"]["a"]["precision"] == pytest.approx(2 / 3)
    assert summary["classes"]["never spoken"]["recall"] is None


def corpus_with(folder: Path, *names: str, seconds: float = 1.0) -> Path:
    folder.mkdir()
    for name in names:
        write_wav(folder / name, np.zeros(round(16_000 * seconds), np.int16))
    return folder


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no audio file"),
        (["03a01Fa.wav", "happy.wav"], "1 of 2 files are not named as EMO-DB's.*happy.wav"),
    ],
)
def test_a_folder_that_is_not_emodb_is_refused(
    names: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SernetError, match=message):
        CORPORA["emodb"].read(corpus_with(tmp_path / "c", *names))


def test_bad_usage_and_bad_files_are_reported_in_one_line(
    small_corpus: Path, damaged_corpus: Callable[[str], Path], tmp_path: Path, in_process: Run
) -> None:
    corpus = ("--corpus", "emodb", small_corpus)
    existing = tmp_path / "there.keras"
    existing.write_bytes(b"precious")
    broken = damaged_corpus("03a01Wa.wav")
    (tmp_path / "old.metrics.json").touch()
    silent = corpus_with(tmp_path / "silent", "03a01Wa.wav", "03a01Na.wav", "08a01Na.wav")
    alone = corpus_with(tmp_path / "alone", "03a01Wa.wav", "03a01Na.wav")
    short = corpus_with(tmp_path / "short", "03a01Wa.wav", "08a01Na.wav", seconds=0.05)
    out = tmp_path / "m.keras"
    (text := tmp_path / "text" / "m.keras").parent.mkdir()
    text.write_text("hello")
    cases = [
        (2, "must end in .keras", [*corpus, "--out", tmp_path / "m.h5"]),
        (2, "no speaker 99", [*corpus, "--out", out, "--holdout", "99"]),
        (2, "no speaker is left", [*corpus, "--out", out, "--holdout", "03,08,09"]),
        (2, "--epochs", [*corpus, "--out", out, "--epochs", "0"]),
        (2, "--seed", [*corpus, "--out", out, "--seed", "99999999999"]),
        (2, "not finite", [*corpus, "--out", out, "--learning-rate", "nan"]),
        (2, "not finite", [*corpus, "--out", out, "--focal-gamma", "inf"]),
        (2, "not finite", [*corpus, "--out", out, "--center-loss", "nan"]),
        (2, "--reconstruction", [*corpus, "--out", out, "--reconstruction", "-1"]),
        (2, "--architecture", [*corpus, "--out", out, "--architecture", "alexnet"]),
        (1, "cannot read the model", [*corpus, "--out", out, "--init", tmp_path / "no.keras"]),
        (1, "has no contract", [*corpus, "--out", out, "--init", text]),
        (1, "exists already", [*corpus, "--out", existing]),
        (1, "old.metrics.json exists already", [*corpus, "--out", tmp_path / "old.keras"]),
        (1, "1 speaker, so none can be held out", ["--corpus", "emodb", alone, "--out", out]),
        (1, "nothing but silence", ["--corpus", "emodb", silent, "--out", out]),
        (1, "03a01Wa.wav is shorter than a frame", ["--corpus", "emodb", short, "--out", out]),
        (1, "does not exist", [*corpus, "--out", tmp_path / "no" / "m.keras"]),
        (1, "does not exist", ["--corpus", "emodb", tmp_path / "no", "--out", out]),
        (1, "03a01Wa.wav", ["--corpus", "emodb", broken, "--out", out]),
    ]
    for code, message, arguments in cases:
        result = in_process("train", *arguments, env={**os.environ, "COLUMNS": "200"})
        assert (result.returncode, message in result.stderr) == (code, True), result.stderr
    assert existing.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "old.metrics.json",
        "there.keras",
    ]


@pytest.mark.training
def test_a_bad_recording_can_be_skipped_and_is_counted(
    damaged_corpus: Callable[[str], Path], tmp_path: Path, sernet_edge: Run
) -> None:
    broken = damaged_corpus("03a01Wa.wav")
    (broken / "08a01Wa.wav").unlink()
    out = tmp_path / "m.keras"
    arguments = ("--corpus", "emodb", broken, "--out", out, "--holdout", "09", "--epochs", 1)
    result = sernet_edge("train", *arguments, "--skip-bad", "--log-csv")
    assert result.returncode == 0, result.stderr
    assert "skipped: " in result.stderr and "03a01Wa.wav" in result.stderr
    assert "no training recording is labelled anger" in result.stderr
    assert "warning: " + str(broken) + " holds 20 utterances where the corpus has 535" in (
        result.stderr
    )
    assert json.loads(out.with_suffix(".metrics.json").read_text())["skipped_recordings"] == 1
    header, row = out.with_suffix(".epochs.csv").read_text().splitlines()
    assert header.startswith("epoch,") and row.startswith("1,")


@pytest.mark.training
@pytest.mark.filterwarnings("ignore")  # the command line hides Keras's warnings
def test_a_notebook_trains_as_the_command_does(small_corpus: Path, tmp_path: Path) -> None:
    corpora = CorpusChoice((CorpusFolder("emodb", small_corpus),))
    model = ModelSettings(corpora, recipe=dataclasses.replace(Recipe(), epochs=1))
    settings = TrainingSettings(model, tmp_path / "m.keras", holdout=("09",), log_csv=True)
    progress = HeardProgress()
    trained = train(settings, progress)
    assert trained.report == json.loads((tmp_path / "m.metrics.json").read_text())
    assert trained.report["utterances"] == 7
    assert trained.contract == ModelFile.read(tmp_path / "m.keras").require_contract()
    assert trained.model.count_params() == 463_431
    assert [path.name for path in trained.files] == [
        "m.keras",
        "m.metrics.json",
        "m.confusion.png",
    ]
    assert progress.steps == {"epoch": 1}
    assert "reading 21 recordings" in progress.remarks
    with pytest.raises(SernetError, match=r"m\.keras exists already"):
        train(settings)
    with pytest.raises(SettingError, match="no speaker 99"):
        train(dataclasses.replace(settings, holdout=("99",), force=True))
    with pytest.raises(SettingError, match="no corpus is called 'berlin'"):
        CorpusFolder("berlin", small_corpus)
