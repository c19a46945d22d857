"""`sernet-edge evaluate`: the figures of a model file on a corpus."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from heard_progress import HeardProgress
from support import Run

from sernet_edge.runtime.errors import SettingError
from sernet_edge.runtime.interpreter import load
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder
from sernet_edge.train.evaluation.evaluate import EvaluationSettings, evaluate
from sernet_edge.train.evaluation.saved_runs import pooled_figures


def test_the_shipped_models_figures_agree_with_its_saved_cross_validation(
    shipped_model: Path,
) -> None:
    claimed = load(shipped_model).contract.provenance["conversion"]["calibration"]
    run = Path(__file__).parents[2] / "benchmarks" / "runs" / claimed["run"]
    computed = pooled_figures(run)["protocols"]["strict"]
    for precision in ("float", "int8"):
        for figure in ("uar", "wa", "macro_f1"):
            assert claimed["strict"][precision][figure] == pytest.approx(
                computed[precision][figure], abs=1e-4
            )


def test_all_recordings_of_a_speaker_of_emodb_are_counted(
    emodb: Path, shipped_model: Path, in_process: Run
) -> None:
    result = in_process(
        "evaluate", shipped_model, "--corpus", "emodb", emodb, "--speakers", "03", "--json"
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["trained_on_these_speakers"] == ["03"]
    matrix = np.array(found["confusion"])
    assert matrix.sum() == len(list((emodb / "wav").glob("03*.wav")))
    assert found["wa"] == pytest.approx(matrix.trace() / matrix.sum())


def test_speakers_that_the_model_was_trained_on_are_named(
    small_corpus: Path, shipped_model: Path, in_process: Run
) -> None:
    result = in_process("evaluate", shipped_model, "--corpus", "emodb", small_corpus)
    assert result.returncode == 0, result.stderr
    assert "optimistic: the model was trained on the speakers 03, 08, 09" in result.stdout


def test_labels_of_another_corpus_are_mapped_or_left_out(
    small_corpus: Path, shipped_model: Path, in_process: Run, tmp_path: Path
) -> None:
    table = tmp_path / "corpus.csv"
    rows = [(path, "rage" if "W" in path.name else "awe") for path in small_corpus.iterdir()]
    table.write_text("path,label\n" + "".join(f"{path},{label}\n" for path, label in rows))
    arguments = ("evaluate", shipped_model, "--corpus", "csv", table)
    result = in_process(*arguments, "--map", "rage=anger")
    assert result.returncode == 1
    assert "the model has no label awe; its labels are anger" in result.stderr
    result = in_process(*arguments, "--map", "rage=anger", "--map", "awe=", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["utterances"] == report["classes"]["anger"]["support"] == 3
    assert report["classes"]["fear"]["recall"] is None
    assert report["left_out"] == {"awe": 18}


def test_a_keras_model_is_evaluated_and_has_a_page(
    small_keras: Path, damaged_corpus: Callable[[str], Path], tmp_path: Path, in_process: Run
) -> None:
    broken = damaged_corpus("09a01Wa.wav")
    arguments = ("evaluate", small_keras, "--corpus", "emodb", broken, "--speakers", "09")
    page = tmp_path / "page.html"
    result = in_process(*arguments, "--skip-bad", "--out", page, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["utterances"] == 6
    assert report["classes"]["anger"]["support"] == 0
    (skipped,) = report["skipped"]
    assert "09a01Wa.wav" in skipped and "recordings skipped: 1" in result.stderr
    # Training's figures of the same speaker, without the recording that is now damaged.
    said = json.loads(small_keras.with_suffix(".metrics.json").read_text())
    assert report["confusion"][1:] == said["confusion"][1:]
    tops = [b["count"] for b in report["reliability"]]
    assert sum(tops) == 6
    text = page.read_text()
    assert skipped in text.replace("&#x27;", "'")
    assert not re.search(r"(src|href)=\"(?!data:image/png;base64,)", text)
    result = in_process(*arguments, "--out", page)
    assert result.returncode == 1
    assert "page.html exists already" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["--map", "x"], ["--map", "a=b"], ["--speakers", "99"], ["--out", "x.pdf"]]
)
def test_wrong_usage_exits_with_2(
    arguments: list[str], small_corpus: Path, shipped_model: Path, in_process: Run
) -> None:
    result = in_process("evaluate", shipped_model, "--corpus", "emodb", small_corpus, *arguments)
    assert result.returncode == 2


def test_a_notebook_evaluates_as_the_command_does(
    small_corpus: Path, shipped_model: Path, in_process: Run
) -> None:
    corpora = CorpusChoice((CorpusFolder("emodb", small_corpus),), mapping={"fear": ""})
    settings = EvaluationSettings(shipped_model, corpora, speakers=("03", "08"))
    progress = HeardProgress()
    report = evaluate(settings, progress)
    assert progress.steps == {"recording": 12}
    assert report["left_out"] == {"fear": 2}
    result = in_process(
        "evaluate", shipped_model, "--corpus", "emodb", small_corpus, "--map", "fear=",
        "--speakers", "03,08", "--json",
    )  # fmt: skip
    assert json.loads(result.stdout) == json.loads(json.dumps(report))
    dread = dataclasses.replace(corpora, mapping={"fear": "dread"})
    for wrong, name in (({"corpora": dread}, "dread"), ({"speakers": ("99",)}, "99")):
        with pytest.raises(SettingError, match=name):
            evaluate(dataclasses.replace(settings, **wrong))
