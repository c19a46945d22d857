"""Turns the operators of a graph into layers, with one function for each supported operator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sernet_edge.firmware_export import elementwise, movement, operands
from sernet_edge.firmware_export.graph import Operator
from sernet_edge.firmware_export.layers import Layers, Padded, pad_layer
from sernet_edge.firmware_export.network import (
    MAX_KERNEL_ELEMENTS,
    Kernel,
    Layer,
    Tensor,
)
from sernet_edge.firmware_export.tensors import Weights


def same_padding(size: int, span: int, stride: int) -> tuple[int, int]:
    """Return (output size, padding before) for TensorFlow's "SAME" along one axis."""
    out = -(-size // stride)
    return out, max((out - 1) * stride + span - size, 0) // 2


class _Ends:
    """The input and output of a convolution or pool, turned so that time is the height.

    Converters write a Conv1D as a CONV_2D over (1, 1, time, channels), with height 1. The engine
    needs rows of (time, 1, channels), so height and width are exchanged.

    Attributes:
        turned: Whether height and width are exchanged.
        padded: The layer that makes the input, and the padding around it.
        made: The output.
        source: The input, without the padding.
    """

    def __init__(self, layers: Layers, operator: Operator, pads: bool) -> None:
        """Find the input and the output.

        Args:
            layers: The layers read so far.
            operator: The convolution or pool.
            pads: Whether the operator's kernel can include padding.
        """
        operand, tensors = operator.operands[0], layers.tensors
        if not pads:
            layers.index_of(operand)
        padded = layers.padded(operand)
        assert operand is not None
        named, made = tensors.rows(operand), tensors.rows(operator.outputs[0])
        view = _padded_shape(layers[padded.index].output, padded)
        self.turned = made.height == named.height == 1 < named.width and view == (
            named.width,
            1,
            named.channels,
        )
        if self.turned:
            made = replace(made, height=made.width, width=1)
        elif view != named.shape:
            padded = Padded(layers.shaped(layers.index_of(operand), named.shape))
        self.padded, self.made = padded, made
        self.source = layers[padded.index].output

    def axes(self, pair: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) of the file as (rows, positions)."""
        return (pair[1], pair[0]) if self.turned else pair

    def kernel(self, layers: Layers, options: dict[str, Any], size: tuple[int, int]) -> Kernel:
        """Return a kernel after checking that the output has the size that it gives.

        Args:
            layers: The layers read so far; if the kernel cannot include a PAD, this appends a layer
                for it.
            options: The operator's options.
            size: Taps, (height, width).
        """
        down, right = (options.get(f"Dilation{axis}Factor", 1) for axis in "HW")
        kernel = Kernel(
            self.axes(size),
            self.axes((options["StrideH"], options["StrideW"])),
            dilation=self.axes((down, right)),
        )
        pairs = (
            ("kernel", kernel.size),
            ("stride", kernel.stride),
            ("dilation", kernel.dilation),
            ("span with dilation", kernel.span),
        )
        for what, pair in pairs:
            if not all(1 <= n <= 255 for n in pair):
                raise layers.tensors.refusal(
                    f"its {what} is {pair}; the engine takes sizes of 1 to 255"
                )
        if options["Padding"] not in ("SAME", "VALID"):
            raise layers.tensors.damaged(f"its padding is {options['Padding']}")
        rows, columns = self.padded.rows, self.padded.columns
        beyond = max(*rows) >= kernel.span[0] or max(*columns) >= kernel.span[1]
        if self.padded.is_padded and (options["Padding"] == "SAME" or beyond):
            self._pad(layers)
            rows = columns = (0, 0)
        padding = [rows[0], columns[0]]
        ends = (
            (self.source.height + sum(rows), self.made.height),
            (self.source.width + sum(columns), self.made.width),
        )
        for axis, (before, after) in enumerate(ends):
            span, stride = kernel.span[axis], kernel.stride[axis]
            expected = (before - span) // stride + 1
            if options["Padding"] == "SAME":
                expected, padding[axis] = same_padding(before, span, stride)
            if expected != after:
                raise layers.tensors.damaged(
                    f"tensor {self.made.name!r} has size {after} where its kernel gives {expected}"
                )
        return replace(kernel, padding=(padding[0], padding[1]))

    def _pad(self, layers: Layers) -> None:
        """Append a layer that does the padding."""
        layer = pad_layer(self.padded, self.source, self.source.name)
        self.padded, self.source = Padded(layers.append(layer)), layer.output


def _padded_shape(source: Tensor, padded: Padded) -> tuple[int, int, int]:
    return (
        source.height + sum(padded.rows),
        source.width + sum(padded.columns),
        source.channels,
    )


def conv_2d(layers: Layers, operator: Operator) -> None:
    """Read a CONV_2D."""
    options = operands.options(layers, operator, "Conv2DOptions", 2, 3)
    ends = _Ends(layers, operator, pads=True)
    weights = _weights(layers, operator, ends.made.channels, axis=0)
    values = weights.values
    channels = ends.source.channels
    if values.ndim != 4 or channels % values.shape[3]:
        raise layers.tensors.damaged(
            f"its weights have shape {values.shape} for {channels} input channels"
        )
    _check_kernel_size(layers, values[0].size)
    kernel = ends.kernel(layers, options, (values.shape[1], values.shape[2]))
    if ends.turned:
        weights = weights._replace(values=values.transpose(0, 2, 1, 3))
    layer = Layer(
        "CONV_2D",
        (ends.padded.index,),
        ends.made,
        kernel,
        *weights,
        activation=operands.activation(layers, options),
    )
    if values.shape[3] == channels:
        layers.add(operator.outputs[0], layer)
    else:
        _grouped(layers, operator, layer)


def _grouped(layers: Layers, operator: Operator, whole: Layer) -> None:
    """Append a convolution for each group of channels, and a layer that joins their outputs.

    Args:
        layers: The layers read so far.
        operator: The convolution.
        whole: The whole convolution, with weights (out, height, width, in of a group).
    """
    (index,) = whole.inputs
    source, made = layers[index].output, whole.output
    depth = whole.weights.shape[3]
    groups = source.channels // depth
    if made.channels % groups:
        raise layers.tensors.damaged(f"{groups} groups make {made.channels} channels")
    if groups > _MOST_JOINED:
        raise layers.tensors.refusal(f"it has {groups} groups; the engine takes up to 16")
    each = made.channels // groups
    parts = []
    for group in range(groups):
        cut = slice(group * each, (group + 1) * each)
        scales = whole.weight_scales
        taken = replace(source, channels=depth)
        part = layers.append(Layer("SLICE", (index,), taken, crop=(0, 1, group * depth, 1)))
        parts.append(
            layers.append(
                replace(
                    whole,
                    inputs=(part,),
                    output=replace(made, channels=each),
                    weights=whole.weights[cut],
                    bias=whole.bias[cut],
                    weight_scales=scales if len(scales) == 1 else scales[cut],
                )
            )
        )
    layers.add(operator.outputs[0], Layer("CONCATENATION", tuple(parts), made))


def depthwise_conv_2d(layers: Layers, operator: Operator) -> None:
    """Read a DEPTHWISE_CONV_2D."""
    options = operands.options(layers, operator, "DepthwiseConv2DOptions", 2, 3)
    ends = _Ends(layers, operator, pads=True)
    weights = _weights(layers, operator, ends.made.channels, axis=3)
    values = weights.values
    if values.ndim != 4 or values.shape[0] != 1 or ends.made.channels % ends.source.channels:
        raise layers.tensors.damaged(
            f"weights {values.shape} for {ends.source.channels} input channels"
        )
    _check_kernel_size(layers, values.shape[1] * values.shape[2])
    kernel = ends.kernel(layers, options, (values.shape[1], values.shape[2]))
    values = values[0].transpose(1, 0, 2) if ends.turned else values[0]
    name = "DEPTHWISE_CONV_2D"
    if ends.source.channels == 1:
        # With one input channel the sums are those of a convolution.
        name, values = "CONV_2D", values.transpose(2, 0, 1)[..., None]
    layer = Layer(
        name,
        (ends.padded.index,),
        ends.made,
        kernel,
        *weights._replace(values=values),
        activation=operands.activation(layers, options),
    )
    layers.add(operator.outputs[0], layer)


def fully_connected(layers: Layers, operator: Operator) -> None:
    """Read a FULLY_CONNECTED."""
    options = operands.options(layers, operator, "FullyConnectedOptions", 2, 3)
    if options["WeightsFormat"] != "DEFAULT":
        raise layers.tensors.refusal("its weights are shuffled")
    operand = operator.operands[0]
    index = layers.index_of(operand)
    assert operand is not None
    source, made = layers.tensors.rows(operand), layers.tensors.rows(operator.outputs[0])
    values, bias, scales = _weights(layers, operator, made.channels, axis=0)
    if values.ndim != 2:
        raise layers.tensors.damaged(f"its weights have shape {values.shape}")
    depth = values.shape[1]
    _check_kernel_size(layers, depth)
    positions = made.height * made.width
    if depth * positions != source.height * source.row_bytes:
        raise layers.tensors.damaged(f"weights {values.shape} do not fit input and output")
    rows = layers[index].output
    # For one position the engine can add up row by row, if the sums, of 4 bytes each, are smaller
    # than the input.
    sums = positions == 1 and (rows.height == 1 or 4 * made.channels <= depth)
    if rows.channels != depth and not sums:
        # Without row-by-row sums, the input must come in rows of `depth` channels.
        index = layers.shaped(index, (made.height, made.width, depth))
        rows = layers[index].output
    if rows.channels == depth:
        made = replace(made, height=rows.height, width=rows.width)
    layer = Layer(
        "FULLY_CONNECTED",
        (index,),
        made,
        Kernel(),
        values[:, None, None, :],
        bias,
        scales,
        operands.activation(layers, options),
    )
    layers.add(operator.outputs[0], layer)


def pool_2d(layers: Layers, operator: Operator) -> None:
    """Read an AVERAGE_POOL_2D or a MAX_POOL_2D."""
    options = operands.options(layers, operator, "Pool2DOptions", 1)
    ends = _Ends(layers, operator, pads=False)
    source, made = ends.source, ends.made
    kernel = ends.kernel(layers, options, (options["FilterHeight"], options["FilterWidth"]))
    _check_kernel_size(layers, kernel.size[0] * kernel.size[1])
    if made.channels != source.channels:
        raise layers.tensors.damaged(f"{source.channels} channels become {made.channels}")
    # The interpreter has this tolerance, too.
    if abs(float(made.scale) - float(source.scale)) > 1e-6 or made.zero_point != source.zero_point:
        raise layers.tensors.refusal("its input and output are quantised differently")
    activation = operands.activation(layers, options)
    layer = Layer(operator.name, (ends.padded.index,), made, kernel, activation=activation)
    layers.add(operator.outputs[0], layer)


_MOST_JOINED = 16


def concatenation(layers: Layers, operator: Operator) -> None:
    """Read a CONCATENATION."""
    options = operands.options(layers, operator, "ConcatenationOptions")
    made = layers.tensors.rows(operator.outputs[0])
    if not 1 <= len(operator.operands) <= _MOST_JOINED:
        raise layers.tensors.refusal(
            f"it joins {len(operator.operands)} tensors; the engine takes up to 16"
        )
    if operands.activation(layers, options) != (None, None):
        raise layers.tensors.refusal("it has a fused activation")
    rank, given = len(operator.outputs[0].fixed_shape), options["Axis"]
    axis = given % rank if -rank <= given < rank else -1
    along_channels, along_width = axis == rank - 1, axis == rank - 2 and rank > 3
    along_time = axis == (rank - 3 if rank > 3 else 1) and rank > 2
    if not (along_channels or along_width or along_time):
        raise layers.tensors.refusal(f"it joins along axis {given}; only the last three are known")
    indices = [layers.index_of(operand) for operand in operator.operands]
    views = [layers[i].output for i in indices]
    turned = made.height == 1 < made.width and all(
        (view.height, view.width) == (made.width, 1) for view in views
    )
    if along_channels and turned:
        made = replace(made, height=made.width, width=1)
    else:
        indices = [operands.natural(layers, operator, n) for n in range(len(operator.operands))]
    tensors = [layers[i].output for i in indices]
    for tensor in tensors:
        if (tensor.scale, tensor.zero_point) != (made.scale, made.zero_point):
            raise layers.tensors.refusal(
                f"tensor {tensor.name!r} has another scale or zero point than {made.name!r}",
                "TensorFlow Lite Micro refuses it too: convert the model again so that "
                "the joined tensors share one quantisation",
            )
    joined = 2 if along_channels else 1 if along_width else 0
    for tensor in tensors:
        if any(tensor.shape[n] != made.shape[n] for n in range(3) if n != joined):
            raise layers.tensors.damaged(f"tensor {tensor.name!r} does not fit {made.name!r}")
    if sum(tensor.shape[joined] for tensor in tensors) != made.shape[joined]:
        raise layers.tensors.damaged(f"tensor {made.name!r} has not the size of its parts")
    name = "STACK" if along_time else "CONCATENATION"
    layer = Layer(name, tuple(indices), made, axes=(False, along_width))
    layers.add(operator.outputs[0], layer)


def reduction(layers: Layers, operator: Operator) -> None:
    """Read a MEAN, SUM or REDUCE_MAX over time, frequency or both, or over channels alone."""
    operands.check_count(layers, operator, 2)
    operand = operator.operands[0]
    index = layers.index_of(operand)
    assert operand is not None
    named, made = layers.tensors.rows(operand), layers.tensors.rows(operator.outputs[0])
    rank = len(operand.fixed_shape)
    axes = operands.int32(layers, operator, 1).reshape(-1).tolist()
    if any(not -rank <= axis < rank for axis in axes):
        raise layers.tensors.damaged(f"it reduces the axes {axes} of {rank}")
    reduced = {axis % rank for axis in axes}
    known = {1, 2} if rank == 4 else {1} if rank == 3 else set()
    of_channels = rank in (3, 4) and reduced == {rank - 1} and named.width == 1
    if not reduced or not (reduced <= known or of_channels):
        raise layers.tensors.refusal(
            f"it reduces the axes {axes}; only time and frequency are known, and channels of one "
            "position"
        )
    height, width = 1 in reduced and not of_channels, 2 in reduced or of_channels
    turned = (named.width, 1, named.channels)
    if of_channels:
        index = layers.shaped(index, (named.height, named.channels, 1))
    elif named.height == 1 < named.width and layers[index].output.shape == turned:
        # In the file, time is the width.
        height, width = width, False
    else:
        index = layers.shaped(index, named.shape)
    source = layers[index].output
    shape = (1 if height else source.height, 1 if width else source.width, source.channels)
    if math.prod(made.shape) != math.prod(shape):
        raise layers.tensors.damaged(f"tensor {made.name!r} has not the size of the result")
    if operator.name == "REDUCE_MAX":
        operands.check_same_quantisation(layers, source, made)
    layer = Layer(operator.name, (index,), made.shaped(shape), axes=(height, width))
    layers.add(operator.outputs[0], layer)


def softmax(layers: Layers, operator: Operator) -> None:
    """Read a SOFTMAX."""
    beta = operands.options(layers, operator, "SoftmaxOptions", 1)["Beta"]
    if not 0 < beta < 1e6:
        raise layers.tensors.refusal(f"its beta is {beta}")
    _softmax(layers, operator, float(beta), 1 / 256, -128)


def log_softmax(layers: Layers, operator: Operator) -> None:
    """Read a LOG_SOFTMAX."""
    operands.check_count(layers, operator, 1)
    _softmax(layers, operator, 1.0, 1 / 16, 127)


_MOST_EXPS = 4095
"""The most exponentials in a sum: the interpreter's sum has 12 bits before the point."""


def _softmax(
    layers: Layers, operator: Operator, beta: float, scale: float, zero_point: int
) -> None:
    """Append a SOFTMAX or LOG_SOFTMAX over the channels of each position.

    Args:
        layers: The layers read so far.
        operator: The operator.
        beta: Factor of the input.
        scale: The scale that the output must have.
        zero_point: The zero point that the output must have.
    """
    operand = operator.operands[0]
    index = layers.index_of(operand)
    assert operand is not None
    named, made = layers.tensors.rows(operand), layers.tensors.rows(operator.outputs[0])
    operands.check_same_shape(layers, named, made)
    if layers[index].output.channels != named.channels:
        index = layers.shaped(index, named.shape)
    source = layers[index].output
    made = replace(made, height=source.height, width=source.width)
    operands.check_output(layers, made, scale, zero_point)
    if made.channels > _MOST_EXPS:
        raise layers.tensors.refusal(
            f"it has {made.channels} channels; the engine takes up to {_MOST_EXPS}"
        )
    # The interpreter checks the same: one step of the input must be above 2**-26.
    if beta * float(source.scale) * 2.0**26 <= 1:
        raise layers.tensors.refusal(f"its input's scale {source.scale} is too small")
    layers.add(operator.outputs[0], Layer(operator.name, (index,), made, beta=beta))


def batch_matmul(layers: Layers, operator: Operator) -> None:
    """Read a BATCH_MATMUL of two computed tensors.

    Each row of the output is a product of two matrices: of the same row of both inputs; or, if the
    second input is a single matrix, of a row of the first input and this matrix.
    """
    options = operands.options(layers, operator, "BatchMatMulOptions", 2)
    if options["AdjX"]:
        raise layers.tensors.refusal("its first input is transposed")
    first, second = operator.operands
    indices = [layers.index_of(operand) for operand in (first, second)]
    assert first is not None and second is not None
    made = layers.tensors.rows(operator.outputs[0])
    shapes = [layers.tensors.row_shape(operand) for operand in (first, second)]
    ranks = {len(operand.fixed_shape) for operand in (first, second)}
    if not ranks <= {3, 4} or len(ranks) > 1:
        raise layers.tensors.refusal(f"its inputs have shapes {shapes}")
    if ranks == {3}:
        # A single matrix: the rows of the first input and of the output are its rows.
        shapes[1] = (1, shapes[1][0], shapes[1][2])
    (height, width, depth), (batches, *sizes) = shapes
    down, across = reversed(sizes) if options["AdjY"] else sizes
    if down != depth or made.shape != (height, width, across) or batches not in (1, height):
        raise layers.tensors.refusal(f"shapes {shapes} become {made.shape}")
    indices = [layers.shaped(i, shape) for i, shape in zip(indices, shapes, strict=True)]
    # Distances in the second input: from one summand to the next, and from one sum to the next.
    apart = (1, depth, 0) if options["AdjY"] else (across, 1, 0)
    layer = Layer("BATCH_MATMUL", tuple(indices), made, strides=apart)
    layers.add(operator.outputs[0], layer)


READERS: dict[str, Callable[[Layers, Operator], None]] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "AVERAGE_POOL_2D": pool_2d,
    "MAX_POOL_2D": pool_2d,
    "CONCATENATION": concatenation,
    "MEAN": reduction,
    "SUM": reduction,
    "REDUCE_MAX": reduction,
    "SOFTMAX": softmax,
    "LOG_SOFTMAX": log_softmax,
    "BATCH_MATMUL": batch_matmul,
    "RESHAPE": movement.reshape,
    "SQUEEZE": movement.reshape,
    "EXPAND_DIMS": movement.reshape,
    "TRANSPOSE": movement.transpose,
    "PAD": movement.pad,
    "STRIDED_SLICE": movement.strided_slice,
    "SLICE": movement.plain_slice,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split,
    **dict.fromkeys(elementwise.ONE_VALUE, elementwise.one_value),
    **dict.fromkeys(elementwise.BINARY, elementwise.binary),
}
"""The reader of each operator, by its name in the schema."""

SPLITS = ("SPLIT", "SPLIT_V")
"""Operators with several outputs."""


def _weights(layers: Layers, operator: Operator, channels: int, axis: int) -> Weights:
    values, bias = operator.operands[1], None
    if values is None:
        raise layers.tensors.damaged("there is no tensor -1")
    if len(operator.operands) == 3:
        bias = operator.operands[2]
    return layers.tensors.weights(values, bias, channels, axis)


def _check_kernel_size(layers: Layers, elements: int) -> None:
    if elements > MAX_KERNEL_ELEMENTS:
        raise layers.tensors.refusal(
            f"each output sums {elements} values; the engine takes up to {MAX_KERNEL_ELEMENTS}"
        )
