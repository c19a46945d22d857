"""Reads operators that only move values: reshapes, padding, slices, splits, transposes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from sernet_edge.firmware_export import graph, operands
from sernet_edge.firmware_export.graph import Operator
from sernet_edge.firmware_export.layers import Layers, Padded
from sernet_edge.firmware_export.network import Kernel, Layer

SHAPE_ARITHMETIC = (
    *("SHAPE", "STRIDED_SLICE", "SLICE", "PACK", "CONCATENATION", "GATHER", "CAST", "EXPAND_DIMS"),
    *("SQUEEZE", "RESHAPE", "MUL", "ADD", "SUB", "REDUCE_PROD"),
)
"""Operators that compute shapes. All shapes are fixed, so the file already has their results."""


def is_shape_arithmetic(operator: Operator) -> bool:
    """Return whether an operator only computes a shape."""
    return operator.name in SHAPE_ARITHMETIC and all(
        tensor.type in ("int32", "int64") for tensor in operator.outputs
    )


def reshape(layers: Layers, operator: Operator) -> None:
    """Read a RESHAPE, SQUEEZE or EXPAND_DIMS: the same values in another shape."""
    # A second input repeats the output's shape.
    operands.check_count(layers, operator, 1, 2)
    _alias(layers, operator)


def _alias(layers: Layers, operator: Operator) -> None:
    """Record that an operator's output has its input's values in the same order."""
    operand, result = operator.operands[0], operator.outputs[0]
    padded = layers.padded(operand)
    assert operand is not None
    source, made = layers.tensors.rows(operand), layers.tensors.rows(result)
    if math.prod(source.shape) != math.prod(made.shape):
        raise layers.tensors.damaged(f"{source.shape} becomes {made.shape}")
    operands.check_same_quantisation(layers, source, made)
    layers.assign(result, padded)


def transpose(layers: Layers, operator: Operator) -> None:
    """Read a TRANSPOSE."""
    operands.check_count(layers, operator, 2)
    index, source, made = operands.ends(layers, operator)
    operand = operator.operands[0]
    assert operand is not None
    order = operands.int32(layers, operator, 1).reshape(-1).tolist()
    sizes = operand.fixed_shape
    if sorted(order) != list(range(len(sizes))):
        raise layers.tensors.damaged(f"it orders {len(sizes)} dimensions as {order}")
    if math.prod(made.shape) != math.prod(source.shape):
        raise layers.tensors.damaged(f"{source.shape} becomes {made.shape}")
    moving = [axis for axis in order if sizes[axis] > 1]
    if moving == sorted(moving):
        _alias(layers, operator)
        return
    operands.check_same_quantisation(layers, source, made)
    _check_output_shape(layers, operator.outputs[0], [sizes[axis] for axis in order])
    # The input's strides, in values, in the order of the output's dimensions.
    apart = [math.prod(sizes[axis + 1 :]) for axis in order]
    row, channel = apart[_row_axis(sizes)], apart[-1]
    position = apart[-2] if len(sizes) > 3 else 0
    if order[_row_axis(sizes)] == _row_axis(sizes):
        # Time keeps its place, so values only move within a row.
        kernel, strides = Kernel(), (position, channel, 0)
    else:
        index = layers.whole(index)
        kernel, strides = Kernel(stride=(0, 1)), (position, channel, row)
    layers.add(operator.outputs[0], Layer("ARRANGE", (index,), made, kernel, strides=strides))


def _row_axis(sizes: Sequence[int]) -> int:
    """Return the dimension that is the height: its index counts rows."""
    return len(sizes) - 3 if len(sizes) > 3 else len(sizes) - 2


def _check_output_shape(layers: Layers, tensor: graph.Tensor, lengths: list[int]) -> None:
    if list(tensor.fixed_shape) != lengths:
        raise layers.tensors.damaged(f"it makes {list(tensor.fixed_shape)}, not {lengths}")


def pad(layers: Layers, operator: Operator) -> None:
    """Read a PAD that adds rows, or positions to each row."""
    operands.check_count(layers, operator, 2)
    operand, result = operator.operands[0], operator.outputs[0]
    index = layers.index_of(operand)
    assert operand is not None
    source, made = layers.tensors.rows(operand), layers.tensors.rows(result)
    amounts = operands.int32(layers, operator, 1)
    rank = len(operand.fixed_shape)
    if amounts.shape != (rank, 2) or (amounts < 0).any():
        raise layers.tensors.refusal(f"its amounts of padding are {amounts.tolist()}")
    row, position = _row_axis(operand.fixed_shape), rank - 2 if rank > 3 else None
    if rank < 3 or any(amounts[axis].any() for axis in range(rank) if axis not in (row, position)):
        raise layers.tensors.refusal("it pads more than rows and positions in them")
    operands.check_same_quantisation(layers, source, made)
    top, bottom = amounts[row].tolist()
    left, right = amounts[position].tolist() if position is not None else (0, 0)
    shape = (source.height + top + bottom, source.width + left + right, source.channels)
    if made.shape != shape:
        raise layers.tensors.damaged(f"padding makes {shape} of {source.shape}, not {made.shape}")
    if max(top, left) > 255:
        raise layers.tensors.refusal(f"it pads {max(top, left)} rows or positions; at most 255")
    swapped = (source.width, 1, source.channels)
    turned = source.height == 1 < source.width and layers[index].output.shape == swapped
    if turned and not (top or bottom):
        # The tensor's positions are the layer's rows.
        padded = Padded(index, (left, right))
    else:
        padded = Padded(layers.shaped(index, source.shape), (top, bottom), (left, right))
    layers.assign(result, padded)


def strided_slice(layers: Layers, operator: Operator) -> None:
    """Read a STRIDED_SLICE that leaves out rows, positions or channels."""
    options = operands.options(layers, operator, "StridedSliceOptions", 4)
    if any(options[mask] for mask in ("EllipsisMask", "NewAxisMask", "ShrinkAxisMask")):
        raise layers.tensors.refusal("it changes the number of dimensions")
    operand = operator.operands[0]
    sizes = list(operand.fixed_shape) if operand is not None else []
    begin, end, step = (operands.int32(layers, operator, n).reshape(-1).tolist() for n in (1, 2, 3))
    if not len(begin) == len(end) == len(step) <= len(sizes):
        raise layers.tensors.damaged(f"it slices {len(begin)} dimensions of {len(sizes)}")
    if any(n < 1 for n in step):
        raise layers.tensors.refusal(f"its steps are {step}; only steps of 1 or more are known")
    bounds = []
    for axis, size in enumerate(sizes):
        if axis >= len(begin):
            bounds.append((0, size, 1))
            continue
        first = 0 if options["BeginMask"] >> axis & 1 else begin[axis]
        last = size if options["EndMask"] >> axis & 1 else end[axis]
        first, last = (n + size if n < 0 else n for n in (first, last))
        bounds.append((min(max(first, 0), size), min(max(last, 0), size), step[axis]))
    _slice(layers, operator, operator.outputs[0], bounds)


def plain_slice(layers: Layers, operator: Operator) -> None:
    """Read a SLICE."""
    operands.check_count(layers, operator, 3)
    operand = operator.operands[0]
    sizes = list(operand.fixed_shape) if operand is not None else []
    begin, count = (operands.int32(layers, operator, n).reshape(-1).tolist() for n in (1, 2))
    if not len(begin) == len(count) == len(sizes):
        raise layers.tensors.damaged(f"it slices {len(begin)} dimensions of {len(sizes)}")
    bounds = [
        (first, size if n == -1 else first + n, 1)
        for first, n, size in zip(begin, count, sizes, strict=True)
    ]
    if any(not 0 <= a < b <= size for (a, b, _), size in zip(bounds, sizes, strict=True)):
        raise layers.tensors.damaged(f"it slices {bounds} of {sizes}")
    _slice(layers, operator, operator.outputs[0], bounds)


def split(layers: Layers, operator: Operator) -> None:
    """Read a SPLIT into equal parts, or a SPLIT_V into parts of given sizes."""
    # SPLIT: axis and tensor; SPLIT_V: tensor, sizes, axis.
    even = operator.name == "SPLIT"
    operands.check_count(layers, operator, 2 if even else 3)
    operand = operator.operands[1 if even else 0]
    sizes = list(operand.fixed_shape) if operand is not None else []
    axes = operands.int32(layers, operator, 0 if even else 2).reshape(-1).tolist()
    if len(axes) != 1 or not -len(sizes) <= axes[0] < len(sizes):
        raise layers.tensors.damaged(f"it splits along {axes}")
    axis, first = axes[0] % len(sizes), 0
    operator = replace(operator, operands=(operand,))
    for output in operator.outputs:
        part = output.fixed_shape[axis] if len(output.fixed_shape) == len(sizes) else 0
        bounds = [(0, size, 1) for size in sizes]
        bounds[axis] = (first, min(first + part, sizes[axis]), 1)
        _slice(layers, operator, output, bounds)
        first += part
    if first != sizes[axis]:
        raise layers.tensors.damaged(f"its parts are {first} of {sizes[axis]}")


def _slice(
    layers: Layers, operator: Operator, result: graph.Tensor, bounds: list[tuple[int, int, int]]
) -> None:
    """Append the layer that copies the range `bounds`, (first, end, step) for each dimension."""
    index = operands.natural(layers, operator, 0)
    source, made = layers[index].output, layers.tensors.rows(result)
    lengths = [max(0, -(-(end - first) // step)) for first, end, step in bounds]
    if list(result.fixed_shape) != lengths:
        raise layers.tensors.damaged(
            f"rows {bounds} of {source.shape} are not {list(result.fixed_shape)}"
        )
    rank = len(bounds)
    rows, channels = bounds[_row_axis(lengths)], bounds[-1]
    positions = bounds[rank - 2] if rank > 3 else (0, 1, 1)
    if rows[0] > 254 or rows[2] > 255:
        raise layers.tensors.refusal(
            f"it leaves out {rows[0]} rows; the engine leaves out up to 254"
        )
    operands.check_same_quantisation(layers, source, made)
    # The engine copies the newest row that the kernel spans.
    kernel = Kernel((rows[0] + 1, 1), (rows[2], 1))
    crop = (positions[0], positions[2], channels[0], channels[2])
    layers.add(result, Layer("SLICE", (index,), made, kernel, crop=crop))
