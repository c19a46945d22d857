"""Refuses outputs before any time is spent on them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sernet_edge.runtime.errors import SernetError


def check_outputs(paths: Iterable[Path], force: bool) -> None:
    """Raise SernetError if a folder is missing, or a file is there and `force` is not given."""
    for path in paths:
        if not path.parent.is_dir():
            raise SernetError(f"the folder {path.parent} does not exist", hint="make it first")
        if path.exists() and not force:
            raise SernetError(f"{path} exists already", hint="name another file, or add --force")
