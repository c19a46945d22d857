"""The models that a run measures: the given ones, and those converted from a Keras model."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from bench_cases import CONTRACT, Document, Shown

from sernet_edge.bench.measure import (
    accuracy,
    macs,
    models,
)
from sernet_edge.firmware_export.graph import read_graph
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.models import ARCHITECTURES
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import read_recordings


def write_runs(runs: Path, contract: Contract) -> Document:
    """Write three cross-validations with a quarter of the channels; return the one bench uses."""
    (runs / "quarter").mkdir(parents=True)
    classes: Document = dict.fromkeys(contract.labels, {})
    figures = {"uar": 0.5, "wa": 0.6, "utterances": 535, "classes": classes}
    strict = {"strict": {"int8": figures}}
    report: Document = {
        "architecture": "light-sernet-quarter",
        "protocols": strict,
        "features": contract.features,
        "level": contract.level,
        "window_frames": contract.window_frames,
        "recipe": dataclasses.asdict(Recipe()),
        "folds": ["03", "08"],
    }
    # Bench prefers a run with more tested recordings and with the default recipe.
    for name, changed in (
        ("a", {"protocols": {"strict": {"int8": figures | {"uar": 0.8, "utterances": 243}}}}),
        (
            "b",
            {
                "protocols": {"strict": {"int8": figures | {"uar": 0.9}}},
                "recipe": dataclasses.asdict(Recipe(epochs=1)),
            },
        ),
    ):
        (runs / name).mkdir()
        (runs / name / "report.json").write_text(json.dumps(report | changed))
    (runs / "quarter" / "report.json").write_text(json.dumps(report))
    return report


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")
@pytest.mark.slow
def test_bench_makes_the_standard_set_from_a_keras_model(
    small_keras: Path, small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("light-sernet", "light-sernet-quarter", "light-sernet-ds")
    monkeypatch.setattr(models, "ARCHITECTURES", {n: ARCHITECTURES[n] for n in few})
    runs = tmp_path / "runs"
    contract = ModelFile.read(small_keras).require_contract()
    report = write_runs(runs, contract)
    recordings = read_recordings(CORPORA["emodb"].read(small_corpus), contract)
    speech = models.Speech("emodb", contract.sample_rate_hz, recordings)
    told: list[str] = []
    found = {s.name: s for s in models.given([small_keras], True, speech, told.append)}
    counted = {name: macs.section(read_graph(s.file)) for name, s in found.items()}
    for precision in ("float32", "float16", "dynamic", "int8"):
        assert counted[f"small-{precision}"]["precision"] == precision
        assert f"small: converting to {precision}" in told
    sizes = [counted[f"small-{p}"]["weight_bytes"] for p in ("float32", "float16", "int8")]
    assert sizes[0] > 1.9 * sizes[1] and sizes[1] > 1.9 * sizes[2]
    assert counted["small-float16"]["macs"] == counted["small-int8"]["macs"] == 159_326_400
    small = counted["light-sernet-quarter-int8"]["parameters"]
    # The published layers with a quarter of the channels.
    assert small == pytest.approx(counted["small-int8"]["parameters"] / 16, rel=0.1)

    def accuracy_of(name: str) -> dict[str, Any]:
        return accuracy.section(found[name], speech, runs)

    exact = accuracy_of("small-float32")
    assert exact["how"] == "measured" and "held-out speakers 09" in exact["source"]
    assert exact["agreement"]["label_agreement"] == 1
    assert exact["agreement"]["largest_score_difference"] < 1e-4
    assert accuracy_of("light-sernet-quarter-int8")["uar"] == 0.5
    source = accuracy_of("light-sernet-quarter-int8")["source"]
    assert source == "cross-validation quarter, folds 03, 08, strict, int8; other weights"
    assert "not trained" in accuracy_of("light-sernet-ds-int8")["not_measured"]
    # A run with a longer window or other labels does not apply to this model.
    figures = report["protocols"]["strict"]["int8"]
    fewer = {"strict": {"int8": {**figures, "classes": {"anger": {}}}}}
    shutil.rmtree(runs / "a")
    shutil.rmtree(runs / "b")
    for other in ({"window_frames": 434}, {"protocols": fewer}):
        (runs / "quarter" / "report.json").write_text(json.dumps({**report, **other}))
        assert "not trained" in accuracy_of("light-sernet-quarter-int8")["not_measured"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")
def test_bench_recognises_a_conversion_by_its_source_model(
    small_keras: Path, tmp_path: Path
) -> None:
    (made,) = models.given([small_keras], False, None, print)
    assert made.name == "small-int8" and made.untrained and made.contract is not None
    # Changes the contract like `convert`.
    provenance = {**made.contract.provenance, "conversion": {"precision": "int8"}}
    converted = made.contract.replace(unsure_below=0.6, drift_limit=2.0, provenance=provenance)
    stranger = converted.replace(provenance={**provenance, "seed": 99})
    (tmp_path / "own.tflite").write_bytes(made.file.with_contract(converted).data)
    (tmp_path / "other.tflite").write_bytes(made.file.with_contract(stranger).data)

    def parents(*names: str) -> dict[str, bool]:
        paths = [small_keras, *(tmp_path / f"{name}.tflite" for name in names)]
        found = models.given(paths, False, None, print)
        return {model.name: model.parent is not None for model in found}

    # If the right int8 model exists, bench does not make a second one with ranges from noise.
    assert parents("own") == {"own": True}
    assert parents("other") == {"small-int8": True, "other": False}


def test_for_a_keras_model_without_tensorflow_bench_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Shown
) -> None:
    # Bench checks only this before it needs TensorFlow.
    archive = ModelFile("m.keras", b"").with_contract(CONTRACT)
    (tmp_path / "m.keras").write_bytes(archive.data)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = bench(tmp_path / "m.keras")
    assert done.returncode == 1 and "pip install 'sernet-edge[convert]'" in done.stderr


def test_bench_tells_files_of_the_same_name_apart_by_folder(small: Path, tmp_path: Path) -> None:
    paths = [small]
    for place in ("a/one", "b/one", "b/two"):
        (tmp_path / place).mkdir(parents=True)
        paths.append(tmp_path / place / "small.tflite")
        paths[-1].write_bytes(small.read_bytes())
    paths += [paths[1].parent / ".." / "one" / "small.tflite"]  # given twice
    found = [s.name for s in models.given(paths, False, None, print)]
    assert found == [f"{small.parent.name}/small", "a/one/small", "b/one/small", "two/small"]
    assert [s.name for s in models.given(paths[:1], False, None, print)] == ["small"]
