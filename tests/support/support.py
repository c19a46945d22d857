"""What several test files use and is no fixture."""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""The `sernet_edge` fixture: arguments of the command line in, the finished process out."""


def write_wav(path: Path, samples: NDArray[np.int16], rate: int = 16_000) -> None:
    """Write mono 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
