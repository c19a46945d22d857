"""Augmentation: simulates other rooms, microphones and voices, and masks features.

Each function but `mask` takes and returns samples in int16 units as float64 (n,), not rounded.
Each draws its random numbers from the generator that it is given.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sernet_edge.runtime.frontend import Float32

Samples = NDArray[np.float64]
Int16 = NDArray[np.int16]

# Knots of the random equaliser, spaced evenly in octaves from the frequency of the lowest one.
_EQUALISER_KNOTS = 8
_EQUALISER_LOW_HZ = 60.0

# Level of a room's echo relative to the direct sound, in dB.
_ECHO_DB = (-15.0, 0.0)

# The ratio of speech to noise is drawn from the recipe's value to this much more.
_NOISE_RANGE_DB = 25.0

# Blocks of this length count as speech if they are at most this much below the loudest one.
_BLOCK_S = 0.02
_SPEECH_DB = 25.0

# A telephone's band: no sound below the first and above the last, full gain between the middle two.
_TELEPHONE_HZ = (200.0, 300.0, 3400.0, 3800.0)
_TELEPHONE_RATE_HZ = 8_000
_MU = 255.0  # ITU-T G.711

_FULL_SCALE = 32_768.0


def faster(samples: Samples, count: int) -> Samples:
    """Return the recording played so fast that it has `count` samples, like a smaller speaker.

    Pitch, formants and tempo all change by the factor n / `count`. Frequencies beyond half the
    sample rate are cut off. The resampling is circular: within some milliseconds, each end contains
    a little of the other.

    Args:
        samples: float64 (n,); n is best a product of small primes, see `scipy.fft.next_fast_len`.
        count: Samples of the result.
    """
    spectrum = scipy.fft.rfft(samples.astype(np.float32))
    kept = min(len(spectrum), (count - 1) // 2 + 1)
    played = scipy.fft.irfft(spectrum[:kept], count)
    return np.asarray(played, np.float64) * (count / len(samples))


def reverberant(samples: Samples, rate_hz: int, rt60_s: float, rng: np.random.Generator) -> Samples:
    """Return the recording in a room with the reverberation time `rt60_s`; the length stays."""
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
    knots_db = rng.uniform(-most_db, most_db, _EQUALISER_KNOTS).astype(np.float32)
    gain = np.exp(knots_db * np.float32(np.log(10) / 20) @ _equaliser_shares(len(samples), rate_hz))
    spectrum = scipy.fft.rfft(samples.astype(np.float32)) * gain
    return np.asarray(scipy.fft.irfft(spectrum, len(samples)), np.float64)


@lru_cache(maxsize=4)
def _equaliser_shares(count: int, rate_hz: int) -> NDArray[np.float32]:
    """Return the weight of each knot at each frequency, float32 (knots, frequencies).

    Args:
        count: Number of samples to equalise.
        rate_hz: Their rate.
    """
    bins = np.fft.rfftfreq(count, 1 / rate_hz)
    octaves = np.log2(np.maximum(bins, _EQUALISER_LOW_HZ) / _EQUALISER_LOW_HZ)
    knots = np.linspace(0, np.log2(rate_hz / 2 / _EQUALISER_LOW_HZ), _EQUALISER_KNOTS)
    each = [np.interp(octaves, knots, one) for one in np.eye(_EQUALISER_KNOTS)]
    return np.stack(each).astype(np.float32)


def noisy(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Return the recording with noise, between white and brown, at a random ratio.

    The ratio is drawn from `snr_db` to 25 dB more, relative to the power of the whole recording.
    """
    ratio_db = snr_db + rng.uniform(0, _NOISE_RANGE_DB)
    slope = rng.uniform(0, 2)  # the power spectrum is 1 / f^slope
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (-slope / 2)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, len(samples))
    power = max(float((samples**2).mean()), 1.0)
    noise *= np.sqrt(power / (noise**2).mean()) * 10 ** (-ratio_db / 20)
    return samples + noise


def speech_power(samples: Samples, rate_hz: int) -> float:
    """Return the mean power of the parts with speech; 0 for digital silence.

    These parts are the blocks of 20 ms that are at most 25 dB below the loudest one. Silence
    around a word doesn't count.
    """
    length = max(1, int(_BLOCK_S * rate_hz))
    count = max(1, len(samples) // length)
    blocks = samples[: count * length].reshape(count, -1)
    powers = np.einsum("bs,bs->b", blocks, blocks) / blocks.shape[1]
    return float(powers[powers >= powers.max() * 10 ** (-_SPEECH_DB / 10)].mean())


def with_noise(samples: Samples, noise: Int16, rate_hz: int, snr_db: float) -> Samples:
    """Return the recording with a noise that is `snr_db` below its speech.

    Args:
        samples: The recording, float64 (n,). Digital silence gets no noise.
        noise: The noise, int16 (n,); a silent noise changes nothing.
        rate_hz: The rate of both.
        snr_db: Ratio of the speech's power to the noise's; see `speech_power`.
    """
    wide = noise.astype(np.float64)
    power = float(wide @ wide) / max(1, len(wide))
    if not power:
        return samples
    gain = np.sqrt(speech_power(samples, rate_hz) / power) * 10 ** (-snr_db / 20)
    return samples + wide * gain


def telephone(samples: Samples, rate_hz: int) -> Samples:
    """Return the recording as over a telephone: 300 to 3400 Hz, 8 kHz, 8-bit mu-law (G.711).

    Args:
        samples: float64 (n,) in int16 units.
        rate_hz: Their rate, 8 kHz at least; the result has the same.
    """
    count = len(samples)
    narrow = round(count * _TELEPHONE_RATE_HZ / rate_hz)
    kept = narrow // 2 + 1
    spectrum = scipy.fft.rfft(samples.astype(np.float32))[:kept]
    spectrum *= _telephone_gain(kept, rate_hz / count)
    line = scipy.fft.irfft(spectrum, narrow) * (narrow / count)
    size = np.minimum(np.abs(line) / _FULL_SCALE, 1.0)
    code = np.rint(np.log1p(_MU * size) / np.log1p(_MU) * 127)
    line = np.sign(line) * np.expm1(code / 127 * np.log1p(_MU)) * (_FULL_SCALE / _MU)
    spectrum = scipy.fft.rfft(line)
    return np.asarray(scipy.fft.irfft(spectrum, count) * (count / narrow), np.float64)


@lru_cache(maxsize=4)
def _telephone_gain(bins: int, bin_hz: float) -> NDArray[np.float32]:
    gain = np.interp(np.arange(bins) * bin_hz, _TELEPHONE_HZ, (0.0, 1.0, 1.0, 0.0))
    return gain.astype(np.float32)


def overloaded(samples: Samples, over_db: float) -> Samples:
    """Return the recording amplified to a peak `over_db` above full scale, and clipped."""
    peak = float(np.abs(samples).max(initial=0.0))
    if not peak:
        return samples
    loud = samples * (_FULL_SCALE * 10 ** (over_db / 20) / peak)
    return np.clip(loud, -_FULL_SCALE, _FULL_SCALE - 1)


def repeated(samples: Int16, count: int, pause: int) -> Int16:
    """Return `count` samples with a word repeated again and again, with silence between.

    Args:
        samples: The word, int16 (n,).
        count: Number of samples to return.
        pause: Samples of digital silence after each repetition.
    """
    once = np.pad(samples, (0, pause))
    return np.resize(once, count)


def coloured_noise(count: int, rng: np.random.Generator) -> Samples:
    """Return noise between white and brown, float64 (count,), at an arbitrary level.

    The slope of its power spectrum is drawn from 0 (white) to -6 dB an octave (brown).
    """
    spectrum = scipy.fft.rfft(rng.standard_normal(count, np.float32))
    spectrum[1:] *= np.arange(1, len(spectrum), dtype=np.float32) ** (-rng.uniform(0, 2) / 2)
    spectrum[0] = 0
    return np.asarray(scipy.fft.irfft(spectrum, count), np.float64)


def at_level(samples: Samples, level_dbfs: float) -> Samples:
    """Return the sound scaled to a root mean square in dB relative to full scale, 32768."""
    power = float(samples @ samples) / max(1, len(samples))
    if not power:
        return samples
    return samples * (_FULL_SCALE * 10 ** (level_dbfs / 20) / np.sqrt(power))


def mask(window: Float32, longest: int, rng: np.random.Generator) -> None:
    """Set, in place, a random run of up to `longest` rows to 0, the mean of every feature."""
    length = min(int(rng.integers(longest + 1)), len(window))
    start = int(rng.integers(len(window) - length + 1))
    window[start : start + length] = 0.0
