"""Compiles the engine for the PC with sanitizers and runs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from engine_cases import C_FOLDER
from object_files import SANITIZE, STRICT, compiler_output, object_file

from sernet_edge.firmware_export.bundle import NATIVE_SOURCES


def compiled(
    compiler: str, folder: Path, sources: list[Path], name: str, main: str = "replay.c"
) -> Path:
    """Compile; for tables, optimisation and checks would only cost time, so they are off."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    work = folder / name
    work.mkdir()
    engine = [s for s in sources if s.name in NATIVE_SOURCES]
    tables = [str(s) for s in sources if s.name not in NATIVE_SOURCES]
    common = [compiler, *STRICT, f"-I{folder}", f"-I{C_FOLDER}"]
    subprocess.run([*common, "-O0", "-c", *tables], check=True, cwd=work)
    objects = [object_file([*common, *SANITIZE], s) for s in (*engine, C_FOLDER / main)]
    program = work / "replay"
    linked = map(str, (*objects, *work.glob("*.o")))
    compiler_output([compiler, *SANITIZE, *linked, "-o", str(program)])
    return program


def replay(program: Path) -> str:
    done = subprocess.run([str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout
