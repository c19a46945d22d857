"""Gives an export its own name, so that one firmware can hold several models.

The model's files, symbols and macros begin with the name instead of `sernet`. The engine's files
contain no part of a model: they keep their names and are equal in all exports, so one copy serves
all models. Macros for the whole program keep their names, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

# Macros for the whole program, which keep their names.
_OPTIONS = {
    "SERNET_PORTABLE",
    "SERNET_WEIGHTS_SECTION",
    "SERNET_TABLES_SECTION",
    "SERNET_HOT_SECTION",
    "SERNET_ALIGN_16",
    "SERNET_BARE_METAL",
}

_NAME = re.compile(r"[a-z](_?[a-z0-9])*")
_MOST_CHARACTERS = 24

# Names of standard headers, since `#include <string.h>` must not find the model's header, and names
# of CMake targets.
_TAKEN = frozenset(
    [
        *("assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "limits", "locale"),
        *("malloc", "math", "memory", "new", "setjmp", "signal", "stdalign", "stdarg"),
        *("stdatomic", "stdbool", "stddef", "stdint", "stdio", "stdlib", "string", "strings"),
        *("tgmath", "threads", "time", "uchar", "unistd", "wchar", "wctype"),
        *("main", "test", "board"),
    ]
)

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_IDENTIFIER = re.compile(r"(?:\b|(?<=-D))(?:sernet|SERNET)_\w+")
_FILE = re.compile(r"\bsernet\w*\*?\.(?:h|cc?|S|o)\b")
_CONFIG = re.compile(r"\b(CONFIG_|)SERNET\b")
_WORD = re.compile(r"\bsernet\b(?!-)")
_SOURCES = re.compile(r"(?:^ +\S*src/\S+\n)+", re.MULTILINE)

_README = """
## Several models in one firmware

This export is called `{name}`: all names of its model begin with `{name}_` or `{upper}_`.
{engine}Export the other models with other names and the same version of sernet-edge.
"""
_SHARED = """The engine's files ({files}) are equal in every export and serve all
models. So you may copy `src/` of several exports into one folder, or link the libraries of several
exports.
"""


def problem_with(name: str) -> str:
    """Return why an export cannot have the name `name`; "" if it can."""
    if not _NAME.fullmatch(name) or len(name) > _MOST_CHARACTERS:
        return (
            f"{name!r} must begin with a lower-case letter, hold letters, digits and single "
            f"underscores between them, and be at most {_MOST_CHARACTERS} characters long"
        )
    if name.startswith("sernet") or name in _TAKEN:
        return f"{name!r} is taken by the C library, by CMake or by sernet-edge"
    return ""


def named(
    texts: Mapping[str, str], name: str, engine: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return the files of an export under a name.

    Args:
        texts: Text by path in the export.
        name: A name that `problem_with` accepts.
        engine: Names of the files in src/ that all models share.
    """
    shared = {path: text for path, text in texts.items() if PurePosixPath(path).name in engine}
    kept = {
        identifier
        for text in shared.values()
        for identifier in _IDENTIFIER.findall(_COMMENT.sub("", text))
    } | _OPTIONS
    rename = _renaming(name, engine, kept)
    renamed = shared | {
        str(PurePosixPath(path).with_name(_FILE.sub(rename, PurePosixPath(path).name))): _text(
            text, name, rename
        )
        for path, text in texts.items()
        if path not in shared
    }
    if "README.md" in renamed:
        files = ", ".join(f"`{file}`" for file in sorted(engine))
        renamed["README.md"] += _README.format(
            name=name, upper=name.upper(), engine=_SHARED.format(files=files) if engine else ""
        )
    _share_engine(renamed, engine)
    return renamed


def _renaming(name: str, engine: frozenset[str], kept: set[str]) -> Callable[[re.Match[str]], str]:
    """Return the new name for a file's name or an identifier."""

    def rename(match: re.Match[str]) -> str:
        found = match[0]
        if found in engine or found in kept:
            return found
        return (name if found[0] == "s" else name.upper()) + found[len("sernet") :]

    return rename


def _text(text: str, name: str, rename: Callable[[re.Match[str]], str]) -> str:
    # File names first: `sernet_golden.c` is a file to rename, `sernet_golden` a type of the engine.
    parts = re.split(f"({_FILE.pattern})", text)
    for index, part in enumerate(parts):
        if index % 2:
            parts[index] = _FILE.sub(rename, part)
            continue
        part = _IDENTIFIER.sub(rename, part)
        part = _CONFIG.sub(lambda match: match[1] + name.upper(), part)
        part = _WORD.sub(name, part)
        parts[index] = re.sub(r"\bSernetEdge\b", f"SernetEdge_{name}", part)
    return "".join(parts)


def _share_engine(texts: dict[str, str], engine: frozenset[str]) -> None:
    """Change build files so that a program links the engine only once."""
    if "library.properties" in texts:
        # The linker takes from an archive only the objects that are still missing.
        texts["library.properties"] += "dot_a_linkage=true\n"
    if (zephyr := "zephyr/CMakeLists.txt") in texts and engine:
        (sources,) = _SOURCES.findall(texts[zephyr])
        lines = sources.splitlines(keepends=True)
        common = [line for line in lines if PurePosixPath(line.strip()).name in engine]
        own = [line for line in lines if line not in common]
        texts[zephyr] = texts[zephyr].replace(
            sources + "    )\n",
            "".join(own)
            + "    )\n"
            + "    # Zephyr links whole libraries: the engine belongs to the first model alone.\n"
            + "    get_property(engine GLOBAL PROPERTY SERNET_ENGINE)\n"
            + "    if(NOT engine)\n"
            + "        set_property(GLOBAL PROPERTY SERNET_ENGINE y)\n"
            + "        zephyr_library_sources(\n"
            + "".join(f"    {line}" for line in common)
            + "        )\n    endif()\n",
        )
