"""Conditions of real use: quiet, noisy, in a room, over a telephone.

The same recordings are tested clean and under each condition. This separates what a condition costs
a model from what the model could not do anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from sernet_edge.runtime.audio.sources import to_int16
from sernet_edge.train import augment
from sernet_edge.train.noise import NoiseClip, excerpt
from sernet_edge.train.rooms import small_room

Int16 = NDArray[np.int16]

CONDITIONS = {
    "quiet": "20 dB quieter",
    "noise": "noise 10 dB below the speech",
    "room": "in a small room, with an RT60 of 0.4 s, 2 m from the microphone",
    "telephone": "over a telephone: 300 to 3400 Hz, 8 kHz, 8 bits",
    "clipping": "recorded 10 dB too loud, and clipped",
}
"""Descriptions of the conditions, by name."""

_QUIETER_DB = -20.0
_SNR_DB = 10.0
_OVERLOAD_DB = 10.0


@dataclass(frozen=True)
class Conditions:
    """Applies the conditions to recordings, to each recording always in the same way.

    Attributes:
        rate_hz: Sample rate of the recordings.
        seed: Seed of the noise's positions.
        noise: Noise clips that were not used in training; (): coloured noise instead.
    """

    rate_hz: int
    seed: int = 1
    noise: Sequence[NoiseClip] = ()

    def heard(self, samples: Int16, condition: str, index: int) -> Int16:
        """Return a recording under a condition, int16 of the same length.

        Args:
            samples: int16 (n,).
            condition: A key of `CONDITIONS`.
            index: The recording's number, which selects its noise.
        """
        wide = samples.astype(np.float64)
        if condition == "quiet":
            return to_int16(wide * 10 ** (_QUIETER_DB / 20))
        if condition == "noise":
            return to_int16(self._in_noise(wide, index))
        if condition == "room":
            return to_int16(_in_small_room(wide, self.rate_hz))
        if condition == "telephone":
            return to_int16(augment.telephone(wide, self.rate_hz))
        return to_int16(augment.overloaded(wide, _OVERLOAD_DB))

    def _in_noise(self, samples: augment.Samples, index: int) -> augment.Samples:
        rng = np.random.default_rng([self.seed, index])
        if self.noise:
            noise = excerpt(self.noise, len(samples), rng)
        else:
            drawn = augment.coloured_noise(len(samples), rng)
            noise = to_int16(augment.at_level(drawn, -30.0))
        return augment.with_noise(samples, noise, self.rate_hz, _SNR_DB)


def _in_small_room(samples: augment.Samples, rate_hz: int) -> augment.Samples:
    response = _small_room(rate_hz)
    return np.asarray(scipy.signal.fftconvolve(samples, response)[: len(samples)], np.float64)


@lru_cache(maxsize=2)
def _small_room(rate_hz: int) -> NDArray[np.float64]:
    return small_room(rate_hz).astype(np.float64)
