"""`sernet-edge bench`: bad input, and figures that it cannot measure."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bench_cases import Shown
from graphs import RandomGraph
from support import Run


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "", "is empty"),
        (lambda text: text[: len(text) // 2], "cut off"),
        (lambda text: "[]", "is not a run"),
        (lambda text: '{"format": "sernet-bench", "version": 99}', "version 99"),
        (lambda text: '{"format": "sernet-bench", "version": 1, "models": []}', "holds no model"),
        (
            lambda text: '{"format": "sernet-bench", "version": 1, "models": [{"name": "a"}]}',
            "not whole",
        ),
        (lambda text: json.dumps({**json.loads(text), "warnings": None}), "damaged"),
        (lambda text: text.replace('"machine"', '"engine"'), "lacks machine"),
        (lambda text: text.replace('"file_bytes"', '"file"'), "damaged"),
    ],
)
@pytest.mark.parametrize("option", ["--from", "--compare"])
def test_bench_refuses_an_empty_or_interrupted_run(
    option: str,
    change: Callable[[str], str],
    said: str,
    bench: Shown,
    saved: Path,
    tmp_path: Path,
) -> None:
    damaged = tmp_path / "damaged.json"
    damaged.write_text(change(saved.read_text()))
    arguments = [option, damaged] if option == "--from" else ["--from", saved, option, damaged]
    done = bench(*arguments)
    assert done.returncode == 1 and done.stdout == ""
    assert said in done.stderr and "damaged.json" in done.stderr and "again" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give MODELs"),
        (["model.tflite", "--from", "run.json"], "Give MODELs"),
        (["model.tflite", "--board", "Abacus"], "no board 'Abacus' is known"),
        (["model.tflite", "--tflm-library", "lib.a"], "go together"),
        (["model.tflite", "--core", "z80"], "z80"),
        (["model.tflite", "--runs", "no/such/folder"], "no/such/folder"),
    ],
)
def test_wrong_usage_has_a_message(arguments: list[str], said: str, bench: Shown) -> None:
    done = bench(*arguments)
    assert done.returncode == 2 and said in done.stderr


def test_bench_refuses_an_output_without_a_folder_before_it_measures(
    bench: Shown, small: Path, tmp_path: Path
) -> None:
    done = bench(small, "--json", "--out", tmp_path / "none" / "run.json")
    assert done.returncode == 1 and "does not exist" in done.stderr and "reading" not in done.stderr


def test_bench_refuses_a_file_that_is_not_a_model(bench: Shown, tmp_path: Path) -> None:
    (tmp_path / "note.tflite").write_text("hello")
    done = bench(tmp_path / "note.tflite")
    assert done.returncode == 1 and "note.tflite" in done.stderr
    assert bench(tmp_path / "none.tflite").returncode == 1


def test_bench_names_a_missing_program_and_how_to_install_it(
    sernet_edge: Run, small: Path, tmp_path: Path
) -> None:
    # Without a compiler, QEMU and the interpreter's package.
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "gone = ('tflite_micro', 'ai_edge_litert')\n"
        "u.find_spec = lambda name, *rest: None if name in gone else find(name, *rest)\n"
    )
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    done = sernet_edge(
        "bench", small, "--processes", 1, "--repetitions", 5, "--json", env=environment
    )
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    for core in ("m4", "m7", "m55"):
        assert "apt install gcc-arm-none-eabi" in model["cores"][core]["not_measured"]
    assert "pip install --pre tflite-micro" in model["tflm"]["not_measured"]
    said = {run["runtime"]: run.get("not_measured") for run in model["latency"]["runs"]}
    assert said["LiteRT"] == "install LiteRT: pip install ai-edge-litert"
    assert said["native engine, gcc -O3"] == "install gcc"
    assert model["engine"]["state_bytes"] > 0
    assert all(row["verdict"] == "not known" for row in model["boards"])


def test_tflms_columns_remain_if_the_engine_lacks_an_operator(
    in_process: Run, tmp_path: Path
) -> None:
    random = RandomGraph(3)
    last = random.graph.input((1, 8, 4, 2), 0.05, 0)
    output = random.graph.tensor((1, 4, 2, 8), 0.05, 0)
    last = random.graph.operator(
        "SPACE_TO_DEPTH", [last], output, "SpaceToDepthOptions", {"BlockSize": 2}
    )
    (tmp_path / "folded.tflite").write_bytes(random.graph.finish(last))
    done = in_process(
        "bench", tmp_path / "folded.tflite", "--core", "m4", "--processes", 0, "--json"
    )
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    assert "SPACE_TO_DEPTH" in model["engine"]["not_measured"]
    assert "--engine tflm" in model["engine"]["not_measured"]
    assert "SPACE_TO_DEPTH" in model["cores"]["m4"]["not_measured"]
    assert model["tflm"]["arena_bytes"] > 0 and model["tflm"]["same_bits"] is True
    assert all("SPACE_TO_DEPTH" in row["why"] for row in model["boards"])
