"""The constants of the TensorFlow Lite Micro frontend, to the bit.

When the frontend starts, it computes them as 32-bit floats and rounds them to integers. Here each
operation is rounded to float32 in the same order. The logarithm is fdlibm's `log1pf`, as in newlib,
musl and glibc before 2.41. Another library's last bit would change a few weights by 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError
from sernet_edge.runtime.micro_settings import MicroSettings

_F = np.float32

WEIGHT_BITS = 12
"""Fractional bits of the window and of the filters' weights."""

NOISE_BITS = 14
"""Fractional bits of the weights that smooth the noise estimate."""

LOG_SEGMENTS = 128
"""Intervals of the table of logarithms."""

LOG_BITS = 16
"""Fractional bits of logarithms before they are scaled."""

LN_2 = 45426
"""ln 2, Q16."""

PCAN_INTERVALS = 32
"""Number of PCAN's intervals: each has a parabola and is twice as long as the one before."""


def log1p(x: np.float32) -> np.float32:
    """Return ln(1 + x) of x >= 0, computed as in fdlibm's `log1pf`, float32.

    Source: the comments in fdlibm's s_log1p.c. 1 + x = 2^k (1 + f) with 1 + f between sqrt(1/2) and
    sqrt(2); ln(1 + f) = f - (f^2/2 - s (f^2/2 + R)), s = f / (2 + f) and R a polynomial in s^2.
    """
    k, correction, f = 0, _F(0), _F(x)
    # sqrt(2) - 1; the comparison uses its upper 22 bits.
    if f >= np.uint32(0x3ED413D7).view(_F):
        whole = _F(1) + f
        mantissa, k = np.frexp(whole)
        # The part of x that the sum lost by rounding.
        lost = _F(1) - (whole - f) if k > 1 else f - (whole - _F(1))
        correction = lost / whole
        mantissa, k = mantissa * _F(2), int(k) - 1
        if mantissa >= np.uint32(0x3FB504F7).view(_F):
            mantissa, k = mantissa / _F(2), k + 1
        f = mantissa - _F(1)
    half = _F(0.5) * f * f
    s = f / (_F(2) + f)
    z = s * s
    remainder = _F(0)
    for factor in _LOG1P:
        remainder = z * (factor + remainder)
    if k == 0:
        return f - (half - s * (half + remainder))
    low = _F(k) * _LN2_LOW + correction
    return _F(k) * _LN2_HIGH - ((half - (s * (half + remainder) + low)) - f)


# ln 2 as a sum of two parts: k times the first part is exact in float32. Then the coefficients of
# s^14 down to s^2, which are near 2/15, 2/13 ... 2/3.
_LN2_HIGH, _LN2_LOW = _F(6.9313812256e-01), _F(9.0580006145e-06)
_LOG1P = tuple(
    _F(value)
    for value in (
        *(1.4798198640e-01, 1.5313838422e-01, 1.8183572590e-01, 2.2222198546e-01),
        *(2.8571429849e-01, 4.0000000596e-01, 6.6666668653e-01),
    )
)


def window(length: int) -> NDArray[np.int16]:
    """Return the weights of a frame's samples, Q12, int16 (length,)."""
    step = _F(np.pi) * _F(2) / _F(length)
    angles = step * (np.arange(length, dtype=_F) + _F(0.5))
    cosines = np.cos(angles.astype(np.float64)).astype(_F)
    weights = _F(0.5) - _F(0.5) * cosines
    return np.floor(weights * _F(1 << WEIGHT_BITS) + _F(0.5)).astype(np.int16)


@dataclass(frozen=True)
class Filters:
    """The triangular filters: each begins at the peak of the one before.

    The peaks divide the FFT's bins into channels + 1 runs. In run n, filter n - 1 falls and filter
    n rises; in the first run no filter falls, and in the last one none rises.

    Attributes:
        first: The first bin of the first run.
        ends: The bin after each run, (channels + 1,).
        falling: The falling filter's weights, from bin `first` on, Q12, int64 (bins,).
        rising: The rising filter's weights, likewise.
    """

    first: int
    ends: tuple[int, ...]
    falling: NDArray[np.int64]
    rising: NDArray[np.int64]


def filters(contract: Contract) -> Filters:
    """Return the filters of a contract with the features "micro".

    Raises:
        ContractError: The upper edge is beyond the FFT's bins.
    """
    low_hz, high_hz = _F(contract.mel_low_hz), _F(contract.mel_high_hz)
    low, high = _mel(low_hz), _mel(high_hz)
    spacing = (high - low) / _F(contract.mel_bands + 1)
    hz_per_bin = _F(0.5) * _F(contract.sample_rate_hz) / _F(contract.fft_size // 2)
    mels = [_mel(_F(k) * hz_per_bin) for k in range(contract.fft_size // 2 + 1)]
    # The bin of 0 Hz is left out.
    first = at = int(_F(1.5) + low_hz / hz_per_bin)
    ends, falling = [], []
    before = low
    for channel in range(contract.mel_bands + 1):
        peak = low + spacing * _F(channel + 1)
        while at < len(mels) and mels[at] <= peak:
            falling.append((peak - mels[at]) / (peak - before))
            at += 1
        ends.append(at)
        before = peak
    if at >= len(mels):
        raise ContractError(
            f"contract: mel_high_hz, the upper band limit, must be below "
            f"{contract.sample_rate_hz / 2:g} Hz by a bin of the FFT with the features 'micro', "
            f"not {contract.mel_high_hz:g}"
        )
    weights = np.array(falling, _F)
    return Filters(first, tuple(ends), _weights(weights), _weights(_F(1) - weights))


def _weights(values: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.floor(values * _F(1 << WEIGHT_BITS) + _F(0.5)).astype(np.int64)


def _mel(hz: np.float32) -> np.float32:
    return _F(1127) * log1p(hz / _F(700))


def noise_weights(settings: MicroSettings, channels: int) -> NDArray[np.int64]:
    """Return the weight of a new value in the estimate of each channel, Q14, int64 (channels,)."""
    even, odd = (noise_fraction(x) for x in (settings.even_smoothing, settings.odd_smoothing))
    return np.where(np.arange(channels) % 2 == 0, even, odd)


def noise_fraction(value: float) -> int:
    """Return a setting of the noise reduction in Q14, rounded down."""
    return int(_F(value) * _F(1 << NOISE_BITS))


def pcan_gains(settings: MicroSettings, input_bits: int) -> NDArray[np.int64]:
    """Return the parabolas of PCAN's gain over the noise estimate, 16-bit values, int64 (33, 3).

    Row n has y0, y1 and y2 of the parabola y0 + y1 t + y2 t^2 for estimates of n bits, 0 <= t < 1;
    rows 0 and 1 have only the gains of 0 and 1.

    Args:
        settings: Settings with PCAN.
        input_bits: Fractional bits of the estimate.
    """
    table = np.zeros((PCAN_INTERVALS + 1, 3), np.int64)
    for bits in range(PCAN_INTERVALS + 1):
        start = (1 << bits) >> 1
        middle = start + (start >> 1)
        end = 2 * start - (bits == PCAN_INTERVALS)
        y0, y1, y2 = (_gain(settings, input_bits, x) for x in (start, middle, end))
        bend = 4 * (y1 - y0) - (y2 - y0)
        table[bits] = (y0, bend, (y2 - y0) - bend) if bits > 1 else (y0, 0, 0)
    return table.astype(np.int16).astype(np.int64)


def _gain(settings: MicroSettings, input_bits: int, x: int) -> int:
    """Return the gain at an estimate: (estimate + offset)^-strength, at most 32767."""
    base = _F(x) / _F(1 << input_bits) + _F(settings.pcan_offset)
    power = _F(np.float64(base) ** -np.float64(_F(settings.pcan_strength)))
    gain = _F(1 << settings.gain_bits) * power
    return 32767 if gain > 32767 else int(gain + _F(0.5))


def log_table() -> NDArray[np.int64]:
    """Return log2(1 + t) - t at t = 0, 1/128 ... 1, Q16, int64 (129,)."""
    t = np.arange(LOG_SEGMENTS + 1) / LOG_SEGMENTS
    return np.rint((np.log2(1 + t) - t) * (1 << LOG_BITS)).astype(np.int64)
