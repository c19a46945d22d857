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
    """Return the output of one program from the sources and golden data of several exports.

    Args:
        exports: Folders that `sernet-edge export` wrote.
        main: C code that calls them and prints with `board_print` of board.h.
        core: The core that runs it; "host" is this computer.
        folder: Destination of all sources.
    """
    if core != "host" and CORES[core].missing:
        pytest.skip(f"{' and '.join(CORES[core].missing)} not installed")
    merged = folder / "merged"
    merged.mkdir(parents=True)
    for export in exports:
        for source in (*(export / "src").iterdir(), *(export / "examples").glob("*golden*.c")):
            copy = merged / source.name
            # Files of the same name must be equal.
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
