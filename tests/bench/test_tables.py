"""The output of `sernet-edge bench`: tables, CSV and pictures."""

from __future__ import annotations

import copy
import csv
import os
import re
from io import StringIO
from pathlib import Path

import pytest
from bench_cases import Document, Shown
from cores import needs_m4
from support import Run

from sernet_edge.bench.show.table import Table, as_text
from sernet_edge.bench.show.tables import tables
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile


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


def test_a_wide_table_is_split_into_parts_below_each_other() -> None:
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


def test_the_reason_for_a_missing_figure_is_below_the_table(measured: Document) -> None:
    document = copy.deepcopy(measured)
    document["models"][0]["cores"] = {"m4": {"not_measured": "install a compiler"}}
    (table,) = [t for t in tables(document) if t.title.startswith("Microcontroller")]
    assert table.rows[0][2] == "not measured [1]"
    assert table.notes[0] == "install a compiler"


def test_a_layer_behind_a_reshape_has_its_own_parameters(measured: Document, small: Path) -> None:
    table = next(t for t in tables(measured) if t.title.startswith("Layers"))
    found = {row[0].split()[1]: row[3] for row in table.rows[:-1]}
    dense = next(
        layer
        for layer in read_network(ModelFile.read(small)).layers
        if layer.op == "FULLY_CONNECTED"
    )
    assert found["FULLY_CONNECTED"] == f"{dense.weights.size:,}"  # It has no bias.
    assert found["SOFTMAX"] == "0"


def test_pictures_need_no_display(sernet_edge: Run, saved: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"} | {"MPLBACKEND": ""}
    done = sernet_edge("bench", "--from", saved, "--pictures", tmp_path / "made", env=environment)
    assert done.returncode == 0, done.stderr
    for name in ("layers-small.png", "accuracy.png"):
        data = (tmp_path / "made" / name).read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) > 5000
