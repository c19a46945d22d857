"""The engine's arithmetic in NumPy, a whole window at a time: slow, plain, to the bit.

For where no interpreter can be had that computes the reference kernels' bits; see `golden`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export import quantisation
from sernet_edge.firmware_export.network import Int8Array, Layer, Network, Tensor

Int64Array = NDArray[np.int64]


def run(network: Network, window: Int8Array) -> Int8Array:
    """Return the output of a network, int8 (values,).

    Args:
        network: What to compute.
        window: int8 (values,), the input's rows one after the other.
    """
    source = network.input
    made: list[Int64Array] = [
        window.astype(np.int64).reshape(source.height, source.width, source.channels)
    ]
    for layer in network.layers[1:]:
        sources = [network.layers[i].output for i in layer.inputs]
        values = _compute(layer, sources, [made[i] for i in layer.inputs])
        output = layer.output
        made.append(values.reshape(output.height, output.width, output.channels))
    return made[-1].ravel().astype(np.int8)


def _compute(layer: Layer, sources: list[Tensor], inputs: list[Int64Array]) -> Int64Array:
    low, high = quantisation.activation_range(layer)
    p = quantisation.parameters(layer, sources)
    source, x = sources[0], inputs[0]
    if layer.op in ("CONV_2D", "FULLY_CONNECTED", "DEPTHWISE_CONV_2D"):
        scales = np.array(quantisation.conv_scales(layer, source)).T
        values = _rescale(_sums(layer, source, x), scales[0], scales[1]) + layer.output.zero_point
    elif layer.op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        values = _pool(layer, x)
    elif layer.op == "CONCATENATION":
        return np.concatenate(inputs, axis=1 if layer.axes[1] else 2)
    elif layer.op == "ADD":
        first = _rescale((inputs[0] - p[0]) << 20, p[1], p[2])
        second = _rescale((inputs[1] - p[3]) << 20, p[4], p[5])
        values = _rescale(first + second, p[6], p[7]) + layer.output.zero_point
    elif layer.op == "MEAN":
        axes = tuple(axis for axis in (0, 1) if layer.axes[axis])
        values = _rescale(x.sum(axis=axes) - p[0], p[1], p[2]) + layer.output.zero_point
    elif layer.op == "SOFTMAX":
        values = _softmax(p, x)
    elif layer.op == "COLLECT":
        return x
    elif layer.op == "SLICE":
        return x[layer.kernel.size[0] - 1 :][: layer.output.height]
    else:
        return quantisation.lookup_table(layer, source).astype(np.int64)[x + 128]
    return np.clip(values, low, high)


def _rescale(x: Int64Array, multiplier: Int64Array | int, shift: Int64Array | int) -> Int64Array:
    """`quantisation.rescale` of an array."""
    shift = np.asarray(shift, np.int64)
    x = ((x << np.maximum(shift, 0)) + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
    return _round_shift(_high(x, multiplier), np.maximum(-shift, 0))


def _high(a: Int64Array | int, b: Int64Array | int) -> Int64Array:
    return np.asarray((np.asarray(a, np.int64) * b + (1 << 30)) >> 31)


def _round_shift(x: Int64Array, bits: Int64Array | int) -> Int64Array:
    remainder = x & ((1 << np.asarray(bits, np.int64)) - 1)
    threshold = (((1 << np.asarray(bits, np.int64)) - 1) >> 1) + (x < 0)
    return np.asarray((x >> bits) + (remainder > threshold))


def _taps(layer: Layer, x: Int64Array) -> list[list[Int64Array]]:
    """Return, for each tap (y, x) of the kernel, the inputs that it sees at all outputs."""
    (kh, kw), (sh, sw) = layer.kernel.size, layer.kernel.stride
    rows, columns = layer.output.height, layer.output.width
    return [
        [
            x[y : y + (rows - 1) * sh + 1 : sh, k : k + (columns - 1) * sw + 1 : sw]
            for k in range(kw)
        ]
        for y in range(kh)
    ]


def _padded(layer: Layer, x: Int64Array, value: int) -> Int64Array:
    (kh, kw), (sh, sw), (top, left) = (
        layer.kernel.size,
        layer.kernel.stride,
        layer.kernel.padding,
    )
    height = (layer.output.height - 1) * sh + kh
    width = (layer.output.width - 1) * sw + kw
    padded = np.full(
        (max(height, top + x.shape[0]), max(width, left + x.shape[1]), x.shape[2]), value
    )
    padded[top : top + x.shape[0], left : left + x.shape[1]] = x
    return padded


def _sums(layer: Layer, source: Tensor, x: Int64Array) -> Int64Array:
    """Return a convolution's sums; products in float64 are exact below 2**53."""
    taps = _taps(layer, _padded(layer, x - source.zero_point, 0))
    sums = np.zeros((layer.output.height, layer.output.width, layer.output.channels))
    multiple = layer.output.channels // source.channels
    for y, row in enumerate(taps):
        for k, seen in enumerate(row):
            if layer.op == "DEPTHWISE_CONV_2D":
                sums += np.repeat(seen, multiple, axis=2) * layer.weights[y, k].astype(np.float64)
            else:
                sums += seen.astype(np.float64) @ layer.weights[:, y, k].T.astype(np.float64)
    return sums.astype(np.int64) + layer.bias


def _pool(layer: Layer, x: Int64Array) -> Int64Array:
    inside = [tap for row in _taps(layer, _padded(layer, np.ones_like(x), 0)) for tap in row]
    if layer.op == "MAX_POOL_2D":
        taps = [tap for row in _taps(layer, _padded(layer, x, -128)) for tap in row]
        return np.max(taps, axis=0)
    taps = [tap for row in _taps(layer, _padded(layer, x, 0)) for tap in row]
    total, count = np.sum(taps, axis=0), np.sum(inside, axis=0)
    # Halves away from zero.
    return np.asarray(np.sign(total) * ((np.abs(total) + count // 2) // count))


def _saturating_left(x: Int64Array, bits: int) -> Int64Array:
    return np.clip(x << bits, -(1 << 31), (1 << 31) - 1)


def _exp(x: Int64Array) -> Int64Array:
    """Return exp of x <= 0 in Q5.26, as Q0.31: gemmlowp's exp_on_negative_values."""
    quarter = 1 << 24
    part = (x & (quarter - 1)) - quarter
    rest = part - x
    t = (part << 5) + (1 << 28)
    t2 = _high(t, t)
    t3, t4 = _high(t2, t), _high(t2, t2)
    series = _round_shift(_high(_round_shift(t4, 2) + t3, 715827883) + t2, 1)
    result = 1895147668 + _high(1895147668, t + series)
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for bit, factor in enumerate(factors):
        result = np.where(rest >> (24 + bit) & 1, _high(result, factor), result)
    return np.where(x == 0, (1 << 31) - 1, result)


def _reciprocal(x: int) -> Int64Array:
    """Return 1 / (1 + x) of x in Q0.31: gemmlowp's one_over_one_plus_x_for_x_in_0_1."""
    half = (x + (1 << 31)) // 2
    y = 1515870810 + _high(half, -1010580540)
    for _ in range(3):
        y = y + _saturating_left(_high(y, (1 << 29) - _high(half, y)), 2)
    return _saturating_left(y, 1)


def _softmax(parameters: list[int], x: Int64Array) -> Int64Array:
    multiplier, shift, least = parameters
    difference = x - x.max(axis=-1, keepdims=True)
    counts = difference >= least
    exps = _exp(_high(np.where(counts, difference, 0) << shift, multiplier))
    scores = np.full(x.shape, -128, np.int64)
    for position in np.ndindex(x.shape[:-1]):
        total = int(_round_shift(exps[position], 12)[counts[position]].sum())
        headroom = 32 - total.bit_length()
        scale = _reciprocal((total << headroom) - (1 << 31))
        score = _round_shift(_high(scale, exps[position]), 35 - headroom)
        scores[position] = np.where(counts[position], score - 128, -128)
    return scores
