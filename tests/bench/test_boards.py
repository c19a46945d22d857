"""Which boards a model fits on."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from bench_cases import CONTRACT, Document, Shown
from cores import needs_m4
from support import Run

from sernet_edge.bench.measure.boards import BOARDS, CYCLES, find
from sernet_edge.firmware_export.selftest.board_run import BoardRun
from sernet_edge.runtime.modelfile import ModelFile


def work_sha256(data: bytes) -> str:
    done = subprocess.run(
        ["sha256sum"], input=ModelFile("model", data).flatbuffer, capture_output=True, check=True
    )
    return done.stdout.decode().split()[0]


def test_a_boards_name_may_have_any_spelling() -> None:
    assert find("nucleo f446re").name == "NUCLEO-F446RE"
    assert find("Raspberry-Pi Pico 2").core == "m33"
    assert {board.core for board in BOARDS} <= set(CYCLES)


def test_every_board_names_the_source_of_its_facts() -> None:
    for board in BOARDS:
        assert re.search(r"commit [0-9a-f]{8}|revision|documentation|unverified", board.source)


@needs_m4
def test_a_model_without_a_contract_has_flash_and_ram_but_no_time(
    sernet_edge: Run, small: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bare.tflite"
    path.write_bytes(ModelFile.read(small).flatbuffer)
    done = sernet_edge(
        *("bench", path, "--core", "m4", "--processes", 0, "--board", "NUCLEO-F446RE"),
        env={**os.environ, "COLUMNS": "120"},  # One table, not several parts.
    )
    assert done.returncode == 0, done.stderr
    (row,) = re.findall(r"^  NUCLEO-F446RE.*", done.stdout, re.M)
    assert re.search(r"m4 +\d+% +\d+% +180 +- +not known \[\d\]", row), row
    assert "not known, the model has no contract, which says how often it runs" in done.stdout


@needs_m4
def test_for_a_slow_board_bench_suggests_a_longer_hop(
    bench: Shown, saved: Path, measured: Document, tmp_path: Path
) -> None:
    # Enough instructions that a board with 64 MHz is too slow at the model's own hop.
    slow, path = copy.deepcopy(measured), tmp_path / "slow.json"
    hop = slow["models"][0]["cores"]["m4"]["hop"]
    hop["network"] = int(64e6 * 0.128)
    path.write_text(json.dumps(slow))
    done = bench("--from", path, "--board", "Arduino Nano 33 BLE Sense Rev2")
    found = re.search(r"fits on Arduino .* with a hop of (\S+) s instead of 0.128 s", done.stdout)
    assert found is not None, done.stdout
    # At 1.8 cycles per instruction, the worst assumption, plus the front end's cycles.
    cycles = 1.8 * (hop["network"] / float(found[1]) + hop["features"] / 0.128)
    assert (
        cycles
        < 64e6
        < 1.8 * (hop["network"] / (float(found[1]) - 0.016)) + 1.8 * (hop["features"] / 0.128)
    )
    assert "fits on" in bench("--from", saved, "--board", "NUCLEO-F446RE").stdout


@needs_m4
def test_for_a_small_board_bench_suggests_a_smaller_model(
    bench: Shown, measured: Document, tmp_path: Path
) -> None:
    large, path = copy.deepcopy(measured), tmp_path / "large.json"
    model = large["models"][0]
    smaller = copy.deepcopy(model)
    smaller["name"], smaller["macs"]["macs"] = "smaller", model["macs"]["macs"] - 1
    model["cores"]["m4"]["flash_bytes"] = 1 << 20
    path.write_text(json.dumps({**large, "models": [model, smaller]}))
    done = bench("--from", path, "--board", "NUCLEO-F446RE")
    assert "small does not fit on NUCLEO-F446RE (flash)" in done.stdout
    assert "the smallest change that fits is smaller" in done.stdout
    path.write_text(json.dumps({**large, "models": [model]}))
    alone = bench("--from", path, "--board", "NUCLEO-F446RE")
    assert "--zoo adds its small relatives" in alone.stdout


@pytest.mark.slow
@needs_m4
def test_measured_cycles_of_a_board_replace_the_estimate(
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
        decisions_differing=None,
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
    # 1.28 M cycles every 0.128 s, plus the front end's 5 M.
    assert row["measured"] is True and row["clock_mhz_needed"] == pytest.approx(15)
    assert row["verdict"] == "fits"
    assert rows["B-L475E-IOT01A"]["measured"] is False
    assert "self-test on elsewhere was of another model" in done.stderr
