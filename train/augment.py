"""Other rooms, microphones and voices made from a recording, to train on, and masked features.

Each function but `mask` takes and returns samples in int16 units as float64 (n,), not yet rounded.
Each draws its random numbers from the generator it is given.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from sernet_edge.runtime.frontend import Float32

Samples = NDArray[np.float64]

# Knots of the random equaliser and the frequency of the lowest, whose octaves it spans.
_EQUALISER_KNOTS = 8
_EQUALISER_LOW_HZ = 60.0

# A room's echo against the direct sound, in dB.
_ECHO_DB = (-15.0, 0.0)

# Noise is between the recipe's ratio and so many dB quieter.
_NOISE_RANGE_DB = 25.0


def faster(samples: Samples, rate_hz: int, factor: float, count: int) -> Samples:
    """Return the recording played `factor` times as fast: shorter, higher, another throat.

    Of the result, which is `factor` times shorter but for rounding, `count` samples are returned.
    """
    played = np.asarray(soxr.resample(samples, rate_hz * factor, rate_hz), np.float64)
    return np.pad(played, (0, max(0, count - len(played))))[:count]


def reverberant(samples: Samples, rate_hz: int, rt60_s: float, rng: np.random.Generator) -> Samples:
    """Return the recording in a room whose echo falls by 60 dB in `rt60_s`; the length stays."""
    count = int(rt60_s * rate_hz)
    if count < 2:
        return samples
    # White noise that decays exponentially: J. Moorer, "About this reverberation business", 1979.
    echo = rng.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    echo *= 10 ** (rng.uniform(*_ECHO_DB) / 20) / np.sqrt((echo**2).sum())
    echo[0] = 1.0
    size = 1 << (len(samples) + count - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)
    return np.asarray(wet[: len(samples)], np.float64)


def equalised(samples: Samples, rate_hz: int, most_db: float, rng: np.random.Generator) -> Samples:
    """Return the recording through a smooth random frequency response of up to +-`most_db`."""
    bins = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    octaves = np.log2(np.maximum(bins, _EQUALISER_LOW_HZ) / _EQUALISER_LOW_HZ)
    knots = np.linspace(0, np.log2(rate_hz / 2 / _EQUALISER_LOW_HZ), _EQUALISER_KNOTS)
    gain_db = np.interp(octaves, knots, rng.uniform(-most_db, most_db, _EQUALISER_KNOTS))
    spectrum = np.fft.rfft(samples) * 10 ** (gain_db / 20)
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float64)


def noisy(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Return the recording with noise, between white and brown, of a ratio around `snr_db`.

    The ratio is drawn from `snr_db` to 25 dB more, against the power of the whole recording.
    """
    ratio_db = snr_db + rng.uniform(0, _NOISE_RANGE_DB)
    slope = rng.uniform(0, 2)  # of the power spectrum, 1 / f^slope
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (-slope / 2)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, len(samples))
    power = max(float((samples**2).mean()), 1.0)
    noise *= np.sqrt(power / (noise**2).mean()) * 10 ** (-ratio_db / 20)
    return samples + noise


def mask(window: Float32, longest: int, rng: np.random.Generator) -> None:
    """Set, in place, a random run of up to `longest` rows to 0, the mean of every feature."""
    length = min(int(rng.integers(longest + 1)), len(window))
    start = int(rng.integers(len(window) - length + 1))
    window[start : start + length] = 0.0
