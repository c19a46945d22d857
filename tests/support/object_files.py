"""Compiles C files for this computer, each once for all tests that see the same text in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FAST = ("-O2",)

_folders: list[Path] = []


def keep_in(folder: Path) -> None:
    """Say where the objects of the tests' processes lie."""
    folder.mkdir(exist_ok=True)
    _folders[:] = [folder]


def object_file(command: Sequence[str], source: Path) -> Path:
    """Return the object of a C or assembler file.

    Args:
        command: The compiler and its options.
        source: The file.
    """
    seen = compiler_output([*command, "-E", "-P", str(source)])
    # Folders of headers and macros are in what the preprocessor writes.
    options = [word for word in command if not word.startswith(("-I", "-D", "-Wl,"))]
    key = hashlib.sha256("\0".join([*options, source.suffix, ""]).encode() + seen).hexdigest()
    (folder,) = _folders
    kept = folder / f"{source.stem}-{key[:32]}.o"
    if not kept.exists():
        unfinished = kept.with_suffix(f".{os.getpid()}")
        compiler_output([*command, "-c", str(source), "-o", str(unfinished)])
        unfinished.rename(kept)
    return kept


def compiler_output(command: Sequence[str]) -> bytes:
    """Run a compiler that must succeed; return what it writes."""
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-4000:]
    return done.stdout
