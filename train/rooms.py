"""Impulse responses of rooms, computed with pyroomacoustics by the image source method.

Allen and Berkley, "Image method for efficiently simulating small-room acoustics", 1979.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sernet_edge.runtime.errors import SettingError

# How many rooms there are, and the microphones in each: few rooms cost less time than many.
_ROOMS = 64
_PLACES = 4

# Length, width and height in m, and the reverberation time in s: a bathroom to a classroom.
_SMALLEST_M = (2.0, 2.0, 2.2)
_LARGEST_M = (9.0, 7.0, 4.0)
_RT60_S = (0.15, 0.7)

# Between a voice and a wall or a microphone, in m.
_LEAST_M = 0.3

# Reflections after so many walls, or later than so many seconds, are left out.
_MOST_REFLECTIONS = 24
_LONGEST_S = 0.6

_SEED = 1979

Response = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rooms:
    """Impulse responses from a voice to a microphone.

    Attributes:
        responses: Of each place, float32 (samples,): it begins with the direct sound, so that it
            delays nothing, and its energy is 1, so that it is no gain.
    """

    responses: tuple[Response, ...]

    def heard(self, samples: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return `samples` (n,) heard in a random one of the rooms."""
        number = int(rng.integers(len(self.responses)))
        longest = max(map(len, self.responses))
        size = scipy.fft.next_fast_len(len(samples) + longest, real=True)
        spectrum = scipy.fft.rfft(samples.astype(np.float32), size)
        spectrum *= self._spectra(size)[number]
        return np.asarray(scipy.fft.irfft(spectrum, size)[: len(samples)], np.float64)

    @lru_cache(maxsize=1)  # noqa: B019 - there is one bank for each rate, kept anyway
    def _spectra(self, size: int) -> NDArray[np.complex64]:
        return np.stack([scipy.fft.rfft(response, size) for response in self.responses])


@lru_cache(maxsize=2)
def rooms(rate_hz: int) -> Rooms:
    """Return the same few hundred impulse responses each time, computed once: 5 s.

    Raises:
        SettingError: pyroomacoustics is not installed.
    """
    try:
        import pyroomacoustics
    except ImportError as error:
        raise SettingError(
            "set",
            "room_share needs the Python package pyroomacoustics: pip install pyroomacoustics, "
            "or give --set room_share=0",
        ) from error
    rng = np.random.default_rng(_SEED)
    responses: list[Response] = []
    while len(responses) < _ROOMS * _PLACES:
        size = rng.uniform(_SMALLEST_M, _LARGEST_M)
        rt60_s = rng.uniform(*_RT60_S)
        try:
            absorption, reflections = pyroomacoustics.inverse_sabine(rt60_s, size)
        except ValueError:  # Walls that swallow everything would still be too few.
            continue
        room = pyroomacoustics.ShoeBox(
            size,
            fs=rate_hz,
            materials=pyroomacoustics.Material(absorption),
            max_order=min(reflections, _MOST_REFLECTIONS),
        )
        low, high = np.full(3, _LEAST_M), size - _LEAST_M
        room.add_source(rng.uniform(low, high))
        room.add_microphone_array(rng.uniform(low, high, (_PLACES, 3)).T)
        room.compute_rir()
        responses += [_trimmed(heard[0], rate_hz) for heard in room.rir]
    return Rooms(tuple(responses))


def _trimmed(response: NDArray[np.float64], rate_hz: int) -> Response:
    """Return a response from the direct sound on, with the energy 1."""
    # The direct sound is the first to come, and a fractional delay spreads it by some samples.
    first = int(np.argmax(np.abs(response) > np.abs(response).max() / 2))
    kept = response[max(0, first - 8) : first + int(_LONGEST_S * rate_hz)]
    return (kept / np.sqrt((kept**2).sum())).astype(np.float32)
