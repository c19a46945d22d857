"""`sernet-edge cross-validate`: speakers kept apart, predictions anyone can recompute."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import ablations
import numpy as np
import pytest
import results
from dask_cluster import dask_cluster
from support import Run, write_wav

from sernet_edge.cross_validate.fold import Job
from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation import baseline
from sernet_edge.train.evaluation.protocols import PROTOCOLS, Fold, check_labels, folds
from sernet_edge.train.evaluation.saved_runs import report
from sernet_edge.train.options import Settings
from sernet_edge.train.recipe import Recipe


def test_leaving_a_speaker_out_keeps_speakers_apart_and_tests_everybody_once(emodb: Path) -> None:
    utterances = CORPORA["emodb"].read(emodb)
    splits = folds(PROTOCOLS["strict"], utterances, seed=1)
    assert [fold.name for fold in splits] == [
        "03",
        "08",
        "09",
        "10",
        "11",
        "12",
        "13",
        "14",
        "15",
        "16",
    ]
    for fold in splits:
        assert {utterances[i].speaker for i in fold.test} == {fold.name}
        assert fold.name not in {utterances[i].speaker for i in fold.train}
        assert sorted(fold.train + fold.test) == list(range(535))
    assert sorted(i for fold in splits for i in fold.test) == list(range(535))


def test_the_published_protocol_mixes_speakers_in_ten_random_folds(emodb: Path) -> None:
    utterances = CORPORA["emodb"].read(emodb)
    splits = folds(PROTOCOLS["published"], utterances, seed=1)
    assert len(splits) == 10
    assert sorted(i for fold in splits for i in fold.test) == list(range(535))
    assert all(not set(fold.train) & set(fold.test) for fold in splits)
    assert {utterances[i].speaker for i in splits[0].test} & {
        utterances[i].speaker for i in splits[0].train
    }


def test_one_speaker_alone_cannot_be_left_out() -> None:
    alone = [Utterance(Path(f"{i}.wav"), "anger", "03") for i in range(5)]
    with pytest.raises(SernetError, match="two or more, the corpus has 1"):
        folds(PROTOCOLS["strict"], alone, seed=1)


def test_ten_random_folds_need_ten_recordings() -> None:
    few = [Utterance(Path(f"{i}.wav"), "anger", "") for i in range(9)]
    with pytest.raises(SernetError, match="10 random folds need as many recordings, the corpus"):
        folds(PROTOCOLS["published"], few, seed=1)


def test_folds_of_different_labels_are_not_pooled(tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run")
    fold = json.loads((run / "fold-2.json").read_text())
    (run / "fold-2.json").write_text(json.dumps(fold | {"labels": ["a", "b", "d"]}))
    with pytest.raises(SernetError, match="folds with different labels"):
        report(run)


def test_a_speakers_name_may_hold_a_slash(tmp_path: Path) -> None:
    settings = Settings("csv", Path("x"), "light-sernet", "mfcc", None, Recipe(), "window", 184, 1)
    job = Job(settings, tmp_path, (), (), Fold("anna/b c", (), ()), False)
    assert job.path == tmp_path / "fold-anna%2Fb c.json"


def fold_file(
    run: Path,
    name: str,
    truth: list[int],
    by_epoch: list[list[int]],
    int8: list[int] | None = None,
) -> None:
    """A fold whose int8 model guesses `int8`, by default all right."""
    final = np.eye(3)[by_epoch[-1]].tolist()
    (run / f"fold-{name}.json").write_text(
        json.dumps(
            {
                "fold": name,
                "speakers": [name] * len(truth),
                "truth": truth,
                "labels": ["a", "b", "c"],
                "float_scores": final,
                "int8_scores": np.eye(3)[int8 or truth].tolist(),
                "guess_by_epoch": by_epoch,
            }
        )
    )


def test_the_strict_figure_is_the_last_epochs_and_the_other_the_best_ones(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"split": "speakers"}')
    fold_file(tmp_path, "1", [0, 0, 1, 2], [[0, 0, 1, 2], [0, 1, 1, 1]])
    fold_file(tmp_path, "2", [0, 1, 1], [[1, 1, 0], [0, 1, 0]])
    figures = report(tmp_path)["protocols"]
    strict = figures["strict"]["float"]
    assert strict["wa"] == pytest.approx(4 / 7)
    # Pooled over folds: speaker 2 never says c and still counts for a and b.
    assert strict["uar"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert strict["caveat"] == ""
    assert strict["wa_interval"][0] <= strict["wa"] <= strict["wa_interval"][1]
    assert figures["strict"]["int8"]["wa"] == 1
    assert report(tmp_path, only=["2"])["protocols"]["strict"]["float"]["wa"] == pytest.approx(
        2 / 3
    )
    assert figures["test-epoch"]["float"]["wa"] == pytest.approx(6 / 7)
    assert "chosen on the test speaker" in figures["test-epoch"]["float"]["caveat"]


def saved_run(run: Path, **settings: object) -> Path:
    """A run of two folds with what report.py and the pages made from it look at."""
    run.mkdir(parents=True)
    base = {
        "corpus": "emodb",
        "split": "speakers",
        "architecture": "light-sernet",
        "recipe": {"loss": "focal", "epochs": 2},
        "level": "window",
        "seed": 1,
        "made_with": "a test",
    }
    (run / "run.json").write_text(json.dumps(base | settings))
    fold_file(run, "1", [0, 0, 1, 2], [[0, 0, 1, 2], [0, 1, 1, 1]])
    fold_file(run, "2", [0, 1, 1], [[1, 1, 0], [0, 1, 0]])
    return run


def test_the_results_page_is_computed_from_the_predictions(tmp_path: Path) -> None:
    saved_run(tmp_path / "runs" / "mine")
    saved_run(tmp_path / "runs" / "mixed", split="random")
    page = tmp_path / "results.md"
    results.main([str(tmp_path / "runs"), "--out", str(page)], standalone_mode=False)
    text = page.read_text()
    assert (
        "| light-sernet, focal, 2 epochs, 2 of 10 speakers, seed 1 | strict | float | 44.44 ("
        in text
    )
    assert "| a | 2 | 1 | 0 | 66.7% |" not in text  # the matrix is the int8 model's
    assert "| a | 3 | 0 | 0 | 100.0% |" in text
    assert "| mine | 7 | 3 | 0 | 3 | +42.86 |" in text  # int8 gets right what float did not
    for line in text.splitlines():
        if "| published |" in line or "| test-epoch |" in line:
            assert "optimistic: the" in line
    assert "published (optimistic: the same speakers are trained and tested on" in text
    assert (tmp_path / "pictures" / "mine-speakers.png").read_bytes().startswith(b"\x89PNG")


def test_seeds_of_one_configuration_are_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_SPEAKERS", 2)
    monkeypatch.setattr(results, "UNTOUCHED", ("2",))
    runs, page = tmp_path / "runs", tmp_path / "results.md"
    saved_run(runs / "first")
    second = saved_run(runs / "second", seed=2)
    fold_file(second, "1", [0, 0, 1, 2], [[0, 0, 0, 0]], int8=[1, 0, 1, 2])
    saved_run(runs / "other", seed=3, recipe={"loss": "focal", "epochs": 3})
    results.main([str(runs), "--out", str(page)], standalone_mode=False)
    # By hand: the first is right throughout; of a's 3, the second gets 2, of the 7 in all 6.
    assert (
        "| light-sernet, focal, 2 epochs | 2 | 94.44 (88.9 to 100.0) | 100.00 (100.0 to 100.0) "
        "| 92.86 (85.7 to 100.0) |" in page.read_text()
    )
    shutil.rmtree(second)
    results.main([str(runs), "--out", str(page)], standalone_mode=False)
    assert "From seed to seed" not in page.read_text()


def test_ablations_are_held_against_a_base_on_the_searchs_speakers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablations, "SEARCH", ("1", "2"))
    saved_run(tmp_path / "runs" / "base")
    other = saved_run(tmp_path / "runs" / "other", recipe={"loss": "focal", "epochs": 3})
    fold_file(other, "1", [0, 0, 1, 2], [[0, 0, 0, 0]], int8=[1, 0, 1, 2])
    # Another seed of the same: what the first one's version did not have yet was at its default.
    later = {"loss": "focal", "epochs": 3, "segments": "random"}
    saved_run(tmp_path / "runs" / "again", seed=2, recipe=later, features="mfcc")
    fold_file(tmp_path / "runs" / "base", "12", [0], [[1]], int8=[1])  # has no part in it
    remarked = saved_run(tmp_path / "runs" / "remarked", recipe=later)
    run = json.loads((remarked / "run.json").read_text())
    (remarked / "run.json").write_text(json.dumps(run | {"remark": "with another code"}))
    failed = saved_run(tmp_path / "runs" / "failed", recipe={"loss": "none", "epochs": 2})
    (failed / "fold-2.json").unlink()
    unconverted = saved_run(tmp_path / "runs" / "unconverted", recipe={"epochs": 4})
    for path in unconverted.glob("fold-*.json"):
        fold = json.loads(path.read_text())
        del fold["int8_scores"]
        path.write_text(json.dumps(fold))
    page = tmp_path / "ablations.md"
    arguments = [str(tmp_path / "runs"), "--base", "base", "--out", str(page)]
    ablations.main(arguments, standalone_mode=False)
    text = page.read_text()
    assert text.startswith("# What was tried")
    assert "\n5 configurations, each" in text
    # By hand: all right in the base; of a's 3, 2 are right in one of the other's two runs.
    lost = 100 * (1 / 3) / 3 / 2
    assert "| nothing: the base | 2 | 1 | 44.44 | 100.00 | +0.00 | 100.00 | base |" in text
    assert f"| {100 - lost:.2f} (88.9 to 100.0) | {-lost:+.2f} | " in text
    assert "| epochs 2 → 3 | 3 | 2 | " in text
    assert "| epochs 2 → 3; with another code | 3 | 1 | 44.44 | " in text
    # Compared with the base in float, of the same predictions.
    assert "| 4 | 1 | 44.44 | not converted | +0.00 | 57.14 | unconverted |" in text
    assert "no result: finished folds 1 | | | | failed |" in text
    assert "1 of\nthem were stopped before" in text
    with pytest.raises(SernetError, match="no run 'none'"):
        ablations.main([*arguments[:2], "none", *arguments[3:]], standalone_mode=False)


def test_a_report_is_one_page_with_its_pictures_inside(tmp_path: Path, sernet_edge: Run) -> None:
    runs = [saved_run(tmp_path / "mine"), saved_run(tmp_path / "mixed", split="random")]
    result = sernet_edge("report", *runs, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "out" / "index.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:image/png;base64,)", page)
    for kind in ("confusion", "speakers", "reliability"):
        picture = (tmp_path / "out" / f"mine-{kind}.png").read_bytes()
        assert base64.b64encode(picture).decode() in page
    assert "44.4% (" in page
    assert "published, optimistic: the same speakers are trained and tested on" in page
    assert not (tmp_path / "out" / "mixed-reliability.png").exists()
    result = sernet_edge("report", tmp_path, "--out", tmp_path / "out")
    assert result.returncode == 1
    assert "run.json" in result.stderr


@pytest.fixture(scope="module")
def small_run(
    sernet_edge: Run, small_corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Two of three folds, one epoch each."""
    out = tmp_path_factory.mktemp("cv") / "run"
    arguments = ["--corpus", "emodb", small_corpus, "--out", out, "--epochs", 1]
    result = sernet_edge("cross-validate", *arguments, "--folds", "03,08", "--jobs", 2)
    assert result.returncode == 0, result.stderr
    assert "strict     int8" in result.stdout
    return out


def test_a_run_goes_on_without_training_its_folds_again(
    small_run: Path, small_corpus: Path, sernet_edge: Run
) -> None:
    before = (small_run / "fold-03.json").read_bytes()
    (small_run / "fold-08.json").unlink()
    again = ["--corpus", "emodb", small_corpus, "--out", small_run, "--epochs", 1]
    result = sernet_edge("cross-validate", *again, "--folds", "03,08", "--json")
    assert result.returncode == 0, result.stderr
    assert "1 of 2 folds are there" in result.stderr
    assert (small_run / "fold-03.json").read_bytes() == before
    figures = json.loads(result.stdout)
    assert figures["folds"] == ["03", "08"]
    # The figure is what anybody computes from the predictions.
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


def test_a_run_of_a_time_with_fewer_settings_goes_on(
    small_run: Path, small_corpus: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    run = Path(shutil.copytree(small_run, tmp_path / "earlier"))
    settings = json.loads((run / "run.json").read_text())
    for name in ("features", "initial", "skipped", "labels", "recordings"):
        del settings[name]
    del settings["recipe"]["precision"]
    (run / "run.json").write_text(json.dumps(settings))
    arguments = ["--corpus", "emodb", small_corpus, "--out", run, "--epochs", 1]
    result = sernet_edge("cross-validate", *arguments, "--folds", "03,08")
    assert result.returncode == 0, result.stderr
    assert "2 of 2 folds are there" in result.stderr
    result = sernet_edge("cross-validate", *arguments, "--set", "precision=bfloat16")
    assert result.returncode == 1
    assert "holds a run that differs in its recipe" in result.stderr


def test_a_folder_of_another_run_and_wrong_names_are_refused(
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
    assert "run.json is no file of a cross-validation" in result.stderr
    settings = json.loads((small_run / "run.json").read_text())
    another = json.dumps(settings | {"labels": ["calm", "joy"], "recordings": "0"})
    (damaged / "run.json").write_text(another)
    result = sernet_edge("cross-validate", *arguments[:-1], damaged, "--epochs", 1)
    assert result.returncode == 1
    assert "holds a run that differs in its labels, recordings" in result.stderr
    result = sernet_edge("cross-validate", *arguments, "--epochs", 1, "--folds", "77")
    assert result.returncode == 2
    assert "no fold 77, there are 03, 08, 09" in result.stderr


def test_a_cross_validation_on_a_cluster_comes_to_the_same_predictions(
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


def test_a_killed_run_goes_on_to_the_same_predictions_and_leaves_nobody_training(
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
    # Whoever trained the fold is gone too: nobody finishes it.
    time.sleep(5)
    assert not (run / "fold-08.json").exists()
    result = sernet_edge(*command)
    assert result.returncode == 0, result.stderr
    uninterrupted, resumed = ((r / "fold-08.json").read_text() for r in (small_run, run))
    assert resumed == uninterrupted


def test_a_fold_that_cannot_be_read_is_named_and_skip_bad_goes_on(
    damaged_corpus: Callable[[str], Path], tmp_path: Path, sernet_edge: Run
) -> None:
    broken = damaged_corpus("08a01Na.wav")
    write_wav(broken / "08a02Wa.wav", np.zeros(16_000, np.int16))
    arguments = ("--corpus", "emodb", broken, "--out", tmp_path / "run", "--epochs", 1)
    result = sernet_edge("cross-validate", *arguments, "--folds", "08")
    assert result.returncode == 1
    assert "fold 08: " in result.stderr and "08a01Na.wav" in result.stderr
    assert "the folds that are done stay" in result.stderr
    assert "leave it out with --skip-bad" in result.stderr
    # Nothing of it was begun, so the way out leads through the same folder.
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


def test_a_label_that_nobody_else_says_is_named_with_its_fold() -> None:
    spoken = [("anna", "joy"), ("anna", "rage"), ("bert", "joy"), ("carl", "joy")]
    utterances = [Utterance(Path(f"{i}.wav"), label, who) for i, (who, label) in enumerate(spoken)]
    splits = folds(PROTOCOLS["strict"], utterances, seed=1)
    with pytest.raises(SernetError, match="fold anna has no rage to train on"):
        check_labels(splits, utterances, ["joy", "rage"])
    (remark,) = check_labels(splits[1:], utterances, ["joy", "rage"])
    assert remark.startswith("no rage to test in folds bert, carl: ")
    assert check_labels(splits[1:], utterances, ["joy"]) == []


def test_the_baseline_has_the_same_folds_and_chooses_on_training_speakers_alone(
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
    # By chance it would be one in seven.
    assert report["protocols"]["strict"]["float"]["wa"] > 0.7
    assert not list(run.glob("functionals*"))


def test_a_baseline_that_cannot_choose_is_refused_before_it_computes() -> None:
    def corpus(*spoken: str) -> list[Utterance]:
        return [Utterance(Path(f"{i}.wav"), who[1:], who[0]) for i, who in enumerate(spoken)]

    two = corpus("1joy", "1rage", "2joy", "2rage")
    with pytest.raises(SernetError, match="fold 1 has 1 to train on"):
        baseline.check(folds(PROTOCOLS["strict"], two, seed=1), two)
    lone = corpus("1joy", "1rage", "2joy", "2rage", "3joy")
    with pytest.raises(SernetError, match="in fold 1 all but 2 have one label only"):
        baseline.check(folds(PROTOCOLS["strict"], lone, seed=1), lone)
    three = corpus("1joy", "1rage", "2joy", "2rage", "3joy", "3rage")
    baseline.check(folds(PROTOCOLS["strict"], three, seed=1), three)


def test_the_baseline_does_not_look_at_the_test_utterances_labels() -> None:
    rng = np.random.default_rng(1)
    who = [str(i % 4) for i in range(40)]
    labels = [("a", "b")[i % 2] for i in range(40)]
    features = rng.normal(size=(40, 60)).astype(np.float32)
    train, test = range(30), range(30, 40)
    utterances = [Utterance(Path("x"), *pair) for pair in zip(labels, who, strict=True)]
    other = [Utterance(Path("x"), "a", u.speaker) for u in utterances[30:]]
    first, second = (
        baseline.train_and_score(features, some, ["a", "b"], train, test, 1)
        for some in (utterances, [*utterances[:30], *other])
    )
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]
