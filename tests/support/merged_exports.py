"""Compiles the sources of several exports into one program, and runs it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from object_files import FAST, STRICT, compiler_output, object_file

from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.layout import COMPILED
from sernet_edge.firmware_export.measure import cross

HOST = """
#include <stdio.h>
#include "board.h"
void board_print(const char *text) { fputs(text, stdout); }
"""


def build_and_run(exports: Sequence[Path], main: str, core: str, folder: Path) -> str:
    """Return what a program of the sources and golden data of exports prints.

    Args:
        exports: Folders that `sernet-edge export` wrote.
        main: C that calls them and prints by `board_print` of board.h.
        core: Where it runs; "host" is this computer.
        folder: Where the sources are copied to, side by side.
    """
    if core != "host" and CORES[core].missing:
        pytest.skip(f"{' and '.join(CORES[core].missing)} not installed")
    merged = folder / "merged"
    merged.mkdir(parents=True)
    for export in exports:
        for source in (*(export / "src").iterdir(), *(export / "examples").glob("*golden*.c")):
            copy = merged / source.name
            # A file of the same name is the same file.
            assert not copy.exists() or copy.read_bytes() == source.read_bytes(), copy.name
            shutil.copy(source, copy)
    (merged / "main.c").write_text(main)
    sources = [path for path in sorted(merged.iterdir()) if path.suffix in COMPILED]
    program = folder / "program"
    if core != "host":
        cross.build(CORES[core], sources, program)
        done = cross.run(CORES[core], program)
        assert done.returncode == 0, done.stdout
        return done.stdout
    (merged / "host.c").write_text(HOST)
    (merged / "board.h").write_text("void board_print(const char *text);\n")
    command = ["gcc", *STRICT, *FAST, f"-I{merged}"]
    objects = [str(object_file(command, source)) for source in (*sources, merged / "host.c")]
    compiler_output([*command, *objects, "-o", str(program)])
    return subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
