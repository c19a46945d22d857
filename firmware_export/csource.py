"""Access to the C library in csrc/: its files, and constants that Python reads from them."""

from __future__ import annotations

import re
from importlib import resources


def engine_file(name: str) -> str:
    """Return the text of a file in csrc/."""
    return (resources.files(__package__) / "csrc" / name).read_text(encoding="utf-8")


def c_constant(file: str, name: str) -> int:
    """Return the whole number that a file in csrc/ defines as the macro `name`.

    Raises:
        ValueError: The file does not define this number exactly once.
    """
    found = re.findall(rf"^#define {name} (\d+)u?\b", engine_file(file), re.MULTILINE)
    if len(found) != 1:
        raise ValueError(f"{file} defines {name} {len(found)} times as a number")
    return int(found[0])
