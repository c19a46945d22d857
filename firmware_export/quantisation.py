"""Computes the integers that stand for a layer's real scales: those of TensorFlow Lite, to the bit.

Each function follows the function of TensorFlow Lite that it names. The interpreter computes these
numbers when it starts; the export computes them once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export import fixed_point
from sernet_edge.firmware_export.csource import c_constant
from sernet_edge.firmware_export.network import Int8Array, Layer, Tensor
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.multiplier import quantize_multiplier, softmax_integers

CHUNK = c_constant("sernet_conv.c", "CHUNK")
"""Weights of a channel that lie side by side; zeros pad a kernel to a multiple of this."""


def _refusal(layer: Layer, message: str) -> ModelError:
    return ModelError(
        f"{layer.op} that makes tensor {layer.output.name!r}: {message}",
        "convert the model again: such numbers cannot have come from training",
    )


def _multiplier(layer: Layer, real: float) -> tuple[int, int]:
    multiplier, shift = quantize_multiplier(real)
    # The interpreter shifts 32-bit numbers left by this; C does not define shifts from 31 on.
    if shift > 30:
        raise _refusal(layer, f"its scales differ by a factor of {real:g}")
    return multiplier, shift


def _float32_quotient(layer: Layer, a: np.float32, b: np.float32) -> float:
    with np.errstate(over="ignore"):
        quotient = float(a / b)
    if not abs(quotient) < 1 << 30:
        raise _refusal(layer, f"its scales differ by a factor of {quotient:g}")
    return quotient


def rescale(x: int, multiplier: int, shift: int) -> int:
    """Return x times the real factor, rounded like MultiplyByQuantizedMultiplier (int32)."""
    x = (x << max(shift, 0)) + 0x8000_0000
    x = (x & 0xFFFF_FFFF) - 0x8000_0000  # as the interpreter's 32 bits would wrap
    high = (x * multiplier + (1 << 30)) >> 31
    right = max(-shift, 0)
    remainder = high & ((1 << right) - 1)
    threshold = (((1 << right) - 1) >> 1) + (high < 0)
    return (high >> right) + (remainder > threshold)


def activation_range(layer: Layer) -> tuple[int, int]:
    """Return the int8 limits of a fused activation (CalculateActivationRangeQuantized)."""
    output = layer.output

    def quantised(real: float) -> int:
        # In float32, like the interpreter; halves away from zero.
        ratio = _float32_quotient(layer, np.float32(real), output.scale)
        return output.zero_point + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))

    low, high = layer.activation
    return (
        max(-128, -128 if low is None else quantised(low)),
        min(127, 127 if high is None else quantised(high)),
    )


@dataclass(frozen=True)
class ConvTables:
    """A convolution in integers.

    Attributes:
        weights: int8 (pairs, chunks, 2, 16): 16 weights of one channel, then 16 of the other. For a
            depthwise convolution see `depthwise_tables`.
        bias: int32 (out,), minus zero point times the sum of weights, so that kernels can multiply
            raw inputs.
        multipliers: int32 (out,).
        shifts: int8 (out,), from -31 to 31, negative to the right.
        quick: Whether every sum stays below 2**30 and every shift is -22 to -1. Then the engine can
            rescale with fewer instructions.
        part_groups: See `_part_groups`; 0 for a depthwise convolution.
    """

    weights: Int8Array
    bias: NDArray[np.int32]
    multipliers: NDArray[np.int32]
    shifts: NDArray[np.int8]
    quick: bool
    part_groups: int = 0


def conv_scales(layer: Layer, source: Tensor) -> list[tuple[int, int]]:
    """Return (multiplier, shift) of each channel of a convolution or dense layer."""
    input_scale, output_scale = float(source.scale), float(layer.output.scale)
    channels = layer.output.channels
    if len(layer.weight_scales) == 1 and layer.op == "FULLY_CONNECTED":
        # GetQuantizedConvolutionMultipler multiplies in float32.
        with np.errstate(over="ignore", under="ignore"):
            product = float(source.scale * layer.weight_scales[0])
        return [_multiplier(layer, min(product, 1e300) / output_scale)] * channels
    scales = np.broadcast_to(layer.weight_scales, (channels,))
    return [_multiplier(layer, input_scale * float(s) / output_scale) for s in scales]


def conv_tables(layer: Layer, source: Tensor) -> ConvTables:
    """Return the tables of a CONV_2D or FULLY_CONNECTED layer.

    Raises:
        ModelError: A sum could leave 32 bits.
    """
    channels = layer.output.channels
    flat = layer.weights.reshape(channels, -1).astype(np.int64)
    bias = layer.bias.astype(np.int64) - source.zero_point * flat.sum(axis=1)
    scales = conv_scales(layer, source)
    # The largest absolute value of a partial sum: the bias and the sum of raw products.
    largest = np.abs(bias) + 128 * np.abs(flat).sum(axis=1)
    if (largest >= 1 << 31).any():
        raise _refusal(layer, f"the sum of channel {int(largest.argmax())} can leave 32 bits")
    weights = packed(flat)
    if layer.op == "FULLY_CONNECTED" and flat.shape[1] != source.channels:
        # A dense layer of a whole map: pack the weights of each input row separately.
        rows = flat.reshape(channels, source.height, -1)
        weights = np.stack([packed(rows[:, row]) for row in range(source.height)])
    return ConvTables(
        np.ascontiguousarray(weights),
        bias.astype(np.int32),
        np.array([m for m, _ in scales], np.int32),
        np.array([s for _, s in scales], np.int8),
        is_quick(largest, scales),
        _part_groups(flat),
    )


def _part_groups(weights: NDArray[np.int64]) -> int:
    """Return how many groups of 4 taps the DSP kernel may sum at once; see sernet_engine.h.

    Args:
        weights: (out, taps).
    """
    even = weights[::2]
    if (even == -128).any():
        return 0
    # Any sum of 512 taps (128 groups) stays below 2**23, because weights are at most 127.
    whole = 128 * np.abs(even).sum(axis=1).max() < 1 << 23
    return -(-weights.shape[1] // 4) if whole else 128


def packed(weights: NDArray[np.int64]) -> Int8Array:
    """Return weights (out, in) in the order of the kernels: int8 (pairs, chunks, 2, 16)."""
    channels, size = weights.shape
    chunks = -(-size // CHUNK)
    padded = np.zeros((channels + channels % 2, chunks * CHUNK), np.int8)
    padded[:channels, :size] = weights
    return padded.reshape(-1, 2, chunks, CHUNK).transpose(0, 2, 1, 3)


def depthwise_tables(layer: Layer, source: Tensor, parts: int = 1) -> ConvTables:
    """Return the tables of a DEPTHWISE_CONV_2D.

    Args:
        layer: The layer.
        source: Its input.
        parts: Number of parts of the output channels. Part 0 has the first output of every input
            channel, part 1 the second output of every one, and so on. 1: do not sort.

    Returns:
        Tables with weights (parts, height, width, channels of a part).

    Raises:
        ModelError: A sum could leave 32 bits.
    """
    channels = layer.output.channels
    order = np.arange(channels).reshape(-1, parts).T.ravel()
    flat = layer.weights.reshape(-1, channels)[:, order].astype(np.int64)
    bias = layer.bias[order].astype(np.int64) - source.zero_point * flat.sum(axis=0)
    largest = np.abs(bias) + 128 * np.abs(flat).sum(axis=0)
    scales = conv_scales(layer, source)
    if (largest >= 1 << 31).any():
        place = int(order[largest.argmax()])
        raise _refusal(layer, f"the sum of channel {place} can leave 32 bits")
    height, width = layer.kernel.size
    weights = layer.weights[:, :, order].reshape(height, width, parts, -1)
    return ConvTables(
        np.ascontiguousarray(weights.transpose(2, 0, 1, 3)),
        bias.astype(np.int32),
        np.array([scales[i][0] for i in order], np.int32),
        np.array([scales[i][1] for i in order], np.int8),
        is_quick(largest, scales),
    )


def is_quick(largest: NDArray[np.int64], scales: Sequence[tuple[int, int]]) -> bool:
    """Return `ConvTables.quick` for sums up to `largest`, (out,)."""
    return bool((largest < 1 << 30).all()) and all(-22 <= shift < 0 for _, shift in scales)


def parameters(layer: Layer, sources: Sequence[Tensor]) -> list[int]:
    """Return the integers of an operator's arithmetic; most operators have none.

    Args:
        layer: The layer.
        sources: Its inputs.

    Raises:
        ModelError: See the function for the operator.
    """
    if layer.op in ("ADD", "SUB"):
        return add_parameters(layer, *pair(layer, sources))
    if layer.op == "MUL":
        return multiply_parameters(layer, *pair(layer, sources))
    if layer.op == "PRELU":
        return prelu_parameters(layer, *pair(layer, sources))
    if layer.op in ("MEAN", "SUM"):
        return mean_parameters(layer, sources[0])
    if layer.op == "BATCH_MATMUL":
        return [*matmul_parameters(layer, sources[0], sources[1]), *layer.strides[:2]]
    if layer.op == "LOG_SOFTMAX":
        return log_softmax_parameters(layer, sources[0])
    return softmax_parameters(layer, sources[0]) if layer.op == "SOFTMAX" else []


def pair(layer: Layer, sources: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return both operands of an ADD, SUB, MUL or PRELU; one may be a constant."""
    operands = list(sources)
    if layer.constant is not None:
        operands.insert(layer.constant.place, layer.constant.tensor)
    return operands[0], operands[1]


def add_parameters(layer: Layer, first: Tensor, second: Tensor) -> list[int]:
    """Return the integers of ADD or SUB (CalculateOpDataAdd, CalculateOpDataSub).

    Returns:
        Zero point, multiplier and shift of the first input; the same of the second input;
        multiplier and shift of the output.

    Raises:
        ModelError: The output's scale is so small that the interpreter refuses it.
    """
    twice_max = 2 * max(float(first.scale), float(second.scale))
    output = twice_max / ((1 << 20) * float(layer.output.scale))
    if output >= 1:
        raise _refusal(
            layer, f"its output's scale {layer.output.scale} is too small for its inputs"
        )
    numbers: list[int] = []
    for tensor in (first, second):
        numbers += [tensor.zero_point, *quantize_multiplier(float(tensor.scale) / twice_max)]
    return numbers + list(quantize_multiplier(output))


def multiply_parameters(layer: Layer, first: Tensor, second: Tensor) -> list[int]:
    """Return the integers of MUL (CalculateOpDataMul).

    Returns:
        Zero points of both inputs, then multiplier and shift of the product.

    Raises:
        ModelError: The scales differ too much.
    """
    # In float32, like the interpreter.
    with np.errstate(over="ignore", under="ignore"):
        product = first.scale * second.scale
    real = _float32_quotient(layer, product, layer.output.scale)
    return [first.zero_point, second.zero_point, *_multiplier(layer, real)]


def prelu_parameters(layer: Layer, source: Tensor, slopes: Tensor) -> list[int]:
    """Return the integers of a PRELU (CalculatePreluParams).

    Returns:
        Zero points of the input and of the slopes; multiplier and shift of inputs that are not
        negative; multiplier and shift of the product with a slope.

    Raises:
        ModelError: The scales differ too much.
    """
    identity = float(source.scale) / float(layer.output.scale)
    product = float(source.scale) * float(slopes.scale) / float(layer.output.scale)
    return [
        source.zero_point,
        slopes.zero_point,
        *_multiplier(layer, identity),
        *_multiplier(layer, product),
    ]


def constant_table(layer: Layer, source: Tensor) -> Int8Array:
    """Return the 256 outputs of an ADD, SUB or MUL with one constant value."""
    assert layer.constant is not None
    constant, values = int(layer.constant.values.ravel()[0]), np.arange(-128, 128)
    both = [values, np.full(256, constant)]
    if layer.constant.place == 0:
        both.reverse()
    return binary(layer, [source], both[0], both[1]).astype(np.int8)


def binary(
    layer: Layer, sources: Sequence[Tensor], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return an ADD, SUB, MUL or PRELU of arrays (AddElementwise, MulElementwise, Prelu)."""
    p = parameters(layer, sources)
    if layer.op == "PRELU":
        x = first - p[0]
        plain = fixed_point.rescale(x, p[2], p[3])
        values = np.where(x >= 0, plain, fixed_point.rescale(x * (second - p[1]), p[4], p[5]))
    elif layer.op == "MUL":
        values = fixed_point.rescale((first - p[0]) * (second - p[1]), p[2], p[3])
    else:
        a = fixed_point.rescale((first - p[0]) << 20, p[1], p[2])
        b = fixed_point.rescale((second - p[3]) << 20, p[4], p[5])
        values = fixed_point.rescale(a + b if layer.op == "ADD" else a - b, p[6], p[7])
    return np.clip(values + layer.output.zero_point, *activation_range(layer))


def mean_parameters(layer: Layer, source: Tensor) -> list[int]:
    """Return the integers of MEAN or SUM (QuantizedMeanOrSum).

    Returns:
        The sum of the zero points, which C subtracts from a sum of values; multiplier and shift. A
        MEAN's multiplier includes 1/n.

    Raises:
        ModelError: A sum could leave 32 bits.
    """
    count = (source.height if layer.axes[0] else 1) * (source.width if layer.axes[1] else 1)
    if count * 255 >= 1 << 31:
        raise _refusal(layer, f"the sum of {count} values can leave 32 bits")
    multiplier, shift = _multiplier(layer, float(source.scale) / float(layer.output.scale))
    if layer.op == "SUM":
        return [source.zero_point * count, multiplier, shift]
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return [source.zero_point * count, (multiplier << extra) // count, shift - extra]


def softmax_parameters(layer: Layer, source: Tensor) -> list[int]:
    """Return the integers of SOFTMAX (PreprocessSoftmaxScaling, CalculateInputRadius).

    Returns:
        Multiplier and left shift that turn a difference of two inputs into Q5.26, and the
        smallest difference whose exponential counts.
    """
    return list(softmax_integers(float(source.scale), layer.beta))


def log_softmax_parameters(layer: Layer, source: Tensor) -> list[int]:
    """Return the integers of LOG_SOFTMAX (PreprocessLogSoftmaxScalingExp).

    Returns:
        The integers of SOFTMAX, then multiplier and shift that turn Q5.26 into steps of the input.
    """
    multiplier, shift, least = softmax_parameters(layer, source)
    return [multiplier, shift, least, *quantize_multiplier((1 << (31 - shift)) / multiplier)]


def matmul_parameters(layer: Layer, first: Tensor, second: Tensor) -> list[int]:
    """Return the integers of BATCH_MATMUL (GetQuantizedConvolutionMultipler).

    Returns:
        Zero points of both inputs, then multiplier and shift of the sum.

    Raises:
        ModelError: The scales differ too much.
    """
    # In float32, like the interpreter.
    with np.errstate(over="ignore", under="ignore"):
        product = float(first.scale * second.scale)
    real = min(product, 1e300) / float(layer.output.scale)
    return [first.zero_point, second.zero_point, *_multiplier(layer, real)]
