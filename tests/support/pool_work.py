"""What the tests of pools let other processes do; a file of its own, which those can import."""

from __future__ import annotations

import os
import time
from pathlib import Path

from sernet_edge.runtime.errors import SernetError


def note_process(folder: Path) -> None:
    """Leave a file named for the process that started this one, and for this one.

    Stay a while, so that others get jobs too.
    """
    (folder / f"{os.getppid()}-{os.getpid()}").touch()
    time.sleep(0.5)


def fail(what: str) -> None:
    """Fail as a fold does."""
    raise SernetError(what, hint="do better")


def die(_: object) -> None:
    """End this process as the kernel does when memory is short."""
    os._exit(9)
