"""A comparison of a run with an earlier one."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

from bench_cases import Document, Shown


def doubled(document: Document) -> Document:
    other = copy.deepcopy(document)
    other["models"][0]["size"]["file_bytes"] *= 2
    return other


def test_a_regression_beyond_the_limit_fails(
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


def test_a_missing_figure_is_a_regression(
    bench: Shown, saved: Path, measured: Document, tmp_path: Path
) -> None:
    other, path = copy.deepcopy(measured), tmp_path / "gone.json"
    other["models"][0]["tflm"] = {"not_measured": "install the package tflite-micro"}
    path.write_text(json.dumps(other))
    done = bench("--from", path, "--compare", saved)
    assert done.returncode == 1 and "TFLM arena" in done.stderr


def test_bench_does_not_compare_latencies_of_different_computers(
    bench: Shown, saved: Path, measured: Document, tmp_path: Path
) -> None:
    other, path = copy.deepcopy(measured), tmp_path / "other.json"
    for run in other["models"][0]["latency"]["runs"]:
        if "median_ms" in run:
            run["median_ms"] *= 10
    path.write_text(json.dumps(other))
    assert bench("--from", path, "--compare", saved).returncode == 1
    other["machine"]["processor"] = "another"
    path.write_text(json.dumps(other))
    done = bench("--from", path, "--compare", saved)
    assert done.returncode == 0 and "another computer" in done.stdout
