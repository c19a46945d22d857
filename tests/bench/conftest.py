"""Fixtures: a run of `sernet-edge bench` on a small model, and the command itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from bench_cases import CONTRACT, Document, Shown
from bundle_cases import small_model
from support import Run, made_once

from sernet_edge.cli import main


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small.tflite"
    path.write_bytes(small_model(CONTRACT))
    return path


@pytest.fixture(scope="session")
def measured(sernet_edge: Run, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Document:
    """A full run on a small model, but without accuracy."""

    def measure(folder: Path) -> None:
        done = sernet_edge(
            *("bench", small, "--core", "m4", "--processes", 2, "--repetitions", 5),
            *("--json", "--out", folder / "run.json"),
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""

    run = made_once(tmp_path_factory, "measured", measure) / "run.json"
    document: Document = json.loads(run.read_bytes())
    return document


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Run the command in this process: quick, but not for measurements."""
    monkeypatch.setenv("COLUMNS", "1000")  # Wide enough to keep each sentence on one line.

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
