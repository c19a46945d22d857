"""`sernet-edge bench`: its figures against independent measurements of the same models."""

from __future__ import annotations

import copy
import csv
import dataclasses
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import benchmark_page
import numpy as np
import pytest
from bundle_cases import small_model
from graphs import SAME, RandomGraph
from support import Run

from sernet_edge.bench import command
from sernet_edge.bench.measure import (
    accuracy,
    latency,
    latency_worker,
    machine,
    memory,
    models,
    tflm_cores,
)
from sernet_edge.bench.measure.boards import BOARDS, CYCLES, find
from sernet_edge.bench.measure.macs import work
from sernet_edge.bench.show.table import Table, as_text
from sernet_edge.bench.show.tables import tables
from sernet_edge.cli import main
from sernet_edge.firmware_export.measure import cross
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.firmware_export.selftest.board_run import BoardRun
from sernet_edge.runtime import modelfile
from sernet_edge.runtime.contract import Contract
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.dataset import read_recordings
from sernet_edge.train.models import ARCHITECTURES

M4 = cross.CORES["m4"]
needs_m4 = pytest.mark.skipif(bool(M4.missing), reason=f"{' and '.join(M4.missing)} not installed")

CONTRACT = Contract(("calm", "angry"), (0.0,), (1.0,), window_frames=24, hop_frames=8)

Document = dict[str, Any]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small.tflite"
    path.write_bytes(small_model(CONTRACT))
    return path


@pytest.fixture(scope="module")
def measured(sernet_edge: Run, small: Path) -> Document:
    """A run of a small model with everything but accuracy."""
    out = small.with_name("run.json")
    done = sernet_edge(
        "bench", small, "--core", "m4", "--processes", 2, "--repetitions", 5, "--json", "--out", out
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    document: Document = json.loads(out.read_bytes())
    return document


Shown = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Run the command in this process, which is quick, for what measures nothing."""
    monkeypatch.setenv("COLUMNS", "1000")  # No sentence is broken into lines.

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        with pytest.raises(SystemExit) as end:
            main(["bench", *map(str, arguments)])
        said = capsys.readouterr()
        return subprocess.CompletedProcess([], int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def saved(measured: Document, tmp_path: Path) -> Path:
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(measured))
    return path


# Work


def test_multiply_accumulates_are_those_counted_by_hand() -> None:
    random = RandomGraph(0)
    last = random.graph.input((1, 8, 6, 3), 0.1, 0)
    last = random.conv(last, 5, window=(SAME, (3, 2), (2, 1)))
    layers = work(random.graph.finish(last), "graph")["layers"]
    # 4 x 6 positions of 5 channels, each of 3 x 2 positions of 3 channels, and 5 biases.
    assert layers == [
        {"op": "CONV_2D", "shape": [1, 4, 6, 5], "macs": 24 * 5 * 18, "parameters": 5 * 18 + 5}
    ]


def test_weights_are_what_the_engines_reader_finds(shipped_model: Path) -> None:
    found = work(shipped_model.read_bytes(), "shipped")
    assert found["weight_bytes"] == read_network(shipped_model.read_bytes(), "x").weight_bytes
    assert found["precision"] == "int8" and found["uncounted"] == []
    # The published network's, with batch normalisation folded in: see test_firmware_measure.
    assert found["macs"] == 159_326_400


# Memory


def test_the_arena_is_what_the_interpreter_itself_says(shipped_model: Path) -> None:
    data = modelfile.strip_contract(shipped_model.read_bytes())
    found = memory.interpreter(data, "shipped")
    assert found["same_bits"] is True
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    # One byte for each that it takes is enough, and 64 less are not.
    runtime.Interpreter.from_bytes(data, arena_size=found["arena_bytes"] + 64)
    assert found["head_bytes"] + found["tail_bytes"] == found["arena_bytes"]
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(data, arena_size=found["arena_bytes"] - 64)


def test_layers_share_the_engines_state(shipped_model: Path) -> None:
    data = shipped_model.read_bytes()
    found = memory.engine(plan_network(read_network(data, "shipped")))
    each = [layer["ring_bytes"] + layer["scratch_bytes"] for layer in found["layers"]]
    assert max(each) < found["arena_bytes"] < sum(each)
    assert found["arena_bytes"] < found["state_bytes"]
    assert found["layers"][1]["map_bytes"] == 184 * 40 * 32


# A run


@needs_m4
def test_flash_and_ram_are_those_of_the_linked_firmware(measured: Document) -> None:
    found = measured["models"][0]["cores"]["m4"]
    sections = found["sections"]
    assert found["flash_bytes"] == sum(sections.values()) - sections[".bss"]
    assert found["ram_bytes"] == sections[".bss"] + sections.get(".data", 0) + found["stack_bytes"]
    assert found["stack_bytes"] > 0


@needs_m4
def test_instructions_of_a_second_are_those_of_its_hops(measured: Document) -> None:
    found = measured["models"][0]["cores"]["m4"]
    hop = found["hop"]
    assert hop["seconds"] == pytest.approx(8 * 0.016)
    assert found["per_second"] == pytest.approx((hop["features"] + hop["network"]) / hop["seconds"])
    # Of layers as small as these the schedule takes a good share.
    assert 0.6 < sum(found["layers"]) / found["instructions"] < 1


def test_latency_is_measured_for_every_runtime_that_is_installed(measured: Document) -> None:
    host = measured["models"][0]["host"]
    by_name = {(run["runtime"], run["threads"]): run for run in host["runs"]}
    expected = {"LiteRT", "LiteRT, XNNPACK", "native engine, gcc -O3"}
    assert expected <= {name for name, _ in by_name}
    for run in (*host["runs"], *host["features"]):
        if "not_measured" in run:
            assert "install" in run["not_measured"]
            continue
        assert run["processes"] == 2 and run["repetitions"] == 10
        assert 0 < run["median_ms"] <= run["p95_ms"]
        assert run["real_time_factor"] == pytest.approx(run["median_ms"] / 128)
        assert run["cpu_ms"] > 0
    assert len(by_name["native engine, gcc -O3", 1]["layers_ms"]) == len(
        measured["models"][0]["engine"]["layers"]
    )


def test_a_worker_does_five_repetitions_however_long_they_take(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = {"what": "features", "model": str(small), "warm_up": 0, "most": 9, "budget_ms": 0}
    latency_worker.main(job)
    found = json.loads(capsys.readouterr().out)
    assert len(found["wall_ns"]) == 5
    assert all(ns > 0 for ns in found["wall_ns"]) and found["cpu_ns"] > 0


def test_a_run_says_what_it_was_measured_on(measured: Document) -> None:
    described = measured["machine"]
    assert described["cores"] == os.cpu_count()
    assert described["packages"]["numpy"] == np.__version__
    assert described["before"]["load"] >= 0


def test_a_hot_slowed_down_pi_gives_warnings() -> None:
    before = {"load": 0.0, "temperature_c": 50.0, "clock_mhz": 1500.0, "throttled": []}
    after = {"load": 1.0, "temperature_c": 84.6, "clock_mhz": 750.0, "throttled": ["throttled"]}
    assert machine.warnings(before, before) == []
    said = "; ".join(machine.warnings(before, after))
    assert "hot: 85 degrees" in said and "1500 to 750 MHz" in said and "throttled" in said
    busy = {**before, "load": 99.0}
    assert "busy before measuring: load 99.0" in machine.warnings(busy, before)[0]


def test_noisy_latencies_are_counted_and_the_worst_is_named() -> None:
    def job(runtime: str, medians: tuple[int, int], cpu_share: float = 1.0) -> latency.Job:
        wall = [[median] * 5 for median in medians]
        cpu = [round(sum(times) * cpu_share) for times in wall]
        return latency.Job(0, runtime, 1, lambda *_: [], 0.5, wall_ns=wall, cpu_ns=cpu)

    steady = job("steady", (1000, 1050))
    assert latency.warnings([steady], ["model"]) == []
    noisy = [job("apart", (1000, 1500)), job("far apart", (1000, 3000)), steady]
    (said,) = latency.warnings(noisy, ["model"])
    assert "of 3 latencies 2 are unsteady" in said and "model, far apart, 1 thread" in said
    (said,) = latency.warnings([job("starved", (1000, 1000), 0.5), steady], ["model"])
    assert "of 2 latencies 1 had less than 90%" in said and "model, starved" in said


def test_vcgencmds_bits_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vcgencmd"
    program.write_text("#!/bin/sh\necho throttled=0x50005\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    # 0x5: under-voltage and throttled now; 0x50000: at some time before.
    assert machine.state()["throttled"] == ["under-voltage", "throttled"]


# What is shown


def test_text_csv_and_markdown_have_the_same_figures(
    bench: Shown, saved: Path, measured: Document
) -> None:
    model = measured["models"][0]
    shown = {
        kind: bench("--from", saved, *([f"--{kind}"] if kind else [])).stdout
        for kind in ("", "markdown", "csv")
    }
    size = model["size"]["file_bytes"]
    assert f" {size:,} " in shown[""] and f"| {size:,} |" in shown["markdown"]
    rows = list(csv.DictReader(StringIO(shown["csv"])))
    values = {row["name"]: row for row in rows}
    assert values["file"]["value"] == str(size) and values["file"]["how"] == "computed"
    arena = values["TFLM arena"]
    assert arena["value"] == str(model["tflm"]["arena_bytes"]) and arena["how"] == "measured"
    lines = [line for line in shown["markdown"].splitlines() if line.startswith("|")]
    assert all(re.fullmatch(r"\|( [^|]* \|)+", line) for line in lines)


@pytest.mark.parametrize("width", [80, 100])
def test_tables_fit_the_terminal(
    width: int, bench: Shown, saved: Path, measured: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    done = bench("--from", saved, "--elf", "--compare", saved)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines() + done.stderr.splitlines())) <= width
    said = set(done.stdout.split())
    for table in tables(measured, elf=True):
        for row in table.rows:
            assert {word for cell in row[1:] for word in cell.split()} <= said, row


def test_a_table_too_wide_has_its_parts_below_each_other() -> None:
    table = Table("T", ["board", "flash", "a limit"], [["Nano", "1", "none"]], parts=(1, 1, 1))
    assert as_text([table], 24).splitlines() == [
        "T", "", "                  a", "board  flash  limit", "Nano       1   none",
    ]  # fmt: skip
    assert as_text([table], 12).splitlines() == [
        "T", "", "board  flash", "Nano       1", "", "           a", "board  limit", "Nano    none",
    ]  # fmt: skip


def test_a_long_name_takes_two_lines() -> None:
    table = Table("T", ["model", "board", "RAM"], by_model=True, left=2)
    table.rows = [["tiny", "Nano 33 BLE Sense Rev2", "15%"], ["tiny", "Teensy 4.1", "4%"]]
    assert as_text([table], 27).splitlines()[2:] == [
        "board                   RAM",
        "tiny:",
        "  Nano 33 BLE Sense     15%",
        "    Rev2",
        "  Teensy 4.1             4%",
    ]


@needs_m4
def test_elf_lists_the_sections(bench: Shown, saved: Path, measured: Document) -> None:
    text = measured["models"][0]["cores"]["m4"]["sections"][".text"]
    assert ".rodata" not in bench("--from", saved).stdout
    assert f"{text:,}" in bench("--from", saved, "--elf").stdout


def test_what_was_not_measured_has_its_reason_below_the_table(measured: Document) -> None:
    document = copy.deepcopy(measured)
    document["models"][0]["cores"] = {"m4": {"not_measured": "install a compiler"}}
    (table,) = [t for t in tables(document) if t.title.startswith("Microcontroller")]
    assert table.rows[0][2] == "not measured [1]"
    assert table.notes[0] == "install a compiler"


def test_a_layer_has_its_own_parameters_behind_a_reshape(measured: Document, small: Path) -> None:
    table = next(t for t in tables(measured) if t.title.startswith("Layers"))
    found = {row[0].split()[1]: row[3] for row in table.rows[:-1]}
    dense = next(
        layer
        for layer in read_network(small.read_bytes(), "small").layers
        if layer.op == "FULLY_CONNECTED"
    )
    assert found["FULLY_CONNECTED"] == f"{dense.weights.size:,}"  # It has no bias.
    assert found["SOFTMAX"] == "0"


def test_pictures_are_drawn_without_a_display(
    sernet_edge: Run, saved: Path, tmp_path: Path
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"} | {"MPLBACKEND": ""}
    done = sernet_edge("bench", "--from", saved, "--pictures", tmp_path / "made", env=environment)
    assert done.returncode == 0, done.stderr
    for name in ("layers-small.png", "accuracy.png"):
        data = (tmp_path / "made" / name).read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) > 5000


def test_the_page_shows_the_first_models_layers_for_all(measured: Document, tmp_path: Path) -> None:
    second = {**copy.deepcopy(measured["models"][0]), "name": "second"}
    run = tmp_path / "run.json"
    run.write_text(json.dumps({**measured, "models": [*measured["models"], second]}))
    command = [sys.executable, benchmark_page.__file__, run, tmp_path / "docs"]
    subprocess.run(command, check=True)
    text = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert "## Layers of small\n" in text and "Layers of second" not in text
    assert "| second | m4 |" in text
    drawn = sorted(path.name for path in (tmp_path / "docs" / "benchmarks").iterdir())
    assert drawn == ["accuracy.png", "layers-small.png"]
    assert all(f"(benchmarks/{name})" in text for name in drawn)


def test_the_page_has_the_run_s_machine_tables_and_sources(measured: Document) -> None:
    text = benchmark_page.page(measured, "runs/bench.json", ["benchmarks/accuracy.png"])
    assert measured["machine"]["processor"] in text
    assert "![accuracy](benchmarks/accuracy.png)" in text
    assert f"{measured['models'][0]['size']['file_bytes']:,}" in text
    assert all(board.source in text for board in BOARDS)


# Against a baseline


def doubled(document: Document) -> Document:
    other = copy.deepcopy(document)
    other["models"][0]["size"]["file_bytes"] *= 2
    return other


def test_a_regression_past_the_limit_fails(
    bench: Shown, saved: Path, measured: Document, tmp_path: Path
) -> None:
    worse = tmp_path / "worse.json"
    worse.write_text(json.dumps(doubled(measured)))
    done = bench("--from", worse, "--compare", saved)
    assert done.returncode == 1
    assert "1 of" in done.stderr and "small, file" in done.stderr
    assert re.search(r"small:\n +file .* 2\.000 +worse", done.stdout)
    allowed = bench("--from", worse, "--compare", saved, "--max-regression", 100)
    assert allowed.returncode == 0, allowed.stderr
    better = bench("--from", saved, "--compare", worse)
    assert better.returncode == 0 and " 0.500" in better.stdout


def test_a_figure_that_is_gone_is_a_regression(
    bench: Shown, saved: Path, measured: Document, tmp_path: Path
) -> None:
    other, path = copy.deepcopy(measured), tmp_path / "gone.json"
    other["models"][0]["tflm"] = {"not_measured": "install the package tflite-micro"}
    path.write_text(json.dumps(other))
    done = bench("--from", path, "--compare", saved)
    assert done.returncode == 1 and "TFLM arena" in done.stderr


def test_latencies_of_another_computer_are_not_judged(
    bench: Shown, saved: Path, measured: Document, tmp_path: Path
) -> None:
    other, path = copy.deepcopy(measured), tmp_path / "other.json"
    for run in other["models"][0]["host"]["runs"]:
        if "median_ms" in run:
            run["median_ms"] *= 10
    path.write_text(json.dumps(other))
    assert bench("--from", path, "--compare", saved).returncode == 1
    other["machine"]["processor"] = "another"
    path.write_text(json.dumps(other))
    done = bench("--from", path, "--compare", saved)
    assert done.returncode == 0 and "another computer" in done.stdout


# Bad input


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "", "is empty"),
        (lambda text: text[: len(text) // 2], "cut off"),
        (lambda text: "[]", "is no run"),
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
def test_an_empty_or_interrupted_run_is_refused(
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
def test_wrong_usage_is_told(arguments: list[str], said: str, bench: Shown) -> None:
    done = bench(*arguments)
    assert done.returncode == 2 and said in done.stderr


def test_an_output_without_a_folder_is_refused_before_anything_is_measured(
    bench: Shown, small: Path, tmp_path: Path
) -> None:
    done = bench(small, "--json", "--out", tmp_path / "none" / "run.json")
    assert done.returncode == 1 and "does not exist" in done.stderr and "reading" not in done.stderr


def test_a_file_that_is_no_model_is_refused(bench: Shown, tmp_path: Path) -> None:
    (tmp_path / "note.tflite").write_text("hello")
    done = bench(tmp_path / "note.tflite")
    assert done.returncode == 1 and "note.tflite" in done.stderr
    assert bench(tmp_path / "none.tflite").returncode == 1


def test_what_is_not_installed_is_named_with_how_to_get_it(
    sernet_edge: Run, small: Path, tmp_path: Path
) -> None:
    # No compiler, no QEMU; an interpreter package that cannot be found.
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
    said = {run["runtime"]: run.get("not_measured") for run in model["host"]["runs"]}
    assert said["LiteRT"] == "install LiteRT: pip install ai-edge-litert"
    assert said["native engine, gcc -O3"] == "install gcc"
    assert model["engine"]["state_bytes"] > 0
    assert all(row["verdict"] == "not known" for row in model["boards"])


def test_an_operator_that_the_engine_does_not_know_leaves_tflms_columns(
    sernet_edge: Run, tmp_path: Path
) -> None:
    random = RandomGraph(3)
    last = random.graph.input((1, 8, 4, 2), 0.05, 0)
    output = random.graph.tensor((1, 8, 4, 2), 1 / 256, -128)
    last = random.graph.operator("LOGISTIC", [last], output, None)
    (tmp_path / "sigmoid.tflite").write_bytes(random.graph.finish(last))
    done = sernet_edge(
        "bench", tmp_path / "sigmoid.tflite", "--core", "m4", "--processes", 0, "--json"
    )
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    assert "LOGISTIC" in model["engine"]["not_measured"]
    assert "--engine tflm" in model["engine"]["not_measured"]
    assert "LOGISTIC" in model["cores"]["m4"]["not_measured"]
    assert model["tflm"]["arena_bytes"] > 0 and model["tflm"]["same_bits"] is True
    assert all("LOGISTIC" in row["why"] for row in model["boards"])


# Boards


def test_boards_are_found_by_name_however_it_is_written() -> None:
    assert find("nucleo f446re").name == "NUCLEO-F446RE"
    assert find("Raspberry-Pi Pico 2").core == "m33"
    assert {board.core for board in BOARDS} <= set(CYCLES)


def test_every_board_says_where_its_facts_were_read() -> None:
    for board in BOARDS:
        assert re.search(r"commit [0-9a-f]{8}|revision|documentation|unverified", board.source)


@needs_m4
def test_without_a_contract_flash_and_ram_are_known_but_not_the_time(
    sernet_edge: Run, small: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bare.tflite"
    path.write_bytes(modelfile.strip_contract(small.read_bytes()))
    done = sernet_edge("bench", path, "--core", "m4", "--processes", 0, "--board", "NUCLEO-F446RE")
    assert done.returncode == 0, done.stderr
    (row,) = re.findall(r"^  NUCLEO-F446RE.*", done.stdout, re.M)
    assert re.search(r"m4 +\d+% +\d+% +180 +- +not known \[\d\]", row), row
    assert "not known, the model has no contract, which says how often it runs" in done.stdout


@needs_m4
def test_a_board_that_is_too_slow_wants_a_longer_hop(
    bench: Shown, saved: Path, measured: Document, tmp_path: Path
) -> None:
    # As many instructions for the network as make 64 MHz too slow at the model's own hop.
    slow, path = copy.deepcopy(measured), tmp_path / "slow.json"
    hop = slow["models"][0]["cores"]["m4"]["hop"]
    hop["network"] = int(64e6 * 0.128)
    path.write_text(json.dumps(slow))
    done = bench("--from", path, "--board", "Arduino Nano 33 BLE Sense Rev2")
    found = re.search(r"fits on Arduino .* with a hop of (\S+) s instead of 0.128 s", done.stdout)
    assert found is not None, done.stdout
    # At 1.8 cycles an instruction, the most that is assumed, beside the front end's.
    cycles = 1.8 * (hop["network"] / float(found[1]) + hop["features"] / 0.128)
    assert (
        cycles
        < 64e6
        < 1.8 * (hop["network"] / (float(found[1]) - 0.016)) + 1.8 * (hop["features"] / 0.128)
    )
    assert "fits on" in bench("--from", saved, "--board", "NUCLEO-F446RE").stdout


@needs_m4
def test_a_board_that_is_too_small_wants_a_smaller_model(
    bench: Shown, measured: Document, tmp_path: Path
) -> None:
    large, path = copy.deepcopy(measured), tmp_path / "large.json"
    model = large["models"][0]
    smaller = copy.deepcopy(model)
    smaller["name"], smaller["work"]["macs"] = "smaller", model["work"]["macs"] - 1
    model["cores"]["m4"]["flash_bytes"] = 1 << 20
    path.write_text(json.dumps({**large, "models": [model, smaller]}))
    done = bench("--from", path, "--board", "NUCLEO-F446RE")
    assert "small does not fit on NUCLEO-F446RE (flash)" in done.stdout
    assert "the smallest change that fits is smaller" in done.stdout
    path.write_text(json.dumps({**large, "models": [model]}))
    alone = bench("--from", path, "--board", "NUCLEO-F446RE")
    assert "--zoo adds its small relatives" in alone.stdout


@needs_m4
def test_cycles_that_a_board_measured_take_the_estimates_place(
    sernet_edge: Run, small: Path, tmp_path: Path
) -> None:
    data = small.read_bytes()
    run = BoardRun(
        model="small.tflite",
        contract_id=CONTRACT.id,
        flatbuffer_sha256=work_sha256(data),
        board="Nucleo F446RE",
        clock_hz=100_000_000,
        audio="noise",
        audio_s=1.0,
        windows=3,
        cycles_per_inference=1_280_000,
        cycles_per_inference_range=(1_280_000, 1_280_000),
        frontend_cycles_per_second=5_000_000,
        features=1,
        features_differing=0,
        features_largest_difference=0,
        scores=1,
        scores_differing=0,
        labels_differing=0,
        frames_repeated=0,
        sernet_edge="0",
    )
    run.write(tmp_path / "board.json")
    stranger = dataclasses.replace(run, flatbuffer_sha256="0" * 64, board="elsewhere")
    stranger.write(tmp_path / "stranger.json")
    done = sernet_edge(
        "bench", small, "--core", "m4", "--processes", 0, "--json",
        "--board-run", tmp_path / "board.json", "--board-run", tmp_path / "stranger.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["models"][0]["boards"]}
    row = rows["NUCLEO-F446RE"]
    # 1.28 M cycles each 0.128 s, and the front end's 5 M.
    assert row["measured"] is True and row["clock_mhz_needed"] == pytest.approx(15)
    assert row["verdict"] == "fits"
    assert rows["B-L475E-IOT01A"]["measured"] is False
    assert "self-test on elsewhere was of another model" in done.stderr


def work_sha256(data: bytes) -> str:
    done = subprocess.run(
        ["sha256sum"], input=modelfile.strip_contract(data), capture_output=True, check=True
    )
    return done.stdout.decode().split()[0]


# Accuracy


def test_the_cards_accuracy_is_never_that_of_training_speakers(small: Path) -> None:
    strict = {"int8": {"uar": 0.5, "wa": 0.6}, "float": {"uar": 0.7, "wa": 0.8}}
    conversion: Document = {
        "converted": {"uar": 0.99, "wa": 0.98},
        "verified_on": "335 recordings",
        "precision": "int8",
        "label_agreement": 0.9,
        "largest_score_difference": 0.1,
        "mean_score_difference": 0.01,
        "windows": 400,
    }

    def accuracy_of(held_out: list[str], conversion: Document) -> Document:
        provenance = {"holdout_speakers": held_out, "conversion": conversion}
        data = modelfile.with_contract(
            modelfile.strip_contract(small.read_bytes()), CONTRACT.replace(provenance=provenance)
        )
        return accuracy.section(models.Subject("small", data, ""), None, None)

    held_out = accuracy_of(["09"], conversion)
    assert (held_out["uar"], held_out["how"]) == (0.99, "card")
    on_all = accuracy_of([], {**conversion, "calibration": {"run": "five", "strict": strict}})
    assert (on_all["uar"], on_all["wa"], on_all["how"]) == (0.5, 0.6, "cross-validation")
    assert "other weights" in on_all["source"]
    alone = accuracy_of([], conversion)
    assert "--corpus" in alone["not_measured"] and "uar" not in alone
    for found in (held_out, on_all, alone):
        assert found["agreement"]["label_agreement"] == 0.9


# Keras models


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")
def test_a_keras_model_becomes_the_standard_set(
    small_keras: Path, small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("light-sernet", "light-sernet-quarter", "light-sernet-ds")
    monkeypatch.setattr(models, "ARCHITECTURES", {n: ARCHITECTURES[n] for n in few})
    runs = tmp_path / "runs"
    (runs / "quarter").mkdir(parents=True)
    contract = modelfile.read_contract(small_keras.read_bytes(), "small")
    classes: Document = dict.fromkeys(contract.labels, {})
    figures = {"uar": 0.5, "wa": 0.6, "utterances": 535, "classes": classes}
    strict = {"strict": {"int8": figures}}
    report: Document = {
        "architecture": "light-sernet-quarter",
        "protocols": strict,
        "level": contract.level,
        "window_frames": contract.window_frames,
        "recipe": {},
        "folds": ["03", "08"],
    }
    # One that tests fewer counts less, and so does one of a changed recipe.
    for name, changed in (
        ("a", {"protocols": {"strict": {"int8": figures | {"uar": 0.8, "utterances": 243}}}}),
        ("b", {"protocols": {"strict": {"int8": figures | {"uar": 0.9}}}, "recipe": {"epochs": 1}}),
    ):
        (runs / name).mkdir()
        (runs / name / "report.json").write_text(json.dumps(report | changed))
    (runs / "quarter" / "report.json").write_text(json.dumps(report))
    recordings = read_recordings(CORPORA["emodb"].read(small_corpus), contract)
    speech = models.Speech("emodb", contract.sample_rate_hz, recordings)
    told: list[str] = []
    found = {s.name: s for s in models.given([small_keras], True, speech, told.append)}
    counted = {name: work(s.data, name) for name, s in found.items()}
    for precision in ("float32", "float16", "dynamic", "int8"):
        assert counted[f"small-{precision}"]["precision"] == precision
        assert f"small: converting to {precision}" in told
    sizes = [counted[f"small-{p}"]["weight_bytes"] for p in ("float32", "float16", "int8")]
    assert sizes[0] > 1.9 * sizes[1] and sizes[1] > 1.9 * sizes[2]
    assert counted["small-float16"]["macs"] == counted["small-int8"]["macs"] == 159_326_400
    small = counted["light-sernet-quarter-int8"]["parameters"]
    # The published layers, each with a quarter of the channels.
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
    # One of a longer window or of other labels says nothing about this model.
    fewer = {"strict": {"int8": {**strict["strict"]["int8"], "classes": {"anger": {}}}}}
    shutil.rmtree(runs / "a")
    shutil.rmtree(runs / "b")
    for other in ({"window_frames": 434}, {"protocols": fewer}):
        (runs / "quarter" / "report.json").write_text(json.dumps({**report, **other}))
        assert "not trained" in accuracy_of("light-sernet-quarter-int8")["not_measured"]


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")
def test_a_conversion_is_known_by_the_model_that_it_was_made_from(
    small_keras: Path, tmp_path: Path
) -> None:
    (made,) = models.given([small_keras], False, None, print)
    assert made.name == "small-int8" and made.untrained and made.contract is not None
    # As `convert` changes a contract.
    provenance = {**made.contract.provenance, "conversion": {"precision": "int8"}}
    converted = made.contract.replace(unsure_below=0.6, drift_limit=2.0, provenance=provenance)
    stranger = converted.replace(provenance={**provenance, "seed": 99})
    flatbuffer = modelfile.strip_contract(made.data)
    (tmp_path / "own.tflite").write_bytes(modelfile.with_contract(flatbuffer, converted))
    (tmp_path / "other.tflite").write_bytes(modelfile.with_contract(flatbuffer, stranger))

    def parents(*names: str) -> dict[str, bool]:
        paths = [small_keras, *(tmp_path / f"{name}.tflite" for name in names)]
        found = models.given(paths, False, None, print)
        return {subject.name: subject.parent is not None for subject in found}

    # No second int8 model is made, with ranges of noise, where there is the right one.
    assert parents("own") == {"own": True}
    assert parents("other") == {"small-int8": True, "other": False}


def test_a_keras_model_without_tensorflow_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Shown
) -> None:
    archive = modelfile.with_contract(b"", CONTRACT)  # all that is looked at before TensorFlow
    (tmp_path / "m.keras").write_bytes(archive)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = bench(tmp_path / "m.keras")
    assert done.returncode == 1 and "pip install 'sernet-edge[convert]'" in done.stderr


def test_a_corpus_is_heard_by_the_models_that_can_and_the_others_say_why_not(
    small: Path, small_keras: Path, small_corpus: Path, tmp_path: Path
) -> None:
    contract = modelfile.read_contract(small_keras.read_bytes(), "small")
    slow = contract.replace(sample_rate_hz=8000, mel_high_hz=3800.0)
    (tmp_path / "bare.tflite").write_bytes(modelfile.strip_contract(small.read_bytes()))
    (tmp_path / "able.tflite").write_bytes(small_model(contract))
    (tmp_path / "other.tflite").write_bytes(small_model(slow))
    models = [tmp_path / "bare.tflite", small, tmp_path / "able.tflite", tmp_path / "other.tflite"]
    speech = command.read_speech(models, "emodb", small_corpus)
    assert speech is not None and speech.rate_hz == CONTRACT.sample_rate_hz
    found = {
        s.name: accuracy.section(s, speech, None)
        for s in models.given(models, False, speech, print)
    }
    assert "no contract" in found["bare"]["not_measured"]
    assert "knows no anger" in found["small"]["not_measured"]
    assert found["able"]["how"] == "measured" and 0 <= found["able"]["uar"] <= 1
    assert "8000 Hz" in found["other"]["not_measured"]
    assert command.read_speech(models[:1], "emodb", small_corpus) is None


@needs_m4
def test_a_bad_recording_is_named_and_can_be_skipped(
    bench: Shown, damaged_corpus: Callable[[str], Path], tmp_path: Path
) -> None:
    broken = damaged_corpus("03a01Wa.wav")
    labels = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
    model = tmp_path / "able.tflite"
    model.write_bytes(small_model(CONTRACT.replace(labels=labels)))
    arguments = (model, "--corpus", "emodb", broken, "--core", "m4", "--processes", 0)
    done = bench(*arguments)
    assert done.returncode == 1 and "03a01Wa.wav" in done.stderr and "--skip-bad" in done.stderr
    done = bench(*arguments, "--skip-bad", "--json")
    assert done.returncode == 0, done.stderr
    assert "skipped: " in done.stderr and "recordings skipped: 1" in done.stderr
    heard = json.loads(done.stdout)["models"][0]["accuracy"]
    left = len(list(broken.glob("*.wav"))) - 1
    assert heard["how"] == "measured" and heard["source"].startswith(f"{left} recordings of emodb")


def test_files_of_one_name_are_told_apart_by_their_folders(small: Path, tmp_path: Path) -> None:
    paths = [small]
    for place in ("a/one", "b/one", "b/two"):
        (tmp_path / place).mkdir(parents=True)
        paths.append(tmp_path / place / "small.tflite")
        paths[-1].write_bytes(small.read_bytes())
    paths += [paths[1].parent / ".." / "one" / "small.tflite"]  # once more
    found = [s.name for s in models.given(paths, False, None, print)]
    assert found == [f"{small.parent.name}/small", "a/one/small", "b/one/small", "two/small"]
    assert [s.name for s in models.given(paths[:1], False, None, print)] == ["small"]


@needs_m4
def test_a_library_for_another_processor_is_refused(
    bench: Shown, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "lib.a").write_bytes(b"!<arch>\n")
    done = bench(small, "--tflm-include", tmp_path, "--tflm-library", tmp_path / "lib.a")
    assert done.returncode == 1 and "no Arm core" in done.stderr
    gone = bench(small, "--tflm-include", tmp_path, "--tflm-library", tmp_path / "none.a")
    assert gone.returncode == 1 and "none.a" in gone.stderr


@needs_m4
@pytest.mark.parametrize("name", ["m0plus", "m4", "m7", "m33", "m55"])
def test_a_librarys_core_is_read_from_its_objects(name: str, tmp_path: Path) -> None:
    core = cross.CORES[name]
    (tmp_path / "empty.c").write_text("float twice(float x) { return 2 * x; }\n")
    compiled, archive = tmp_path / "empty.o", tmp_path / "lib.a"
    subprocess.run(
        [*core.compiler, *core.flags, "-c", tmp_path / "empty.c", "-o", compiled], check=True
    )
    subprocess.run(["arm-none-eabi-ar", "rcs", archive, compiled], check=True)
    assert tflm_cores.library([tmp_path], archive).core is core
