"""Compiles C files; tests with equal source text share one compilation."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FAST = ("-O2",)

_INCLUDE = re.compile(rb'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)

_folders: list[Path] = []


def keep_in(folder: Path) -> None:
    """Set the folder of object files, which all processes of the tests share."""
    folder.mkdir(exist_ok=True)
    _folders[:] = [folder]


def object_file(command: Sequence[str], source: Path) -> Path:
    """Return the object of a C, C++ or assembler file.

    Args:
        command: The compiler and its options.
        source: The file.
    """
    seen = b"\0".join(_texts(command, source))
    options = [word for word in command if not word.startswith("-I") and _matters(word, seen)]
    key = hashlib.sha256("\0".join([*options, source.suffix, ""]).encode() + seen).hexdigest()
    (folder,) = _folders
    kept = folder / f"{source.stem}-{key[:32]}.o"
    if not kept.exists():
        unfinished = kept.with_suffix(f".{os.getpid()}")
        compiler_output([*command, "-c", str(source), "-o", str(unfinished)])
        unfinished.rename(kept)
    return kept


def _texts(command: Sequence[str], source: Path) -> list[bytes]:
    """Return the text of a file and of all project files that it may include."""
    folders = [Path(word[2:]) for word in command if word.startswith("-I")]
    found: dict[Path, bytes] = {}
    waiting = [source]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = path.read_bytes()
        for name in _INCLUDE.findall(found[path]):
            places = (folder / name.decode() for folder in (path.parent, *folders))
            waiting += [place for place in places if place.is_file()][:1]
    return list(found.values())


def _matters(option: str, seen: bytes) -> bool:
    """Return whether an option may change the object; a macro only if the text holds its name."""
    if option.startswith("-D"):
        return option[2:].partition("=")[0].encode() in seen
    return not option.startswith("-Wl,")


def compiler_output(command: Sequence[str]) -> bytes:
    """Run a compiler that must succeed; return its output."""
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-4000:]
    return done.stdout


def compiling_once(run: Callable[[list[str]], None]) -> Callable[[list[str]], None]:
    """Return a function that runs commands like `run`, but never compiles a file twice."""

    def once(command: list[str]) -> None:
        if "-c" not in command:
            return run(command)
        place = command.index("-c")
        try:
            kept = object_file(command[:place], Path(command[place + 1]))
        except (AssertionError, OSError):
            return run(command)  # shows the compiler's errors
        shutil.copyfile(kept, command[command.index("-o") + 1])
        return None

    return once
