"""Turns a graph's operators into layers, a function for each that the engine knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export.graph import Operator
from sernet_edge.firmware_export.layers import Layers, Padded
from sernet_edge.firmware_export.network import MAX_KERNEL_ELEMENTS, Kernel, Layer, Tensor
from sernet_edge.firmware_export.tensors import Weights

_ACTIVATIONS: dict[Any, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return (output size, padding before) of TensorFlow's "SAME" along one axis."""
    out = -(-size // stride)
    return out, max((out - 1) * stride + kernel - size, 0) // 2


def conv_2d(layers: Layers, operator: Operator) -> None:
    """Read a CONV_2D."""
    options = _options(layers, operator, "Conv2DOptions", 2, 3)
    padded, source, made = _convolved_ends(layers, operator)
    values, bias, scales = _weights(layers, operator, made.channels, axis=0)
    if values.ndim != 4 or values.shape[3] != source.channels:
        raise layers.tensors.refusal(
            f"its weights have shape {values.shape} for {source.channels} input channels: "
            "grouped convolutions are not known"
        )
    _check_dilation(layers, options)
    _check_kernel_size(layers, values[0].size)
    kernel = _kernel(layers, options, (values.shape[1], values.shape[2]), source, made, padded)
    activation = _activation(layers, options)
    layer = Layer("CONV_2D", (padded.index,), made, kernel, values, bias, scales, activation)
    layers.add(operator.outputs[0], layer)


def depthwise_conv_2d(layers: Layers, operator: Operator) -> None:
    """Read a DEPTHWISE_CONV_2D."""
    options = _options(layers, operator, "DepthwiseConv2DOptions", 2, 3)
    padded, source, made = _convolved_ends(layers, operator)
    values, bias, scales = _weights(layers, operator, made.channels, axis=3)
    if values.ndim != 4 or values.shape[0] != 1 or made.channels % source.channels:
        raise layers.tensors.damaged(f"weights {values.shape} for {source.channels} input channels")
    _check_dilation(layers, options)
    _check_kernel_size(layers, values.shape[1] * values.shape[2])
    kernel = _kernel(layers, options, (values.shape[1], values.shape[2]), source, made, padded)
    activation = _activation(layers, options)
    layer = Layer(
        "DEPTHWISE_CONV_2D", (padded.index,), made, kernel, values[0], bias, scales, activation
    )
    layers.add(operator.outputs[0], layer)


def fully_connected(layers: Layers, operator: Operator) -> None:
    """Read a FULLY_CONNECTED."""
    options = _options(layers, operator, "FullyConnectedOptions", 2, 3)
    if options["WeightsFormat"] != "DEFAULT":
        raise layers.tensors.refusal("its weights are shuffled")
    index, source, made = _ends(layers, operator)
    values, bias, scales = _weights(layers, operator, made.channels, axis=0)
    if values.ndim != 2:
        raise layers.tensors.damaged(f"its weights have shape {values.shape}")
    depth = values.shape[1]
    _check_kernel_size(layers, depth)
    positions = made.height * made.width
    if depth * positions != source.height * source.row_bytes:
        raise layers.tensors.damaged(f"weights {values.shape} do not fit input and output")
    if depth != source.channels:
        # The operator flattens its input by itself.
        if positions != 1:
            raise layers.tensors.refusal(f"it splits the rows of {source.name!r}")
        index = layers.collected(index, (1, 1, depth), source.name)
    elif (made.height, made.width) != (source.height, source.width):
        raise layers.tensors.refusal(f"tensor {made.name!r} reorders the rows of {source.name!r}")
    values, activation = values[:, None, None, :], _activation(layers, options)
    layer = Layer("FULLY_CONNECTED", (index,), made, Kernel(), values, bias, scales, activation)
    layers.add(operator.outputs[0], layer)


def pool_2d(layers: Layers, operator: Operator) -> None:
    """Read an AVERAGE_POOL_2D or a MAX_POOL_2D."""
    options = _options(layers, operator, "Pool2DOptions", 1)
    index, source, made = _ends(layers, operator)
    size = (options["FilterHeight"], options["FilterWidth"])
    kernel = _kernel(layers, options, size, source, made)
    _check_kernel_size(layers, size[0] * size[1])
    if made.channels != source.channels:
        raise layers.tensors.damaged(f"{source.channels} channels become {made.channels}")
    # The tolerance is the interpreter's own.
    if abs(float(made.scale) - float(source.scale)) > 1e-6 or made.zero_point != source.zero_point:
        raise layers.tensors.refusal("its input and output are quantised differently")
    activation = _activation(layers, options)
    layer = Layer(operator.name, (index,), made, kernel, activation=activation)
    layers.add(operator.outputs[0], layer)


def concatenation(layers: Layers, operator: Operator) -> None:
    """Read a CONCATENATION."""
    options = _options(layers, operator, "ConcatenationOptions")
    made = layers.tensors.rows(operator.outputs[0])
    sources = tuple(layers.index_of(operand) for operand in operator.operands)
    if not 1 <= len(sources) <= 16:
        raise layers.tensors.refusal(f"it joins {len(sources)} tensors; the engine takes up to 16")
    if _activation(layers, options) != (None, None):
        raise layers.tensors.refusal("it has a fused activation")
    rank, given = len(operator.outputs[0].fixed_shape), options["Axis"]
    axis = given % rank if -rank <= given < rank else -1
    # Joined along channels; along width, one position's channels follow another's.
    along_channels, along_width = axis == rank - 1, axis == 2 and rank == 4
    if not (along_channels or along_width):
        raise layers.tensors.refusal(f"it joins along axis {given}; only the last two are known")
    tensors = [layers[i].output for i in sources]
    for tensor in tensors:
        if (tensor.scale, tensor.zero_point) != (made.scale, made.zero_point):
            raise layers.tensors.refusal(
                f"tensor {tensor.name!r} has another scale or zero point than {made.name!r}",
                "TensorFlow Lite Micro refuses it too: convert the model again so that "
                "the joined tensors share one quantisation",
            )
        same = (tensor.height, tensor.width if along_channels else tensor.channels)
        if same != (made.height, made.width if along_channels else made.channels):
            raise layers.tensors.damaged(f"tensor {tensor.name!r} does not fit {made.name!r}")
    if sum(t.row_bytes for t in tensors) != made.row_bytes:
        raise layers.tensors.damaged(f"tensor {made.name!r} has not the size of its parts")
    layer = Layer("CONCATENATION", sources, made, axes=(False, along_width))
    layers.add(operator.outputs[0], layer)


def add(layers: Layers, operator: Operator) -> None:
    """Read an ADD."""
    options = _options(layers, operator, "AddOptions", 2)
    made = layers.tensors.rows(operator.outputs[0])
    sources = tuple(layers.index_of(operand) for operand in operator.operands)
    for tensor in (layers[i].output for i in sources):
        if tensor.shape != made.shape:
            raise layers.tensors.refusal(
                f"tensor {tensor.name!r} has shape {tensor.shape}, {made.name!r} {made.shape}: "
                "broadcasting is not known"
            )
    layer = Layer("ADD", sources, made, activation=_activation(layers, options))
    layers.add(operator.outputs[0], layer)


def mean(layers: Layers, operator: Operator) -> None:
    """Read a MEAN."""
    _check_count(layers, operator, 2)
    index, source, made = _ends(layers, operator)
    reduced_of = operator.operands[1]
    if operator.operands[0] is None or reduced_of is None:
        raise layers.tensors.damaged("there is no tensor -1")
    rank = len(operator.operands[0].fixed_shape)
    axes = layers.tensors.constant(reduced_of, "int32").reshape(-1).tolist()
    if any(not -rank <= axis < rank for axis in axes):
        raise layers.tensors.damaged(f"it reduces the axes {axes} of {rank}")
    reduced = {axis % rank for axis in axes}
    known = {1, 2} if rank == 4 else {1} if rank == 3 else set()
    if not reduced or not reduced <= known:
        raise layers.tensors.refusal(
            f"it reduces the axes {axes}; only time and frequency are known"
        )
    height, width = 1 in reduced, 2 in reduced
    shape = (1 if height else source.height, 1 if width else source.width, source.channels)
    if made.height * made.row_bytes != shape[0] * shape[1] * shape[2]:
        raise layers.tensors.damaged(f"tensor {made.name!r} has not the size of the mean")
    if height and not width and source.width > 1 and made.height != 1:
        # (1, height, width, channels) became (1, width, channels): width would be time.
        raise layers.tensors.refusal("it reduces time but keeps frequency without keep_dims")
    rows = Tensor(made.name, *shape, made.scale, made.zero_point)
    # Without keep_dims the same rows have another shape.
    index = layers.append(Layer("MEAN", (index,), rows, axes=(height, width)))
    layers.assign(operator.outputs[0], layers.collected(index, made.shape, made.name))


def softmax(layers: Layers, operator: Operator) -> None:
    """Read a SOFTMAX."""
    beta = _options(layers, operator, "SoftmaxOptions", 1)["Beta"]
    index, source, made = _ends(layers, operator)
    _check_same_shape(layers, source, made)
    if (made.scale, made.zero_point) != (np.float32(1 / 256), -128):
        raise layers.tensors.refusal("its output must have scale 1/256 and zero point -128")
    if not 0 < beta < 1e6:
        raise layers.tensors.refusal(f"its beta is {beta}")
    # The interpreter's own check: one step of the input must be at least 2**-26.
    if float(beta) * float(source.scale) * 2.0**26 <= 1:
        raise layers.tensors.refusal(f"its input's scale {source.scale} is too small")
    layers.add(operator.outputs[0], Layer("SOFTMAX", (index,), made, beta=float(beta)))


def elementwise(layers: Layers, operator: Operator) -> None:
    """Read a RELU, a RELU6 or a QUANTIZE."""
    _check_count(layers, operator, 1)
    index, source, made = _ends(layers, operator)
    _check_same_shape(layers, source, made)
    if operator.name == "RELU6":
        # TensorFlow Lite Micro only clamps, TensorFlow Lite also rescales.
        _check_same_quantisation(layers, source, made)
    layers.add(operator.outputs[0], Layer(operator.name, (index,), made))


def reshape(layers: Layers, operator: Operator) -> None:
    """Read a RESHAPE."""
    _check_count(layers, operator, 1, 2)  # The second says what the output's shape says, too.
    index, source, made = _ends(layers, operator)
    if source.height * source.row_bytes != made.height * made.row_bytes:
        raise layers.tensors.damaged(f"{source.shape} becomes {made.shape}")
    _check_same_quantisation(layers, source, made)
    layers.assign(operator.outputs[0], layers.collected(index, made.shape, made.name))


def pad(layers: Layers, operator: Operator) -> None:
    """Read a PAD, which the convolutions that read it take in."""
    _check_count(layers, operator, 2)
    index, source, made = _ends(layers, operator)
    amounts = _int32(layers, operator, 1)
    if amounts.shape != (4, 2) or (amounts < 0).any():
        raise layers.tensors.refusal(f"its amounts of padding are {amounts.tolist()}")
    if amounts[[0, 3]].any():
        raise layers.tensors.refusal("it pads more than rows and positions in them")
    _check_same_quantisation(layers, source, made)
    (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
    shape = (source.height + top + bottom, source.width + left + right, source.channels)
    if made.shape != shape:
        raise layers.tensors.damaged(f"padding makes {shape} of {source.shape}, not {made.shape}")
    if max(top, left) > 255:
        raise layers.tensors.refusal(f"it pads {max(top, left)} rows or positions; at most 255")
    padded = Padded(index, (top, bottom), (left, right), layers.tensors.place)
    layers.assign_padded(operator.outputs[0], padded)


def strided_slice(layers: Layers, operator: Operator) -> None:
    """Read a STRIDED_SLICE that leaves out rows at the ends of a window."""
    options = _options(layers, operator, "StridedSliceOptions", 4)
    index, source, made = _ends(layers, operator)
    if any(options[mask] for mask in ("EllipsisMask", "NewAxisMask", "ShrinkAxisMask")):
        raise layers.tensors.refusal("it changes the number of dimensions")
    begin, end, step = (_int32(layers, operator, n).reshape(-1).tolist() for n in (1, 2, 3))
    sizes = (1, *source.shape)
    if not len(begin) == len(end) == len(step) == 4 == len(operator.outputs[0].fixed_shape):
        raise layers.tensors.refusal("it slices another number of dimensions than 4")
    if set(step) != {1}:
        raise layers.tensors.refusal(f"its steps are {step}; only steps of 1 are known")
    bounds = []
    for axis, size in enumerate(sizes):
        first = 0 if options["BeginMask"] >> axis & 1 else begin[axis]
        last = size if options["EndMask"] >> axis & 1 else end[axis]
        first, last = (n + size if n < 0 else n for n in (first, last))
        bounds.append((max(first, 0), min(last, size)))
    if any(bounds[axis] != (0, sizes[axis]) for axis in (0, 2, 3)):
        raise layers.tensors.refusal(f"it leaves out more of {source.name!r} than rows")
    first, last = bounds[1]
    if made.shape != (last - first, *source.shape[1:]):
        raise layers.tensors.damaged(
            f"rows {first} to {last} of {source.shape} are not {made.shape}"
        )
    if first > 254:
        raise layers.tensors.refusal(f"it leaves out {first} rows; the engine leaves out up to 254")
    _check_same_quantisation(layers, source, made)
    # The engine copies the newest row that the kernel spans.
    layers.add(operator.outputs[0], Layer("SLICE", (index,), made, Kernel((first + 1, 1))))


READERS: dict[str, Callable[[Layers, Operator], None]] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "AVERAGE_POOL_2D": pool_2d,
    "MAX_POOL_2D": pool_2d,
    "CONCATENATION": concatenation,
    "ADD": add,
    "MEAN": mean,
    "SOFTMAX": softmax,
    "RELU": elementwise,
    "RELU6": elementwise,
    "QUANTIZE": elementwise,
    "RESHAPE": reshape,
    "PAD": pad,
    "STRIDED_SLICE": strided_slice,
}
"""By the schema's name of the operator: what appends its layers."""


# What several operators have


def _check_count(layers: Layers, operator: Operator, *allowed: int) -> None:
    if len(operator.operands) not in allowed:
        raise layers.tensors.damaged(f"it has {len(operator.operands)} inputs")


def _options(layers: Layers, operator: Operator, kind: str, *counts: int) -> dict[str, Any]:
    """Return an operator's options after checking its number of inputs, unless any will do."""
    if counts:
        _check_count(layers, operator, *counts)
    if operator.options_kind != kind:
        raise layers.tensors.damaged(f"its options are not {kind}")
    return dict(operator.options)


def _int32(layers: Layers, operator: Operator, number: int) -> NDArray[Any]:
    """Return the values of an operator's constant input of type int32."""
    operand = operator.operands[number]
    if operand is None:
        raise layers.tensors.damaged("there is no tensor -1")
    return layers.tensors.constant(operand, "int32")


def _ends(layers: Layers, operator: Operator) -> tuple[int, Tensor, Tensor]:
    """Return the layer that makes the first input, its tensor and the output."""
    index = layers.index_of(operator.operands[0])
    return index, layers[index].output, layers.tensors.rows(operator.outputs[0])


def _convolved_ends(layers: Layers, operator: Operator) -> tuple[Padded, Tensor, Tensor]:
    """Return the layer that a convolution reads, how it is padded, its tensor and the output."""
    padded = layers.convolved(operator.operands[0])
    return padded, layers[padded.index].output, layers.tensors.rows(operator.outputs[0])


def _activation(layers: Layers, options: dict[str, Any]) -> tuple[float | None, float | None]:
    name = options["FusedActivationFunction"]
    if name not in _ACTIVATIONS:
        raise layers.tensors.refusal(f"the native engine does not know the fused activation {name}")
    return _ACTIVATIONS[name]


def _kernel(
    layers: Layers,
    options: dict[str, Any],
    size: tuple[int, int],
    source: Tensor,
    made: Tensor,
    padded: Padded | None = None,
) -> Kernel:
    """Return a kernel after checking that the output has the size that it gives.

    Args:
        layers: Those read so far.
        options: The operator's.
        size: Rows and positions that the kernel spans.
        source: What it slides over.
        made: The output.
        padded: How a PAD before the operator pads `source`.
    """
    stride = (options["StrideH"], options["StrideW"])
    for what, pair in (("kernel", size), ("stride", stride)):
        if not all(1 <= n <= 255 for n in pair):
            raise layers.tensors.refusal(
                f"its {what} is {pair}; the engine takes sizes of 1 to 255"
            )
    if options["Padding"] not in ("SAME", "VALID"):
        raise layers.tensors.damaged(f"its padding is {options['Padding']}")
    rows, columns = (padded.rows, padded.columns) if padded else ((0, 0), (0, 0))
    if options["Padding"] == "SAME" and (any(rows) or any(columns)):
        raise layers.tensors.refusal("it pads what a PAD has padded")
    padding = [rows[0], columns[0]]
    ends = (
        (source.height + sum(rows), made.height),
        (source.width + sum(columns), made.width),
    )
    for axis, (before, after) in enumerate(ends):
        expected = (before - size[axis]) // stride[axis] + 1
        if options["Padding"] == "SAME":
            expected, padding[axis] = same_padding(before, size[axis], stride[axis])
        if expected != after:
            raise layers.tensors.damaged(
                f"tensor {made.name!r} has size {after} where its kernel gives {expected}"
            )
    return Kernel(size, stride, (padding[0], padding[1]))


def _weights(layers: Layers, operator: Operator, channels: int, axis: int) -> Weights:
    values, bias = operator.operands[1], None
    if values is None:
        raise layers.tensors.damaged("there is no tensor -1")
    if len(operator.operands) == 3:
        bias = operator.operands[2]
    return layers.tensors.weights(values, bias, channels, axis)


def _check_dilation(layers: Layers, options: dict[str, Any]) -> None:
    if (options["DilationHFactor"], options["DilationWFactor"]) != (1, 1):
        raise layers.tensors.refusal("dilated convolutions are not known")


def _check_kernel_size(layers: Layers, elements: int) -> None:
    if elements > MAX_KERNEL_ELEMENTS:
        raise layers.tensors.refusal(
            f"each output sums {elements} values; the engine takes up to {MAX_KERNEL_ELEMENTS}"
        )


def _check_same_shape(layers: Layers, source: Tensor, made: Tensor) -> None:
    if source.shape != made.shape:
        raise layers.tensors.damaged(f"{source.shape} becomes {made.shape}")


def _check_same_quantisation(layers: Layers, source: Tensor, made: Tensor) -> None:
    if (source.scale, source.zero_point) != (made.scale, made.zero_point):
        raise layers.tensors.refusal("its input and output are quantised differently")
