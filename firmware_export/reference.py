"""Computes a network in NumPy with the engine's bits, a whole window at a time; slow and simple.

`golden` uses it when no installed interpreter computes the bits of the reference kernels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export import fixed_point, quantisation
from sernet_edge.firmware_export.network import Int8Array, Layer, Network, Tensor

Int64Array = NDArray[np.int64]


States = dict[int, Int64Array]
"""Values that a network keeps from one window to the next, by index of the STATE layer."""


def run(network: Network, window: Int8Array, states: States | None = None) -> Int8Array:
    """Return the output of a network, int8 (values,).

    Args:
        network: The network.
        window: int8 (values,), the input's rows one after the other.
        states: The states after the window before, empty before the first; the function updates
            them.
    """
    source, states = network.input, {} if states is None else states
    following = dict(states)
    made: list[Int64Array] = [
        window.astype(np.int64).reshape(source.height, source.width, source.channels)
    ]
    for index, layer in enumerate(network.layers[1:], 1):
        if layer.op == "STATE":
            made.append(states.get(index, layer.initial.astype(np.int64)))
            continue
        sources = [network.layers[i].output for i in layer.inputs]
        values = _compute(layer, sources, [made[i] for i in layer.inputs])
        output = layer.output
        made.append(values.reshape(output.height, output.width, output.channels))
        if layer.op == "ASSIGN":
            following[layer.inputs[1]] = made[-1]
    states.update(following)
    return made[-1].ravel().astype(np.int8)


def _compute(layer: Layer, sources: list[Tensor], inputs: list[Int64Array]) -> Int64Array:
    source, x = sources[0], inputs[0]
    if layer.table.size:
        return layer.table.astype(np.int64)[x + 128]
    if layer.op in _MOVES:
        return _moved(layer, source, inputs)
    if layer.op in ("ADD", "SUB", "MUL", "PRELU"):
        return _binary(layer, sources, inputs)
    low, high = quantisation.activation_range(layer)
    p = quantisation.parameters(layer, sources)
    axes = tuple(axis for axis in (0, 1) if layer.axes[axis])
    if layer.op in ("CONV_2D", "FULLY_CONNECTED", "DEPTHWISE_CONV_2D"):
        scales = np.array(quantisation.conv_scales(layer, source)).T
        if layer.op == "FULLY_CONNECTED" and layer.weights.shape[3] != source.channels:
            x = x.reshape(1, 1, -1)
        sums = _sums(layer, source, x)
        values = fixed_point.rescale(sums, scales[0], scales[1]) + layer.output.zero_point
    elif layer.op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        values = _pool(layer, x)
    elif layer.op in ("MEAN", "SUM"):
        sums = x.sum(axis=axes) - p[0]
        values = fixed_point.rescale(sums, p[1], p[2]) + layer.output.zero_point
    elif layer.op == "REDUCE_MAX":
        values = x.max(axis=axes)
    elif layer.op == "SOFTMAX":
        values = _softmax(p, x)
    elif layer.op == "LOG_SOFTMAX":
        values = _log_softmax(p, x)
    elif layer.op == "BATCH_MATMUL":
        values = _matmul(layer, p, x, inputs[1])
    else:
        raise ValueError(f"no reference for {layer.op}")
    return np.clip(values, low, high)


def _binary(layer: Layer, sources: list[Tensor], inputs: list[Int64Array]) -> Int64Array:
    operands = list(inputs)
    if layer.constant is not None:
        operands.insert(layer.constant.place, layer.constant.values.astype(np.int64))
    both = np.broadcast_arrays(*operands, np.zeros(layer.output.shape, np.int64))
    return quantisation.binary(layer, sources, both[0], both[1])


_MOVES = ("COLLECT", "ARRANGE", "SLICE", "PAD", "CONCATENATION", "STACK", "ASSIGN")


def _moved(layer: Layer, source: Tensor, inputs: list[Int64Array]) -> Int64Array:
    """Return the values of an operator that only moves them."""
    x, output = inputs[0], layer.output
    rows, positions, channels = (np.arange(n) for n in output.shape)
    if layer.op == "CONCATENATION":
        return np.concatenate(inputs, axis=1 if layer.axes[1] else 2)
    if layer.op == "STACK":
        return np.concatenate(inputs, axis=0)
    if layer.op == "ASSIGN":
        first = layer.kernel.size[0] - 1
        return x[first : first + output.height]
    if layer.op == "ARRANGE":
        position, channel, row = layer.strides
        places = position * positions[:, None] + channel * channels
        if layer.kernel.stride[0]:
            return x.reshape(source.height, -1)[:, places]
        return x.reshape(-1)[row * rows[:, None, None] + places]
    if layer.op == "SLICE":
        position, position_step, channel, channel_step = layer.crop
        first = layer.kernel.size[0] - 1
        return x[
            first + layer.kernel.stride[0] * rows[:, None, None],
            position + position_step * positions[:, None],
            channel + channel_step * channels,
        ]
    if layer.op == "PAD":
        top, left = layer.kernel.padding
        padded = np.full(output.shape, source.zero_point, np.int64)
        padded[top : top + x.shape[0], left : left + x.shape[1]] = x
        return padded
    return x


def _taps(layer: Layer, x: Int64Array) -> list[list[Int64Array]]:
    """Return, for each tap (y, x) of the kernel, its input values for all outputs."""
    (kh, kw), (sh, sw), (dh, dw) = layer.kernel.size, layer.kernel.stride, layer.kernel.dilation
    rows, columns = (layer.output.height - 1) * sh + 1, (layer.output.width - 1) * sw + 1
    return [
        [x[y * dh : y * dh + rows : sh, k * dw : k * dw + columns : sw] for k in range(kw)]
        for y in range(kh)
    ]


def _padded(layer: Layer, x: Int64Array, value: int) -> Int64Array:
    (kh, kw), (sh, sw), (top, left) = (
        layer.kernel.span,
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
    """Return a convolution's sums, int64. float64 is exact here: all sums are below 2**53."""
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


def _exps(parameters: list[int], x: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return the differences from the largest channel in Q5, their exps in Q0, and which count."""
    multiplier, shift, least = parameters[:3]
    difference = x - x.max(axis=-1, keepdims=True)
    counts = difference >= least
    scaled = fixed_point.high(np.where(counts, difference, 0) << shift, multiplier)
    return scaled, fixed_point.exp(scaled), counts


def _log_softmax(parameters: list[int], x: Int64Array) -> Int64Array:
    scaled, exps, counts = _exps(parameters, x)
    parts = np.where(counts, fixed_point.round_shift(exps, 12), 0)
    log = fixed_point.log(parts.sum(axis=-1, keepdims=True))
    # A difference that is too large would leave the range of Q5.
    farthest = fixed_point.rescale(log - (1 << 31), parameters[3], parameters[4])
    difference = x - x.max(axis=-1, keepdims=True)
    inside = difference > np.maximum(parameters[2] - 1, farthest)
    return np.where(inside, fixed_point.round_shift(scaled - log, 22) + 127, -128)


def _matmul(layer: Layer, p: list[int], first: Int64Array, second: Int64Array) -> Int64Array:
    # A (depth, across) matrix for each row, also if the second input is transposed.
    depth, across = first.shape[2], layer.output.channels
    places = p[4] * np.arange(depth)[:, None] + p[5] * np.arange(across)
    matrices = second.reshape(second.shape[0], -1)[:, places] - p[1]
    sums = np.asarray((first - p[0]) @ matrices, np.int64)
    return fixed_point.rescale(sums, p[2], p[3]) + layer.output.zero_point


def _softmax(parameters: list[int], x: Int64Array) -> Int64Array:
    _, exps, counts = _exps(parameters, x)
    scores = np.full(x.shape, -128, np.int64)
    for position in np.ndindex(x.shape[:-1]):
        total = int(fixed_point.round_shift(exps[position], 12)[counts[position]].sum())
        headroom = 32 - total.bit_length()
        scale = fixed_point.reciprocal(np.asarray((total << headroom) - (1 << 31)))
        score = fixed_point.round_shift(fixed_point.high(scale, exps[position]), 35 - headroom)
        scores[position] = np.where(counts[position], score - 128, -128)
    return scores
