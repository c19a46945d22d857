"""Converts real factors to the integers of TensorFlow Lite's interpreters."""

from __future__ import annotations

import math


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Return (multiplier, shift) with real = multiplier / 2**31 * 2**shift (QuantizeMultiplier).

    Args:
        real: At least 0.

    Returns:
        A multiplier of 2**30 to 2**31 - 1, or 0, and a shift of -31 to 31.
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    # Halves are rounded up. fraction * 2**31 is exact, and so is adding 0.5 below 2**52.
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def softmax_integers(scale: float, beta: float = 1.0) -> tuple[int, int, int]:
    """Return the integers of a softmax (PreprocessSoftmaxScaling, CalculateInputRadius).

    Args:
        scale: Scale of its int8 input.
        beta: Factor of its input.

    Returns:
        Multiplier and left shift that convert a difference of two inputs to Q5.26, and the
        smallest difference whose exponential is not 0.
    """
    multiplier, shift = quantize_multiplier(min(beta * scale * (1 << 26), (1 << 31) - 1.0))
    return multiplier, shift, -math.floor(31 * (1 << 26) / (1 << shift))
