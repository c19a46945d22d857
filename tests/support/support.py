"""Helpers for several test files that are not fixtures."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

SAMPLE = Path(__file__).parents[2] / "docs/demo/two_moods.wav"
"""A file with two synthetic voices, one after the other."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""The `sernet_edge` fixture: takes the command's arguments, returns the finished process."""


def write_wav(path: Path, samples: NDArray[np.int16], rate: int = 16_000) -> None:
    """Write a mono 16-bit WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


_KILLED_AT_THE_RENAME = """
import os, signal, sys
os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
from sernet_edge.cli import main
main(sys.argv[1:])
"""


def killed_at_the_rename(*arguments: object) -> None:
    """Run the command line; stop it when it would rename its first finished output file."""
    command = [sys.executable, "-c", _KILLED_AT_THE_RENAME, *map(str, arguments)]
    killed = subprocess.run(command, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder that all processes of the tests share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first process to ask fills for all processes of the tests.

    Args:
        factory: The `tmp_path_factory` of the process.
        name: The folder's name, the same in all processes.
        make: Fills the folder, which exists and is empty.
    """
    base = shared_folder(factory)
    folder, unfinished = base / name, base / f"{name}-unfinished"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder


def quickly(cases: Iterable[object], count: int) -> list[Any]:
    """Return a test's parameters; all after the first `count` are marked slow.

    Args:
        cases: A value or a tuple of values for each case, the most useful cases first.
        count: How many cases `make test-quick` runs.
    """
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=() if index < count else (pytest.mark.slow,),
        )
        for index, case in enumerate(cases)
    ]
