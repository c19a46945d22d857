"""Compiles the engine for the PC under sanitizers and runs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from engine_cases import C_FOLDER, STRICT

from sernet_edge.firmware_export import emit

SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def compiled(
    compiler: str, folder: Path, sources: list[Path], name: str, main: str = "replay.c"
) -> Path:
    """Compile; the tables without optimisation and checks, which only cost time there."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    work = folder / name
    work.mkdir()
    include = [f"-I{folder}", f"-I{C_FOLDER}"]
    engine = [s for s in sources if s.name in emit.ENGINE_SOURCES]
    tables = [s for s in sources if s.name not in emit.ENGINE_SOURCES]
    common = [compiler, *STRICT, *include, "-c"]
    subprocess.run([*common, "-O0", *map(str, tables)], check=True, cwd=work)
    subprocess.run(
        [*common, *SANITIZE, *map(str, engine), str(C_FOLDER / main)], check=True, cwd=work
    )
    program = work / "replay"
    objects = [str(path) for path in work.glob("*.o")]
    subprocess.run([compiler, *SANITIZE, *objects, "-o", str(program)], check=True)
    return program


def replay(program: Path) -> str:
    done = subprocess.run([str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout
