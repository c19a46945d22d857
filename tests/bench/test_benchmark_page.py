"""The page of benchmarks from a saved run."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import benchmark_page
from bench_cases import Document

from sernet_edge.bench.measure.boards import BOARDS


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


def test_the_page_has_the_runs_machine_tables_and_sources(measured: Document) -> None:
    text = benchmark_page.page(measured, "runs/bench.json", ["benchmarks/accuracy.png"])
    assert measured["machine"]["processor"] in text
    assert "![accuracy](benchmarks/accuracy.png)" in text
    assert f"{measured['models'][0]['size']['file_bytes']:,}" in text
    assert all(board.source in text for board in BOARDS)
