"""Jobs for the tests of process pools; a separate file, so that the processes can import it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from sernet_edge.runtime.errors import SernetError


def note_process(folder: Path) -> None:
    """Write a file named after this process and its parent.

    Then wait a while, so that other processes get jobs, too.
    """
    (folder / f"{os.getppid()}-{os.getpid()}").touch()
    time.sleep(0.5)


def fail(what: str) -> None:
    """Fail with the same error as a fold."""
    raise SernetError(what, hint="do better")


def die(_: object) -> None:
    """Kill this process, as the kernel does when memory is short."""
    os._exit(9)
