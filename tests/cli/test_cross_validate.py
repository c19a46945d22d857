"""`sernet-edge cross-validate`: folds can stop, resume and run on several machines."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dask_cluster import dask_cluster
from heard_progress import HeardProgress
from support import Run, write_wav

from sernet_edge.cross_validate.cross_validation import CrossValidationSettings, cross_validate
from sernet_edge.cross_validate.fold import FoldJob
from sernet_edge.runtime.errors import SernetError, SettingError
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder
from sernet_edge.train.evaluation import baseline
from sernet_edge.train.evaluation.protocols import Fold
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.settings import ModelSettings

pytestmark = pytest.mark.training


@pytest.mark.parametrize(
    ("speaker", "name"),
    [
        ("anna/b c", "fold-anna%2Fb c.json"),
        ("Sänger", "fold-S%C3%A4nger.json"),
        (os.fsdecode(b"S\xe4nger"), "fold-S%E4nger.json"),  # a folder name that is not UTF-8
    ],
)
def test_a_fold_has_a_file_for_any_speaker_name(speaker: str, name: str, tmp_path: Path) -> None:
    settings = ModelSettings(CorpusChoice((CorpusFolder("csv", Path("x")),)))
    contract = settings.new_contract(("a", "b"))
    job = FoldJob(settings, contract, None, tmp_path, (), (), Fold(speaker, (), ()), False)
    assert job.path == tmp_path / name


@pytest.fixture(scope="module")
def small_run(
    sernet_edge: Run, small_corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run with two of three folds, one epoch each."""
    out = tmp_path_factory.mktemp("cv") / "run"
    arguments = ["--corpus", "emodb", small_corpus, "--out", out, "--epochs", 1]
    result = sernet_edge("cross-validate", *arguments, "--folds", "03,08", "--jobs", 2)
    assert result.returncode == 0, result.stderr
    assert "strict     int8" in result.stdout
    return out


def test_a_continued_run_does_not_train_finished_folds_again(
    small_run: Path, small_corpus: Path, sernet_edge: Run
) -> None:
    before = (small_run / "fold-03.json").read_bytes()
    (small_run / "fold-08.json").unlink()
    again = ["--corpus", "emodb", small_corpus, "--out", small_run, "--epochs", 1]
    result = sernet_edge("cross-validate", *again, "--folds", "03,08", "--json")
    assert result.returncode == 0, result.stderr
    assert "1 of 2 folds are finished" in result.stderr
    assert (small_run / "fold-03.json").read_bytes() == before
    figures = json.loads(result.stdout)
    assert figures["folds"] == ["03", "08"]
    # The accuracy must follow from the saved predictions.
    saved = [json.loads((small_run / f"fold-{name}.json").read_text()) for name in ("03", "08")]
    right = [np.argmax(f["int8_scores"], axis=1) == np.asarray(f["truth"]) for f in saved]
    assert figures["protocols"]["strict"]["int8"]["wa"] == pytest.approx(
        np.concatenate(right).mean()
    )
    assert sorted(p.name for p in small_run.iterdir()) == [
        "fold-03.json",
        "fold-08.json",
        "report.json",
        "run.json",
    ]


def test_a_run_with_another_recipe_does_not_continue(
    small_run: Path, small_corpus: Path, sernet_edge: Run
) -> None:
    arguments = ["--corpus", "emodb", small_corpus, "--out", small_run, "--epochs", 1]
    result = sernet_edge("cross-validate", *arguments, "--set", "precision=bfloat16")
    assert result.returncode == 1
    assert "holds a run that differs in its recipe" in result.stderr


def test_cross_validate_refuses_a_folder_of_another_run_and_wrong_names(
    small_run: Path, small_corpus: Path, sernet_edge: Run
) -> None:
    arguments = ["--corpus", "emodb", small_corpus, "--out", small_run]
    result = sernet_edge("cross-validate", *arguments, "--epochs", 2)
    assert result.returncode == 1
    assert "holds a run that differs in its recipe" in result.stderr
    damaged = small_run.parent / "damaged"
    damaged.mkdir()
    (damaged / "run.json").write_text("[]")
    shutil.copy(small_run / "fold-03.json", damaged)
    result = sernet_edge("cross-validate", *arguments[:-1], damaged, "--epochs", 1)
    assert result.returncode == 1
    assert "run.json is not a file of a cross-validation" in result.stderr
    settings = json.loads((small_run / "run.json").read_text())
    another = json.dumps(settings | {"labels": ["calm", "joy"], "recordings": "0"})
    (damaged / "run.json").write_text(another)
    result = sernet_edge("cross-validate", *arguments[:-1], damaged, "--epochs", 1)
    assert result.returncode == 1
    assert "holds a run that differs in its labels, recordings" in result.stderr
    result = sernet_edge("cross-validate", *arguments, "--epochs", 1, "--folds", "77")
    assert result.returncode == 2
    assert "no fold 77, there are 03, 08, 09" in result.stderr


def test_a_cluster_gives_the_same_predictions(
    small_corpus: Path, small_run: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    arguments = ("--corpus", "emodb", small_corpus, "--out", tmp_path / "run", "--epochs", 1)
    with dask_cluster(tmp_path, 2) as (address, _):
        result = sernet_edge(
            "cross-validate", *arguments, "--folds", "03,08", "--scheduler", address
        )
    assert result.returncode == 0, result.stderr
    assert "fold 03 done" in result.stderr and "fold 08 done" in result.stderr
    for name in ("fold-03.json", "fold-08.json"):
        here, there = (
            json.loads((run / name).read_text()) for run in (small_run, tmp_path / "run")
        )
        assert here == there


def test_a_killed_run_continues_to_the_same_predictions_and_leaves_no_process(
    small_corpus: Path, small_run: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    run = tmp_path / "run"
    command = ["cross-validate", "--corpus", "emodb", str(small_corpus), "--out", str(run)]
    command += ["--epochs", "1", "--folds", "08"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sernet_edge", *command], stderr=subprocess.DEVNULL
    )
    checkpoint = run / "fold-08.checkpoint.npz"
    deadline = time.monotonic() + 250
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert checkpoint.exists(), "the run was to be stopped after its epoch"
    # The process that trained the fold has ended, too: no process finishes the fold.
    time.sleep(5)
    assert not (run / "fold-08.json").exists()
    result = sernet_edge(*command)
    assert result.returncode == 0, result.stderr
    uninterrupted, resumed = ((r / "fold-08.json").read_text() for r in (small_run, run))
    assert resumed == uninterrupted


def test_the_error_names_an_unreadable_fold_and_skip_bad_continues(
    damaged_corpus: Callable[[str], Path], tmp_path: Path, sernet_edge: Run
) -> None:
    broken = damaged_corpus("08a01Na.wav")
    write_wav(broken / "08a02Wa.wav", np.zeros(16_000, np.int16))
    arguments = ("--corpus", "emodb", broken, "--out", tmp_path / "run", "--epochs", 1)
    result = sernet_edge("cross-validate", *arguments, "--folds", "08")
    assert result.returncode == 1
    assert "fold 08: " in result.stderr and "08a01Na.wav" in result.stderr
    assert "finished folds stay" in result.stderr
    assert "leave it out with --skip-bad" in result.stderr
    # The failed run wrote nothing, so the next one can use the same folder.
    result = sernet_edge("cross-validate", *arguments, "--folds", "08", "--skip-bad", "--log-csv")
    assert result.returncode == 0, result.stderr
    assert "recordings skipped: 1" in result.stderr
    assert "no neutral to test in fold 08" in result.stderr
    (skipped,) = json.loads((tmp_path / "run" / "run.json").read_text())["skipped"]
    assert "08a01Na.wav" in skipped
    fold = json.loads((tmp_path / "run" / "fold-08.json").read_text())
    assert fold["files"] == sorted({*fold["files"]} | {"08a02Wa.wav"}) and len(fold["files"]) == 7
    header, row = (tmp_path / "run" / "fold-08.csv").read_text().splitlines()
    right = np.mean(np.equal(fold["guess_by_epoch"][0], fold["truth"]))
    assert header.endswith(",test_accuracy") and row.endswith(f",{float(right)}")


def test_the_baseline_has_the_same_folds_and_chooses_only_on_training_speakers(
    small_corpus: Path, small_run: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    run = tmp_path / "run"
    arguments = ("--corpus", "emodb", small_corpus, "--out", run, "--baseline")
    result = sernet_edge("cross-validate", *arguments, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["architecture"] == "opensmile-svm"
    assert report["folds"] == ["03", "08", "09"]
    ours, theirs = (json.loads((r / "fold-08.json").read_text()) for r in (run, small_run))
    assert ours["files"] == theirs["files"] and ours["truth"] == theirs["truth"]
    assert ours["complexity"] in baseline.COMPLEXITIES
    # Chance level is one in seven.
    assert report["protocols"]["strict"]["float"]["wa"] > 0.7
    assert not list(run.glob("functionals*"))


def test_a_notebook_cross_validates_like_the_command(
    small_run: Path, small_corpus: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(small_run, tmp_path / "run"))
    recipe = dataclasses.replace(Recipe(), epochs=1)
    model = ModelSettings(CorpusChoice((CorpusFolder("emodb", small_corpus),)), recipe=recipe)
    settings = CrossValidationSettings(model, run, folds=("03", "08"))
    progress = HeardProgress()
    figures = cross_validate(settings, progress)
    # Both folds are finished, so the run equals the command's byte for byte.
    assert "2 of 2 folds are finished" in progress.remarks
    assert figures == json.loads((small_run / "report.json").read_text())
    with pytest.raises(SernetError, match="holds a run that differs in its seed"):
        cross_validate(
            dataclasses.replace(settings, model=dataclasses.replace(model, seed=2)), progress
        )
    with pytest.raises(SettingError, match="no fold 77, there are 03, 08, 09"):
        cross_validate(dataclasses.replace(settings, folds=("77",)))


def test_a_notebook_trains_the_baseline_on_a_fold(small_corpus: Path, tmp_path: Path) -> None:
    model = ModelSettings(CorpusChoice((CorpusFolder("emodb", small_corpus),)))
    settings = CrossValidationSettings(model, tmp_path / "run", folds=("03",), baseline=True)
    progress = HeardProgress()
    figures = cross_validate(settings, progress)
    assert progress.steps == {"openSMILE, recording": 21}
    assert figures["protocols"]["strict"]["float"]["utterances"] == 7


def test_each_test_speaker_teaches_the_folds_model(tmp_path: Path, in_process: Run) -> None:
    corpus, rng = tmp_path / "corpus", np.random.default_rng(7)
    corpus.mkdir()
    for speaker in ("03", "08", "09"):
        for sentence in ("a01", "a02", "b01", "b02"):
            for index, letter in enumerate("WLEAFTN"):
                tone = np.sin(2 * np.pi * 200 * (index + 1) * np.arange(20_000) / 16_000)
                sound = 4000 * tone + rng.normal(0, 300, len(tone))
                write_wav(corpus / f"{speaker}{sentence}{letter}a.wav", sound.astype(np.int16))
    out = tmp_path / "run"
    arguments = ["cross-validate", "--corpus", "emodb", corpus, "--out", out, "--epochs", 1,
                 "--architecture", "light-sernet-quarter", "--folds", "08"]  # fmt: skip
    done = in_process(*arguments, "--teach", 1, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["teach"]
    assert (figures["clips"], figures["draws"], figures["speakers"]) == (1, 5, 1)
    uar = figures["uar"]
    assert uar.keys() == {"untaught", "taught", "wrong labels", "neutral only", "anger only"}
    assert all(len(values) == 5 for values in uar.values())
    # After one epoch the model separates few tones; one clip per tone helps.
    assert np.mean(uar["taught"]) > np.mean(uar["untaught"])
    assert json.loads((out / "report.json").read_text())["teach"] == figures
    again = in_process(*arguments, "--teach", 2)
    assert "taught with 2 clips of each emotion" in again.stdout
    (out / "fold-08.tflite").unlink()
    lost = in_process(*arguments, "--teach", 1)
    assert lost.returncode == 1 and "fold 08 was trained without --keep-models" in lost.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--baseline",), "the baseline has no last layer"),
        (("--split", "random"), "trains on the speakers that it tests"),
        (("--level", "clip"), "normalises by a whole recording"),
    ],
)
def test_teaching_is_refused_if_impossible(
    options: tuple[str, ...], reason: str, small_corpus: Path, in_process: Run
) -> None:
    arguments = ("cross-validate", "--corpus", "emodb", small_corpus, "--out", "x", "--teach", 1)
    done = in_process(*arguments, *options)
    assert (done.returncode, reason in done.stderr) == (2, True), done.stderr
