"""The table of other people's models."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from graphs import SAME, RandomGraph
from odd_graphs import of_type
from state_graphs import RandomStates

from sernet_edge.bench import others
from sernet_edge.firmware_export.cores import CORES
from sernet_edge.runtime.errors import SernetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = RandomGraph(1)
    last = random.conv(random.graph.input((1, 20, 8, 1), 0.1, 3), 4, window=(SAME, (3, 3), (1, 1)))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "runs.tflite").write_bytes(random.graph.finish(random.dense(last, 3)))
    (tmp_path / "float.tflite").write_bytes(of_type("FLOAT32"))
    (tmp_path / "damaged.tflite").write_bytes(b"TFL3 no more than that")
    (tmp_path / "readme.txt").write_text("no model")
    return tmp_path


def test_each_model_runs_or_the_table_says_why_not(folder: Path) -> None:
    done = CliRunner().invoke(others.main, [str(folder)])
    assert done.exit_code == 0, done.output
    rows = [line for line in done.output.splitlines() if line.startswith("|")]
    assert [row.split("|")[1].strip() for row in rows[2:]] == [
        "damaged.tflite", "float.tflite", "theirs/runs.tflite",
    ]  # fmt: skip
    assert "no [1]" in rows[2] and "no [2]" in rows[3] and "| yes |" in rows[4]
    assert "not a TensorFlow Lite model" in done.output and "FLOAT32, not INT8" in done.output


@pytest.mark.skipif(bool(CORES["m4"].missing), reason="needs the cross compiler and QEMU")
def test_the_table_has_instructions_and_ram_of_a_core(folder: Path) -> None:
    done = CliRunner().invoke(others.main, [str(folder / "theirs"), "--core", "m4", "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)
    assert row["refused"] == "" and row["arena_bytes"] > row["state_bytes"] > 0
    figures = row["cores"]["m4"]
    assert figures["instructions"] > row["macs"] and figures["ram_bytes"] > row["state_bytes"]


def test_a_folder_without_models_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SernetError, match=r"no \.tflite file"):
        list(others.measured(tmp_path, (), print))


@pytest.mark.slow
@pytest.mark.skipif(bool(CORES["m4"].missing), reason="needs the cross compiler and QEMU")
def test_the_table_counts_a_network_that_keeps_a_state(tmp_path: Path) -> None:
    random = RandomStates(0)
    last = random.streamed(random.graph.input((1, 3, 1, 8), 0.1, 0))
    for handle, value in random._assignments:
        random.graph.write(handle, value)
    (tmp_path / "states.tflite").write_bytes(random.graph.finish(random.dense(last, 3)))
    (row,) = others.measured(tmp_path, ["m4"], lambda text: None)
    assert row["refused"] == "" and row["cores"]["m4"]["instructions"] > 100


@pytest.mark.skipif(bool(CORES["m4"].missing), reason="needs the cross compiler and QEMU")
def test_without_headers_the_librarys_columns_say_why_they_are_empty(
    folder: Path, tmp_path: Path
) -> None:
    core = CORES["m4"]
    (tmp_path / "empty.c").write_text("int nothing;\n")
    compiled, archive = tmp_path / "empty.o", tmp_path / "lib.a"
    subprocess.run(
        [*core.compiler, *core.flags, "-c", tmp_path / "empty.c", "-o", compiled], check=True
    )
    subprocess.run(["arm-none-eabi-ar", "rcs", archive, compiled], check=True)
    options = ["--tflm-include", str(tmp_path), "--tflm-library", str(archive)]
    done = CliRunner().invoke(others.main, [str(folder / "theirs"), *options])
    assert done.exit_code == 0, done.output
    header, _, row = (line for line in done.stdout.splitlines() if line.startswith("|"))
    cells = [cell.strip() for cell in row.split("|")]
    assert [cell.strip() for cell in header.split("|")][7:11] == [
        "m4, M instructions", "TFLM's", "m4, RAM, B", "TFLM's",
    ]  # fmt: skip
    assert float(cells[7]) > 0 and cells[8] == "- [1]" and cells[10] == "-"
    assert "arm-none-eabi-g++ failed" in done.stdout


def test_the_table_has_the_figures_of_tflm_and_of_the_engine(tmp_path: Path) -> None:
    theirs = {"refused": "", "instructions": 7_700_000, "ram_bytes": 26_752}
    row = {
        "model": "kws.tflite", "refused": "", "weight_bytes": 1, "macs": 2, "state_bytes": 3,
        "cores": {"m4": {"instructions": 7_040_000, "ram_bytes": 5_760}}, "tflm": {"m4": theirs},
    }  # fmt: skip
    assert others.table([row], ["m4"]).rows[0][6:] == ["7.04", "7.70", "5,760", "26,752"]
    refused = {"model": "lstm.tflite", "refused": "no", "cores": {}, "tflm": {"m4": theirs}}
    assert others.table([refused], ["m4"]).rows[0][6:] == ["-", "7.70", "-", "26,752"]


def test_headers_without_a_library_are_wrong_usage(folder: Path) -> None:
    done = CliRunner().invoke(others.main, [str(folder), "--tflm-include", str(folder)])
    assert done.exit_code == 2 and "go together" in done.output
