"""Impulse responses of rooms, computed with pyroomacoustics and the image source method.

Allen and Berkley, "Image method for efficiently simulating small-room acoustics", 1979.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sernet_edge.runtime.errors import SernetError

# Number of rooms, and of microphones in each. A few rooms cost less time than many.
_ROOMS = 64
_PLACES = 4

# Length, width and height in m, and the reverberation time in s, from a bathroom to a classroom.
_SMALLEST_M = (2.0, 2.0, 2.2)
_LARGEST_M = (9.0, 7.0, 4.0)
_RT60_S = (0.15, 0.7)

# Least distance between a voice and a wall or a microphone, in m.
_LEAST_M = 0.3

# Reflections from more walls than this, or later than this, are left out.
_MOST_REFLECTIONS = 24
_LONGEST_S = 0.6

_SEED = 1979

Response = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rooms:
    """Impulse responses from a voice to a microphone.

    Attributes:
        responses: A response for each position, float32 (samples,). It begins with the direct
            sound, so it delays nothing; its energy is 1, so it does not change the loudness.
    """

    responses: tuple[Response, ...]

    def heard(self, samples: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return `samples` (n,) as they sound in a random room."""
        number = int(rng.integers(len(self.responses)))
        longest = max(map(len, self.responses))
        size = scipy.fft.next_fast_len(len(samples) + longest, real=True)
        spectrum = scipy.fft.rfft(samples.astype(np.float32), size)
        spectrum *= self._spectra(size)[number]
        return np.asarray(scipy.fft.irfft(spectrum, size)[: len(samples)], np.float64)

    @lru_cache(maxsize=1)  # noqa: B019 - there is one `Rooms` for each rate, which is kept anyway
    def _spectra(self, size: int) -> NDArray[np.complex64]:
        return np.stack([scipy.fft.rfft(response, size) for response in self.responses])


@lru_cache(maxsize=2)
def rooms(rate_hz: int) -> Rooms:
    """Return a few hundred impulse responses, always the same; computed once, in some seconds.

    Raises:
        SernetError: pyroomacoustics is not installed.
    """
    pyroomacoustics = _library()
    rng = np.random.default_rng(_SEED)
    responses: list[Response] = []
    while len(responses) < _ROOMS * _PLACES:
        size = rng.uniform(_SMALLEST_M, _LARGEST_M)
        rt60_s = rng.uniform(*_RT60_S)
        try:
            absorption, reflections = pyroomacoustics.inverse_sabine(rt60_s, size)
        except ValueError:  # even walls that absorb everything would reflect too long
            continue
        low, high = np.full(3, _LEAST_M), size - _LEAST_M
        voice, places = rng.uniform(low, high), rng.uniform(low, high, (_PLACES, 3))
        order = min(reflections, _MOST_REFLECTIONS)
        responses += _responses(rate_hz, size, absorption, order, voice, places)
    return Rooms(tuple(responses))


def small_room(rate_hz: int) -> Response:
    """Return the response of a test room that is not in `rooms`; see `Rooms.responses`.

    It is 3.4 x 2.8 x 2.5 m, its RT60 by Sabine's formula is 0.4 s, and the voice is 2 m from the
    microphone.

    Raises:
        SernetError: pyroomacoustics is not installed.
    """
    size = np.array([3.4, 2.8, 2.5])
    absorption, reflections = _library().inverse_sabine(0.4, size)
    voice, microphone = np.array([0.7, 0.9, 1.5]), np.array([[2.6, 1.5, 1.1]])
    return _responses(rate_hz, size, absorption, reflections, voice, microphone)[0]


def _library() -> Any:
    try:
        import pyroomacoustics
    except ImportError as error:
        raise SernetError(
            "rooms need the Python package pyroomacoustics",
            "pip install pyroomacoustics, or do without: --set room_share=0 when training",
        ) from error
    return pyroomacoustics


def _responses(
    rate_hz: int,
    size: NDArray[np.float64],
    absorption: float,
    reflections: int,
    voice: NDArray[np.float64],
    microphones: NDArray[np.float64],
) -> list[Response]:
    """Return the responses from a voice (3,) to microphones (number, 3) in a room; all are in m.

    Args:
        rate_hz: Sample rate.
        size: The room's length, width and height.
        absorption: Share of the energy that each wall absorbs.
        reflections: The most reflections of a sound.
        voice: Position of the voice.
        microphones: Positions of the microphones.
    """
    library = _library()
    room = library.ShoeBox(
        size, fs=rate_hz, materials=library.Material(absorption), max_order=reflections
    )
    room.add_source(voice)
    room.add_microphone_array(microphones.T)
    room.compute_rir()
    return [_trimmed(heard[0], rate_hz) for heard in room.rir]


def _trimmed(response: NDArray[np.float64], rate_hz: int) -> Response:
    """Return a response from its direct sound on, scaled to the energy 1."""
    # The direct sound arrives first; its fractional delay spreads it over some samples.
    first = int(np.argmax(np.abs(response) > np.abs(response).max() / 2))
    kept = response[max(0, first - 8) : first + int(_LONGEST_S * rate_hz)]
    return (kept / np.sqrt((kept**2).sum())).astype(np.float32)
