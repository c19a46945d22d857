"""Removes a microphone's offset and mains hum, which are below the pitch of any voice.

Only the level meter and the voice gate use it. Features begin at `Contract.mel_low_hz` and need no
such filter; with it, training and firmware would have to filter in the same way.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

# An inverse Chebyshev filter: at least 50 dB down below 62 Hz, zero at 0 Hz, 3 dB down at 90 Hz and
# flat above 110 Hz. A voice's lowest pitch is about 80 Hz; its harmonics are in the pass band.
_EDGE_HZ = 62.0
_STOP_DB = 50.0
_ORDER = 7

# After this time the impulse response is 120 dB down, and is cut off.
_MEMORY_S = 0.128


class HighPass:
    """Filters a stream: causal, without delay above the edge."""

    def __init__(self, rate_hz: int) -> None:
        """Start a stream at this rate."""
        self._taps = max(2, round(_MEMORY_S * rate_hz))
        # A power of two that leaves three quarters of each transform for new samples.
        self._size = 1 << (4 * self._taps - 1).bit_length()
        self._spectrum = np.fft.rfft(impulse_response(rate_hz, self._taps), self._size)
        self._before: Float64 | None = None  # the last `taps` - 1 inputs

    def push(self, samples: NDArray[np.int16]) -> Float64:
        """Return the next int16 samples (n,) filtered, float64 (n,) in the same units."""
        if not len(samples):
            return np.zeros(0)
        if self._before is None:
            # The stream is continued to the left by its mirror image. Otherwise an offset or a hum
            # would seem to begin with the first sample.
            mirrored = samples[: self._taps][::-1].astype(np.float64)
            self._before = np.pad(mirrored, (self._taps - len(mirrored), 0), "edge")[:-1]
        data = np.concatenate([self._before, samples])
        self._before = data[len(data) - self._taps + 1 :]
        found = np.empty(len(samples))
        step = self._size - self._taps + 1
        for start in range(0, len(samples), step):
            block = data[start : start + self._size]
            filtered = np.fft.irfft(np.fft.rfft(block, self._size) * self._spectrum, self._size)
            found[start : start + step] = filtered[self._taps - 1 : len(block)]
        return found

    def reset(self) -> None:
        """Begin a new stream; forget earlier audio."""
        self._before = None


@lru_cache
def impulse_response(rate_hz: int, taps: int) -> Float64:
    """Return the filter's first `taps` values at a rate, float64 (taps,)."""
    size = 1 << (8 * taps - 1).bit_length()
    # The bilinear transform gives the analogue frequency of each digital one. At half the rate it
    # is infinite, where the response is 1.
    digital_hz = np.arange(size // 2) * rate_hz / size
    analogue_hz = rate_hz / np.pi * np.tan(np.pi * digital_hz / rate_hz)
    response: Float64 = np.fft.irfft(np.append(_response(analogue_hz), 1.0), size)[:taps]
    return response - response.mean()  # the cut tail must not let an offset through


def _response(hz: Float64) -> NDArray[np.complex128]:
    """Return the analogue filter's response at some frequencies.

    Source: the poles and zeros of the inverse Chebyshev low-pass, with s -> 1/s.
    """
    ripple = 1 / np.sqrt(10 ** (_STOP_DB / 10) - 1)
    mu = np.arcsinh(1 / ripple) / _ORDER
    angles = (2 * np.arange(1, _ORDER + 1) - 1) * np.pi / (2 * _ORDER)
    zeros = 1j * np.cos(angles)
    poles = -np.sinh(mu) * np.sin(angles) + 1j * np.cosh(mu) * np.cos(angles)
    s = 1j * hz[:, None] / _EDGE_HZ
    response: NDArray[np.complex128] = ((s - zeros) / (s - poles)).prod(axis=1)
    return response
