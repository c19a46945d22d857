"""Reads element-wise operators: functions of one value, sums and products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sernet_edge.firmware_export import graph, operands, quantisation, tables
from sernet_edge.firmware_export.graph import Operator
from sernet_edge.firmware_export.layers import Layers
from sernet_edge.firmware_export.network import Constant, Int8Array, Kernel, Layer, Tensor
from sernet_edge.firmware_export.tensors import short_name


def one_value(layers: Layers, operator: Operator) -> None:
    """Read a function of one value; it becomes a table of 256 outputs."""
    operands.check_count(layers, operator, 2 if operator.name == "PRELU" else 1)
    if operator.name == "PRELU" and _has_slopes(layers, operator):
        _prelu_of_slopes(layers, operator)
        return
    index, source, made = _ends(layers, operator)
    table = _TABLES[operator.name](layers, operator, source, made)
    _add_table(layers, operator, index, made, table)


def _add_table(
    layers: Layers, operator: Operator, index: int, made: Tensor, table: Int8Array
) -> None:
    layers.add(operator.outputs[0], Layer(operator.name, (index,), made, table=table))


def _ends(layers: Layers, operator: Operator) -> tuple[int, Tensor, Tensor]:
    """Return the layer that makes the first input, its tensor, and the output, both in its rows."""
    operand = operator.operands[0]
    index = layers.index_of(operand)
    assert operand is not None
    # Only the model's input and output may be uint8, and only a QUANTIZE may read or make them.
    is_quantize = operator.name == "QUANTIZE"
    layers.tensors.rows(operand, is_quantize and index == 0)
    source = layers[index].output
    made = layers.tensors.rows(operator.outputs[0], is_quantize)
    if layers.tensors.row_shape(operand) != made.shape:
        raise layers.tensors.damaged(f"{layers.tensors.row_shape(operand)} becomes {made.shape}")
    return index, source, made.shaped(source.shape)


def _table(function: Callable[..., Int8Array]) -> Callable[..., Int8Array]:
    """Wrap a maker of tables so that its errors name the operator."""

    def make(layers: Layers, operator: Operator, source: Tensor, made: Tensor) -> Int8Array:
        try:
            return function(layers, operator, source, made)
        except tables.BadScales as problem:
            raise layers.tensors.refusal(str(problem)) from problem

    return make


def _plain(function: Callable[[Tensor, Tensor], Int8Array]) -> Callable[..., Int8Array]:
    return _table(lambda _layers, _operator, source, made: function(source, made))


def _relu6(layers: Layers, _operator: Operator, source: Tensor, made: Tensor) -> Int8Array:
    # TensorFlow Lite Micro only clamps, TensorFlow Lite also rescales: with one scale they agree.
    operands.check_same_quantisation(layers, source, made)
    return tables.relu6(source, made)


def _logistic(layers: Layers, _operator: Operator, source: Tensor, made: Tensor) -> Int8Array:
    operands.check_output(layers, made, 1 / 256, -128)
    return tables.logistic(source, made)


def _tanh(layers: Layers, _operator: Operator, source: Tensor, made: Tensor) -> Int8Array:
    operands.check_output(layers, made, 1 / 128, 0)
    return tables.tanh(source, made)


def _leaky_relu(layers: Layers, operator: Operator, source: Tensor, made: Tensor) -> Int8Array:
    alpha = float(operands.options(layers, operator, "LeakyReluOptions", 1)["Alpha"])
    if not abs(alpha) < 1e6:
        raise layers.tensors.refusal(f"its alpha is {alpha}")
    return tables.leaky_relu(source, made, alpha)


def _has_slopes(layers: Layers, operator: Operator) -> bool:
    """Return whether a PRELU has several slopes."""
    slopes = operator.operands[1]
    if slopes is None:
        raise layers.tensors.damaged("there is no tensor -1")
    return len(np.unique(layers.tensors.scaled_constant(slopes)[0])) > 1


def _prelu_of_slopes(layers: Layers, operator: Operator) -> None:
    """Read a PRELU with several slopes, usually one a channel, as an operator of two values."""
    source, slopes = operator.operands
    if source is None or slopes is None:
        raise layers.tensors.damaged("there is no tensor -1")
    made = layers.tensors.rows(operator.outputs[0])
    layers.tensors.rows(source)
    if layers.tensors.row_shape(source) != made.shape:
        raise layers.tensors.damaged(f"{layers.tensors.row_shape(source)} becomes {made.shape}")
    layer = _with_constant(layers, operator.name, (source, slopes), 1, made)
    layers.add(operator.outputs[0], layer)


def _prelu(layers: Layers, operator: Operator, source: Tensor, made: Tensor) -> Int8Array:
    slopes = operator.operands[1]
    assert slopes is not None
    values, scale, zero_point = layers.tensors.scaled_constant(slopes)
    return tables.prelu(source, made, int(values.ravel()[0]) - zero_point, scale)


_TABLES: dict[str, Callable[..., Int8Array]] = {
    "QUANTIZE": _plain(tables.quantize),
    "RELU": _plain(tables.relu),
    "RELU6": _table(_relu6),
    "LOGISTIC": _table(_logistic),
    "TANH": _table(_tanh),
    "HARD_SWISH": _plain(tables.hard_swish),
    "LEAKY_RELU": _table(_leaky_relu),
    "PRELU": _table(_prelu),
    "ELU": _plain(tables.elu),
}

ONE_VALUE = tuple(_TABLES)
"""Operators that are functions of one value."""


# Sums, differences and products

_BINARY_OPTIONS = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}

BINARY = tuple(_BINARY_OPTIONS)
"""Operators of two values."""


def binary(layers: Layers, operator: Operator) -> None:
    """Read an ADD, SUB or MUL of two tensors, or of one and a constant."""
    options = operands.options(layers, operator, _BINARY_OPTIONS[operator.name], 2)
    made = layers.tensors.rows(operator.outputs[0])
    first, second = operator.operands
    if first is None or second is None:
        raise layers.tensors.damaged("there is no tensor -1")
    limits = operands.activation(layers, options)
    computed = [layers.is_made(first), layers.is_made(second)]
    if all(computed):
        layer = _of_two(layers, operator.name, (first, second), made)
    elif any(computed):
        place = computed.index(False)
        layer = _with_constant(layers, operator.name, (first, second), place, made)
    else:
        raise layers.tensors.refusal("both of its inputs are constants")
    layer = replace(layer, activation=limits)
    if layer.constant is not None and layer.constant.values.size == 1:
        source = layers[layer.inputs[0]].output
        layer = replace(layer, table=quantisation.constant_table(layer, source), constant=None)
    layers.add(operator.outputs[0], layer)


def _of_two(
    layers: Layers, name: str, pair: tuple[graph.Tensor, graph.Tensor], made: Tensor
) -> Layer:
    indices = [layers.index_of(tensor) for tensor in pair]
    for tensor in pair:
        layers.tensors.rows(tensor)
    shapes = [layers.tensors.row_shape(tensor) for tensor in pair]
    output = made
    if shapes[0] == shapes[1] == made.shape:
        # Equal shapes: the values pair up in order, so the rows may have any shape.
        source = layers[indices[0]].output
        output = made.shaped(source.shape)
        indices[1] = layers.shaped(indices[1], source.shape)
    else:
        for shape, tensor in zip(shapes, pair, strict=True):
            _check_broadcast(layers, shape, made, short_name(tensor))
        indices = [layers.shaped(i, shape) for i, shape in zip(indices, shapes, strict=True)]
    return Layer(name, tuple(indices), output, Kernel())


def _with_constant(
    layers: Layers, name: str, pair: tuple[Any, Any], place: int, made: Tensor
) -> Layer:
    constant, tensor = pair[place], pair[1 - place]
    values, scale, zero_point = layers.tensors.scaled_constant(constant)
    index, shape = layers.index_of(tensor), layers.tensors.row_shape(tensor)
    layers.tensors.rows(tensor)
    if values.ndim > 4 or any(n != 1 for n in values.shape[:-3]):
        raise layers.tensors.refusal(
            f"its constant {short_name(constant)!r} has shape {list(values.shape)}"
        )
    # With an output of three dimensions, (height, channels) means (height, 1, channels).
    rank = len(pair[1 - place].fixed_shape)
    dimensions = (1,) * (rank - values.ndim) + values.shape
    if rank == 3:
        dimensions = (*dimensions[:-1], 1, dimensions[-1])
    height, width, channels = ((1,) * 4 + dimensions)[-3:]
    dimensions = (height, width, channels)
    values = values.reshape(dimensions)
    _check_broadcast(layers, dimensions, made, short_name(constant))
    output = made
    if shape == made.shape and dimensions[:2] == (1, 1):
        # The constant is the same at all positions, so the rows may have any shape.
        source = layers[index].output
        if source.channels == made.channels or values.size == 1:
            output = made.shaped(source.shape)
    if output is made:
        _check_broadcast(layers, shape, made, short_name(tensor))
        index = layers.shaped(index, shape)
    held = Tensor(short_name(constant), height, width, channels, scale, zero_point)
    return Layer(name, (index,), output, Kernel(), constant=Constant(values, held, place))


def _check_broadcast(layers: Layers, shape: tuple[int, ...], made: Tensor, name: str) -> None:
    if any(n not in (1, most) for n, most in zip(shape, made.shape, strict=True)):
        raise layers.tensors.refusal(
            f"tensor {name!r} has rows of shape {shape}, {made.name!r} {made.shape}"
        )
