"""Compiles the engine for the PC under sanitizers and runs it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest
from engine_cases import C_FOLDER, STRICT

from sernet_edge.firmware_export.bundle import NATIVE_SOURCES
from sernet_edge.firmware_export.csource import engine_file

SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def compiled(
    compiler: str, folder: Path, sources: list[Path], name: str, main: str = "replay.c"
) -> Path:
    """Compile; the tables without optimisation and checks, which only cost time there."""
    engine = _engine(compiler)
    work = folder / name
    work.mkdir()
    tables = [s for s in sources if s.name not in NATIVE_SOURCES]
    common = [compiler, *STRICT, f"-I{folder}", f"-I{C_FOLDER}", "-c"]
    subprocess.run([*common, "-O0", *map(str, tables)], check=True, cwd=work)
    subprocess.run([*common, *SANITIZE, str(C_FOLDER / main)], check=True, cwd=work)
    program = work / "replay"
    objects = [str(path) for path in (*engine, *work.glob("*.o"))]
    subprocess.run([compiler, *SANITIZE, *objects, "-o", str(program)], check=True)
    return program


@cache
def _engine(compiler: str) -> list[Path]:
    """Compile the engine, once for all networks; return the objects."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    for name in NATIVE_SOURCES:
        (folder / name).write_text(engine_file(name))
    sources = [name for name in NATIVE_SOURCES if not name.endswith(".h")]
    command = [compiler, *STRICT, *SANITIZE, "-c", *sources]
    subprocess.run(command, check=True, cwd=folder)
    return sorted(folder.glob("*.o"))


def replay(program: Path) -> str:
    done = subprocess.run([str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout
