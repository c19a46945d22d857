"""Computes tables of 256 outputs for operators that are functions of one int8, to the bit.

Each function follows the function of TensorFlow Lite Micro that its docstring names.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export import fixed_point
from sernet_edge.firmware_export.network import Int8Array, Tensor
from sernet_edge.firmware_export.quantisation import rescale
from sernet_edge.runtime.multiplier import quantize_multiplier

Int64Array = NDArray[np.int64]


class BadScales(Exception):
    """No interpreter supports these scales; the message says why."""


def inputs_of(source: Tensor) -> Int64Array:
    """Return the input of each of the 256 entries: -128..127; for uint8 128..255, then 0..127."""
    values = np.arange(-128, 128)
    return values & 255 if source.is_unsigned else values


def _quotient(a: np.float32, b: np.float32) -> float:
    with np.errstate(over="ignore"):
        return _checked(float(a / b))


def _checked(factor: float) -> float:
    if not abs(factor) < 1 << 30:
        raise BadScales(f"its scales differ by a factor of {factor:g}")
    return factor


def _multiplier(real: float) -> tuple[int, int]:
    return quantize_multiplier(_checked(real))


def _rescaled(x: Int64Array, real: float) -> Int64Array:
    multiplier, shift = _multiplier(abs(real))
    # QuantizeMultiplier keeps the sign in the multiplier.
    sign = -1 if real < 0 else 1
    return np.array([rescale(int(v), sign * multiplier, shift) for v in x], np.int64)


def finished(values: Int64Array, made: Tensor, low: int = -128, high: int = 127) -> Int8Array:
    """Return outputs within limits as the engine's bytes, uint8 or int8."""
    if made.is_unsigned:
        return np.clip(values, 0, 255).astype(np.uint8).view(np.int8)
    return np.clip(values, low, high).astype(np.int8)


def quantize(source: Tensor, made: Tensor) -> Int8Array:
    """Return the table of a QUANTIZE (Requantize)."""
    x = inputs_of(source) - source.zero_point
    return finished(_rescaled(x, float(source.scale) / float(made.scale)) + made.zero_point, made)


def relu(source: Tensor, made: Tensor) -> Int8Array:
    """Return the table of a RELU (ReluQuantized, CalculateReluOpData)."""
    x = inputs_of(source) - source.zero_point
    values = _rescaled(x, _quotient(source.scale, made.scale)) + made.zero_point
    return finished(values, made, max(-128, made.zero_point))


def relu6(source: Tensor, made: Tensor) -> Int8Array:
    """Return the table of a RELU6, which only clamps (FloatToQuantizedType)."""
    six = math.floor(_quotient(np.float32(6.0), source.scale) + 0.5)
    return finished(inputs_of(source), made, source.zero_point, min(127, source.zero_point + six))


def logistic(source: Tensor, made: Tensor) -> Int8Array:
    """Return the table of a LOGISTIC (reference_integer_ops::Logistic)."""
    values, radius = _squashed(source, fixed_point.logistic)
    x = inputs_of(source) - source.zero_point
    values = fixed_point.round_shift(values, 31 - 8) - 128
    return finished(np.where(x <= -radius, -128, np.where(x >= radius, 127, values)), made)


def tanh(source: Tensor, made: Tensor) -> Int8Array:
    """Return the table of a TANH (reference_integer_ops::Tanh)."""
    values, radius = _squashed(source, fixed_point.tanh)
    x = inputs_of(source) - source.zero_point
    values = fixed_point.round_shift(values, 31 - 7)
    return finished(np.where(x <= -radius, -128, np.where(x >= radius, 127, values)), made)


def _squashed(
    source: Tensor, function: Callable[[Int64Array, int], Int64Array]
) -> tuple[Int64Array, int]:
    """Return a function of the inputs, in Q0, and the input from which on it is at its limit."""
    integer_bits = 4
    multiplier, shift = _multiplier_of_q4(float(source.scale))
    radius = math.floor(((1 << integer_bits) - 1) * 2.0 ** (31 - integer_bits - shift))
    x = inputs_of(source) - source.zero_point
    inside = np.where(np.abs(x) < radius, x, 0)
    scaled = np.array([rescale(int(v), multiplier, shift) for v in inside], np.int64)
    return function(scaled, integer_bits), radius


def _multiplier_of_q4(scale: float) -> tuple[int, int]:
    multiplier, shift = quantize_multiplier(scale * (1 << 27))
    if not 0 <= shift <= 30:
        raise BadScales(f"its input's scale {scale:g} leaves the range of its fixed-point numbers")
    return multiplier, shift


def hard_swish(source: Tensor, made: Tensor) -> Int8Array:
    """Return the table of a HARD_SWISH (reference_ops::HardSwish)."""
    hires = np.float32(1.0 / 128.0) * source.scale
    output, output_shift = _multiplier(_quotient(hires, made.scale))
    reluish, reluish_shift = _multiplier(_quotient(hires, np.float32(3.0 / 32768.0)))
    if output_shift > 0:
        raise BadScales(f"its output's scale {made.scale} is too small for its input's")
    if reluish_shift > 15:
        raise BadScales(f"its input's scale {source.scale} is too large")
    x = (inputs_of(source) - source.zero_point) * 128
    preshift = _high16(x, _downscaled(output))
    gate = x
    if reluish_shift > 0:
        gate = _left16(gate, reluish_shift - 1)
    gate = _high16(gate, _downscaled(reluish))
    if reluish_shift > 0:
        gate = _left16(gate, 1)
    elif reluish_shift < 0:
        gate = fixed_point.round_shift(gate, -reluish_shift)
    gate = (gate + (1 << 15)) >> 1
    product = gate * preshift
    # Truncate towards zero, like SaturatingDoublingHighMul.
    values = np.sign(product) * (np.abs(product) >> 15)
    return finished(fixed_point.round_shift(values, -output_shift) + made.zero_point, made)


def _downscaled(multiplier: int) -> int:
    """Return a multiplier of 16 bits (DownScaleInt32ToInt16Multiplier)."""
    return min((multiplier + (1 << 15)) >> 16, (1 << 15) - 1)


def _high16(a: Int64Array, b: int) -> Int64Array:
    """Return SaturatingRoundingDoublingHighMul of int16, halves away from zero."""
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.clip(np.sign(nudged) * (np.abs(nudged) // (1 << 15)), -(1 << 15), (1 << 15) - 1)


def _left16(x: Int64Array, bits: int) -> Int64Array:
    return np.clip(x << bits, -(1 << 15), (1 << 15) - 1)


def leaky_relu(source: Tensor, made: Tensor, alpha: float) -> Int8Array:
    """Return the table of a LEAKY_RELU (QuantizeLeakyRelu)."""
    x = inputs_of(source) - source.zero_point
    identity = _quotient(source.scale, made.scale)
    with np.errstate(over="ignore"):
        slope = _quotient(source.scale * np.float32(alpha), made.scale)
    values = np.where(x >= 0, _rescaled(x, identity), _rescaled(x, slope))
    return finished(values + made.zero_point, made)


def prelu(source: Tensor, made: Tensor, slope: int, scale: np.float32) -> Int8Array:
    """Return the table of a PRELU with one slope (BroadcastPrelu4DSlow).

    Args:
        source: Its input.
        made: Its output.
        slope: Slope of negative inputs, minus the slope's zero point.
        scale: Scale of the slope.
    """
    x = inputs_of(source) - source.zero_point
    identity = float(source.scale) / float(made.scale)
    product = float(source.scale) * float(scale) / float(made.scale)
    values = np.where(x >= 0, _rescaled(x, identity), _rescaled(x * slope, product))
    return finished(values + made.zero_point, made)


def elu(source: Tensor, made: Tensor) -> Int8Array:
    """Return the table of an ELU, which TensorFlow Lite Micro computes in float32."""
    real = source.scale * (inputs_of(source) - source.zero_point).astype(np.float32)
    inverse = np.float32(1.0) / made.scale
    with np.errstate(over="ignore"):
        made_of = np.where(real < 0, np.expm1(real), real).astype(np.float32) * inverse
    rounded = np.sign(made_of) * np.floor(np.abs(made_of) + np.float32(0.5))
    if not np.isfinite(rounded).all():
        raise BadScales(f"its output's scale {made.scale} is too small")
    return finished(np.clip(rounded, -1e6, 1e6).astype(np.int64) + made.zero_point, made)
