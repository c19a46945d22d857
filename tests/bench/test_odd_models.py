"""Models of other tools: `bench` and `inspect` say what is impossible and do the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from odd_graphs import ODD, chain
from support import Run

from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.interpreter import interpreter_module
from sernet_edge.runtime.modelfile import ModelFile


@pytest.fixture(scope="module")
def measured(
    sernet_edge: Run, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """The output of bench for each model, by name, without a traceback."""
    folder = tmp_path_factory.mktemp("odd")
    for name, make in ODD.items():
        (folder / f"{name}.tflite").write_bytes(make())
    paths = sorted(folder.iterdir())
    result = sernet_edge("bench", *paths, "--core", "m4", "--processes", 0, "--json")
    assert result.returncode == 0, result.stderr
    return {model["name"]: model for model in json.loads(result.stdout)["models"]}


@pytest.mark.slow
def test_bench_accepts_every_model(measured: dict[str, dict[str, Any]]) -> None:
    assert measured.keys() == ODD.keys()


@pytest.mark.slow
def test_bench_measures_a_model_that_only_tensorflow_lite_refuses(
    measured: dict[str, dict[str, Any]],
) -> None:
    module = interpreter_module()
    if module.__name__.startswith("tflite_runtime"):
        with pytest.raises(ValueError, match="quantized_dimension must be in range"):
            module.Interpreter(model_content=ODD["person"]())
    person = measured["person"]
    assert person["tflm"]["arena_bytes"] > 96 * 96
    # The engine's own reference gives the same bits as TensorFlow Lite Micro.
    assert person["tflm"]["same_bits"] is True
    assert person["cores"]["m4"]["instructions"] > 0


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        *((name, "yes, an arena of") for name in ("person", "batch", "dynamic", "scalar")),
        *((name, "yes, an arena of") for name in ("five", "vector", "float32", "two_outputs")),
        ("two_inputs", "yes, an arena of"),
        ("no_inputs", "not checked: the model has no input"),
        ("string", "not checked: its input is string, not numbers"),
    ],
)
def test_inspect_runs_every_model_that_tensorflow_lite_micro_runs(
    name: str, answer: str, in_process: Run, tmp_path: Path
) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(ODD[name]())
    result = in_process("inspect", model, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["runs_in"]["TensorFlow Lite Micro"].startswith(answer)


def test_a_refusal_names_only_the_exceeded_limit() -> None:
    with pytest.raises(ModelError) as refusal:
        read_network(ModelFile("chain.tflite", chain(300)))
    assert "300 operators are more than the 250 that it takes" in str(refusal.value)
    assert "tensors" not in str(refusal.value)
