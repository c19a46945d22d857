"""`sernet-edge evaluate`: the figures of a model file on a corpus."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import Run

from sernet_edge.runtime.interpreter import load


def test_the_shipped_models_figures_are_those_of_its_card(
    emodb: Path, shipped_model: Path, sernet_edge: Run
) -> None:
    provenance = load(shipped_model).contract.provenance
    speakers = ",".join(provenance["holdout_speakers"])
    result = sernet_edge(
        "evaluate", shipped_model, "--corpus", "emodb", emodb, "--speakers", speakers, "--json"
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    claimed = provenance["conversion"]["converted"]
    assert report["uar"] == pytest.approx(claimed["uar"])
    assert report["wa"] == pytest.approx(claimed["wa"])
    assert report["trained_on_these_speakers"] == []
    matrix = np.array(report["confusion"])
    assert report["wa"] == pytest.approx(matrix.trace() / matrix.sum())


def test_speakers_that_the_model_was_trained_on_are_named(
    small_corpus: Path, shipped_model: Path, sernet_edge: Run
) -> None:
    result = sernet_edge("evaluate", shipped_model, "--corpus", "emodb", small_corpus)
    assert result.returncode == 0, result.stderr
    assert "optimistic: the model was trained on the speakers 03, 08, 09" in result.stdout


def test_labels_of_another_corpus_are_mapped_or_left_out(
    small_corpus: Path, shipped_model: Path, sernet_edge: Run, tmp_path: Path
) -> None:
    table = tmp_path / "corpus.csv"
    rows = [(path, "rage" if "W" in path.name else "awe") for path in small_corpus.iterdir()]
    table.write_text("path,label\n" + "".join(f"{path},{label}\n" for path, label in rows))
    arguments = ("evaluate", shipped_model, "--corpus", "csv", table)
    result = sernet_edge(*arguments, "--map", "rage=anger")
    assert result.returncode == 1
    assert "the model knows no awe, only anger" in result.stderr
    result = sernet_edge(*arguments, "--map", "rage=anger", "--map", "awe=", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["utterances"] == report["classes"]["anger"]["support"] == 3
    assert report["classes"]["fear"]["recall"] is None


@pytest.mark.parametrize("arguments", [["--map", "x"], ["--map", "a=b"], ["--speakers", "99"]])
def test_wrong_usage_exits_with_2(
    arguments: list[str], small_corpus: Path, shipped_model: Path, sernet_edge: Run
) -> None:
    result = sernet_edge("evaluate", shipped_model, "--corpus", "emodb", small_corpus, *arguments)
    assert result.returncode == 2
