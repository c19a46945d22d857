"""gemmlowp's fixed-point functions, to the bit, on int32 values in int64 arrays.

A format's number is its integer bits: Q0 has 31 bits after the binary point, Q5 has 26.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]

MOST = (1 << 31) - 1


def high(a: Int64Array | int, b: Int64Array | int) -> Int64Array:
    """Return the high half of 2ab, halves rounded up."""
    return np.asarray((np.asarray(a, np.int64) * b + (1 << 30)) >> 31)


def round_shift(x: Int64Array, bits: Int64Array | int) -> Int64Array:
    """Return x / 2**bits, halves rounded away from zero."""
    remainder = x & ((1 << np.asarray(bits, np.int64)) - 1)
    threshold = (((1 << np.asarray(bits, np.int64)) - 1) >> 1) + (x < 0)
    return np.asarray((x >> bits) + (remainder > threshold))


def rescale(x: Int64Array, multiplier: Int64Array | int, shift: Int64Array | int) -> Int64Array:
    """Return `quantisation.rescale` of each value of an array."""
    shift = np.asarray(shift, np.int64)
    x = ((x << np.maximum(shift, 0)) + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
    return round_shift(high(x, multiplier), np.maximum(-shift, 0))


def saturating_left(x: Int64Array, bits: int) -> Int64Array:
    """Return x * 2**bits, limited to 32 bits."""
    return np.clip(x << bits, -(1 << 31), MOST)


def exp(x: Int64Array, integer_bits: int = 5) -> Int64Array:
    """Return exp(x) in Q0 (exp_on_negative_values).

    Args:
        x: At most 0, with `integer_bits` integer bits.
        integer_bits: At most 5.
    """
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    part = (x & (quarter - 1)) - quarter
    rest = part - x
    t = (part << integer_bits) + (1 << 28)
    t2 = high(t, t)
    t3, t4 = high(t2, t), high(t2, t2)
    series = round_shift(high(round_shift(t4, 2) + t3, 715827883) + t2, 1)
    result = 1895147668 + high(1895147668, t + series)
    # exp(-1/4), exp(-1/2), exp(-1), ..., exp(-16).
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for bit, factor in enumerate(factors[: integer_bits + 2]):
        result = np.where(rest >> (fraction - 2 + bit) & 1, high(result, factor), result)
    return np.where(x == 0, MOST, result)


def _newton(x: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return (1 + x) / 2 in Q0, and its reciprocal in Q2; x is in Q0."""
    half = (x + (1 << 31)) // 2
    y = 1515870810 + high(half, -1010580540)
    for _ in range(3):
        y = y + saturating_left(high(y, (1 << 29) - high(half, y)), 2)
    return half, y


def reciprocal(x: Int64Array) -> Int64Array:
    """Return 1 / (1 + x) for 0 <= x < 1, both in Q0 (one_over_one_plus_x_for_x_in_0_1)."""
    return saturating_left(_newton(np.asarray(x, np.int64))[1], 1)


def log(x: Int64Array) -> Int64Array:
    """Return log(x) in Q5 for x >= 1 in Q12 (log_x_for_x_greater_than_or_equal_to_1)."""
    x = np.asarray(x, np.int64)

    def leading(values: Int64Array) -> Int64Array:
        """Return the leading zeros of 32-bit numbers above 0."""
        return np.asarray(32 - np.frexp(values.astype(np.float64))[1], np.int64)

    # x = 2**power * r, with r near the fourth root of 1/2. There are two ways to split x, one of
    # them after a multiplication by the root of 1/2; the one with the smaller r counts.
    root, center, quarter = 1518500250, 1805811301, 1 << 23
    zeros, rooted = leading(x), high(x, root)
    rooted_zeros = leading(rooted) - 1
    first = saturating_left(high(x << (zeros - 1), root), 1)
    second = np.clip(x << rooted_zeros, 0, MOST)
    r = np.minimum(first, second)
    power = np.maximum(
        saturating_left(12 - zeros, 25) + quarter, saturating_left(12 - rooted_zeros, 25) - quarter
    )
    q = 2 * (r - center)
    square = high(q, q)
    numerator = high(q, r) + high(high(q, square), 117049297)
    denominator = high((r + center + 1) // 2, 1057819769 + q + high(127690142, square))
    inverse = reciprocal(denominator + high(638450708, q))
    return saturating_left(high(power, 1488522236) + high(round_shift(numerator, 6), inverse), 1)


def logistic(x: Int64Array, integer_bits: int) -> Int64Array:
    """Return 1 / (1 + exp(-x)) in Q0."""
    positive = reciprocal(exp(-np.abs(x), integer_bits))
    return np.where(x == 0, 1 << 30, np.where(x > 0, positive, MOST - positive))


def tanh(x: Int64Array, integer_bits: int) -> Int64Array:
    """Return tanh(x) in Q0."""
    # With one more integer bit the same bits mean 2|x|, so this is exp(-2|x|).
    _, inverse = _newton(exp(-np.abs(x), integer_bits + 1))
    size = saturating_left(inverse - (1 << 29), 2)
    return np.where(x < 0, -size, np.where(x == 0, 0, size))
