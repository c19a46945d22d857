"""Reads a `.tflite` into a plain list of layers, strictly and without TensorFlow.

A network is a directed graph whose nodes are layers; each layer makes one tensor. Tensors
are seen as rows: (height, width, channels), where height is time. Whatever the engine cannot
compute to the bit is refused here by name; nothing is skipped or approximated.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile

TFLM_HINT = (
    "`--engine tflm` exports the model for TensorFlow Lite Micro, which knows more operators"
)

# What a microcontroller's row engine could never need, and what its 16-bit fields hold.
MAX_DIMENSION = 32_767
MAX_TENSORS = 4_096
MAX_LAYERS = 250
# So that no sum of int8 products leaves 32 bits: 2**16 * 255 * 128 < 2**31.
MAX_KERNEL_ELEMENTS = 65_536

_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
_TYPE_NAMES = {v: k for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}
_ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: (None, None),
    tflite.ActivationFunctionType.RELU: (0.0, None),
    tflite.ActivationFunctionType.RELU6: (0.0, 6.0),
    tflite.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
}
_ACTIVATION_NAMES = {
    v: k for k, v in vars(tflite.ActivationFunctionType).items() if isinstance(v, int)
}

Int8Array = NDArray[np.int8]
Int32Array = NDArray[np.int32]
Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class Tensor:
    """An int8 tensor as rows.

    Attributes:
        name: As in the file.
        height: Rows; time, where the tensor still has it.
        width: Positions in a row; frequency.
        channels: Values at a position; the fastest index.
        scale: Real value of one step.
        zero_point: The int8 that means 0.0.
    """

    name: str
    height: int
    width: int
    channels: int
    scale: np.float32
    zero_point: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.width * self.channels


@dataclass(frozen=True)
class Window:
    """How a kernel slides: its size, its step, and the padding above and left, as (y, x)."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Layer:
    """One operation and the tensor it makes.

    Attributes:
        op: "INPUT", or the TFLite operator that defines the arithmetic, or "COLLECT", which
            joins `height in / height out` rows into one and so carries out a RESHAPE.
        inputs: Indices of the layers whose tensors it reads.
        output: The tensor it makes.
        window: For convolutions and pools.
        weights: CONV_2D and FULLY_CONNECTED: int8 (out, kh, kw, in); DEPTHWISE_CONV_2D: int8
            (kh, kw, out).
        bias: int32 (out,).
        weight_scales: float32 (out,) per channel, or (1,) per tensor.
        activation: Real limits of a fused activation; None is no limit.
        axes: MEAN: whether it reduces (height, width).
        beta: SOFTMAX.
    """

    op: str
    inputs: tuple[int, ...]
    output: Tensor
    window: Window = Window()
    weights: Int8Array = field(default_factory=lambda: np.zeros(0, np.int8))
    bias: Int32Array = field(default_factory=lambda: np.zeros(0, np.int32))
    weight_scales: Float32Array = field(default_factory=lambda: np.zeros(0, np.float32))
    activation: tuple[float | None, float | None] = (None, None)
    axes: tuple[bool, bool] = (False, False)
    beta: float = 1.0


@dataclass(frozen=True)
class Network:
    """A whole model: layers in an order in which each comes after its inputs.

    Attributes:
        layers: The first is the one INPUT; the last makes the output tensor.
        weight_bytes: int8 weights and int32 biases in the file, in bytes.
    """

    layers: tuple[Layer, ...]
    weight_bytes: int

    @property
    def input(self) -> Tensor:
        """The input tensor."""
        return self.layers[0].output

    @property
    def output(self) -> Tensor:
        """The output tensor."""
        return self.layers[-1].output


def read_network(file: ModelFile) -> Network:
    """Read a `.tflite`.

    Args:
        file: With or without a contract.

    Raises:
        ModelError: The file is damaged, or has an operator, type or shape that the engine
            does not know; names operator and tensor.
    """
    if not file.is_flatbuffer:
        raise ModelError(f"{file.name} is no TensorFlow Lite model", "give a .tflite file")
    try:
        return _Reader(file).read()
    except (struct.error, ValueError, IndexError, TypeError, AttributeError, OverflowError) as e:
        # What the flatbuffer library raises when an offset or a length points nowhere.
        raise ModelError(
            f"{file.name}: the model is damaged or truncated: {e}", "get the file again"
        ) from e


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return (output size, padding before) of TensorFlow's "SAME" along one axis."""
    out = -(-size // stride)
    return out, max((out - 1) * stride + kernel - size, 0) // 2


class _Reader:
    """One pass over one file; see `read_network`."""

    def __init__(self, file: ModelFile) -> None:
        self._where = file.name
        self._size = len(file.data)
        self._model = tflite.Model.GetRootAs(file.data, 0)
        self._layers: list[Layer] = []
        self._made: dict[int, int] = {}  # tensor index -> layer index
        self._weight_bytes = 0
        self._operator = ""  # what is being read, for errors

    def read(self) -> Network:
        model = self._model
        for length in (model.SubgraphsLength(), model.OperatorCodesLength(), model.BuffersLength()):
            self._check_length(length)
        if model.SubgraphsLength() != 1:
            raise self._refusal(f"the model has {model.SubgraphsLength()} subgraphs, not 1")
        graph = self._graph = model.Subgraphs(0)
        if graph.TensorsLength() > MAX_TENSORS or graph.OperatorsLength() > MAX_LAYERS:
            raise self._refusal(
                f"{graph.TensorsLength()} tensors and {graph.OperatorsLength()} operators "
                f"are more than {MAX_TENSORS} and {MAX_LAYERS}"
            )
        if graph.InputsLength() != 1 or graph.OutputsLength() != 1:
            raise self._refusal(
                f"the model has {graph.InputsLength()} inputs and {graph.OutputsLength()} "
                f"outputs, not one of each"
            )
        self._operator = "the model's input"
        input_index = graph.Inputs(0)
        self._add(input_index, Layer("INPUT", (), self._tensor(input_index)))
        for number, name in enumerate(self._operator_names()):
            self._read_operator(graph.Operators(number), number, name)
        self._operator = "the model's output"
        output_index = graph.Outputs(0)
        output = self._layer_of(output_index)
        layers = self._needed_for(output)
        if len(layers) > MAX_LAYERS:
            raise self._refusal(f"it takes {len(layers)} layers, more than {MAX_LAYERS}")
        return Network(layers, self._weight_bytes)

    # Errors and checks

    def _refusal(self, message: str, hint: str = TFLM_HINT) -> ModelError:
        at = f"{self._operator}: " if self._operator else ""
        return ModelError(f"{self._where}: {at}{message}", hint)

    def _damaged(self, message: str) -> ModelError:
        return self._refusal(f"the model is damaged: {message}", "get the file again")

    def _check_length(self, length: int) -> None:
        # A vector's element takes four bytes or more, so a longer one cannot be in the file.
        if not 0 <= length <= self._size // 4:
            raise self._damaged(f"it claims a list of {length} entries in {self._size} bytes")

    # Tensors

    def _raw_tensor(self, index: int) -> Any:
        if not 0 <= index < self._graph.TensorsLength():
            raise self._damaged(f"there is no tensor {index}")
        return self._graph.Tensors(index)

    def _name(self, raw: Any) -> str:
        text = (raw.Name() or b"").decode("utf-8", "replace")
        return "".join(c if c.isprintable() else "?" for c in text)[:120]

    def _shape(self, raw: Any) -> list[int]:
        if raw.ShapeLength() > 8:
            raise self._refusal(f"tensor {self._name(raw)!r} has {raw.ShapeLength()} dimensions")
        shape = [int(raw.Shape(i)) for i in range(raw.ShapeLength())]
        if any(not 1 <= n <= MAX_DIMENSION for n in shape):
            raise self._refusal(
                f"tensor {self._name(raw)!r} has shape {shape}; "
                f"the engine takes sizes from 1 to {MAX_DIMENSION}"
            )
        return shape

    def _scales(self, raw: Any) -> tuple[Float32Array, int]:
        """Return the scales of a tensor and its (first) zero point."""
        quantisation = raw.Quantization()
        count = quantisation.ScaleLength() if quantisation is not None else 0
        if count == 0 or quantisation.ZeroPointLength() not in (1, count):
            raise self._refusal(f"tensor {self._name(raw)!r} is not quantised")
        self._check_length(count)
        scales = np.array([quantisation.Scale(i) for i in range(count)], np.float32)
        zero_points = {
            int(quantisation.ZeroPoint(i)) for i in range(quantisation.ZeroPointLength())
        }
        if not (np.isfinite(scales).all() and (scales > 0).all()):
            raise self._refusal(f"tensor {self._name(raw)!r} has a scale that is not above 0")
        if len(zero_points) != 1:
            raise self._refusal(f"tensor {self._name(raw)!r} has several zero points")
        return scales, zero_points.pop()

    def _check_type(self, raw: Any, wanted: int) -> None:
        if raw.Type() != wanted:
            found = _TYPE_NAMES.get(raw.Type(), f"type {raw.Type()}")
            raise self._refusal(
                f"tensor {self._name(raw)!r} is {found}, not {_TYPE_NAMES[wanted]}: "
                "the engine runs models whose every tensor is int8",
                "quantise it with `sernet-edge convert`, which makes full-int8 models",
            )

    def _tensor(self, index: int) -> Tensor:
        """Return an activation tensor as rows: (height, width, channels)."""
        raw = self._raw_tensor(index)
        self._check_type(raw, tflite.TensorType.INT8)
        if raw.IsVariable() or raw.Sparsity() is not None:
            raise self._refusal(f"tensor {self._name(raw)!r} is variable or sparse")
        shape = self._shape(raw)
        if not 2 <= len(shape) <= 4 or shape[0] != 1:
            raise self._refusal(
                f"tensor {self._name(raw)!r} has shape {shape}; the engine takes "
                "(1, height, width, channels), (1, height, channels) and (1, channels)"
            )
        channels = shape[-1]
        height = shape[1] if len(shape) > 2 else 1
        width = shape[2] if len(shape) > 3 else 1
        scales, zero_point = self._scales(raw)
        if len(scales) != 1 or not -128 <= zero_point <= 127:
            raise self._refusal(
                f"tensor {self._name(raw)!r} needs one scale and a zero point in -128..127"
            )
        if width * channels > MAX_DIMENSION:
            raise self._refusal(
                f"tensor {self._name(raw)!r} has rows of {width * channels} bytes; "
                f"the engine takes up to {MAX_DIMENSION}"
            )
        return Tensor(self._name(raw), height, width, channels, scales[0], zero_point)

    def _constant(self, index: int, wanted: int, dtype: Any) -> NDArray[Any]:
        raw = self._raw_tensor(index)
        self._check_type(raw, wanted)
        shape = self._shape(raw)
        if raw.Sparsity() is not None:
            raise self._refusal(f"tensor {self._name(raw)!r} is sparse")
        if not 0 <= raw.Buffer() < self._model.BuffersLength():
            raise self._damaged(f"tensor {self._name(raw)!r} has no buffer")
        buffer = self._model.Buffers(raw.Buffer())
        expected = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if buffer.DataLength() != expected:
            if buffer.DataLength() == 0:
                raise self._refusal(f"tensor {self._name(raw)!r} is not constant")
            raise self._damaged(
                f"tensor {self._name(raw)!r} has {buffer.DataLength()} bytes, not {expected}"
            )
        data = buffer.DataAsNumpy()
        return np.frombuffer(data.tobytes(), np.dtype(dtype).newbyteorder("<")).reshape(shape)

    # Layers

    def _add(self, tensor_index: int, layer: Layer) -> int:
        if tensor_index in self._made:
            raise self._damaged(f"tensor {layer.output.name!r} is made twice")
        self._layers.append(layer)
        self._made[tensor_index] = len(self._layers) - 1
        return len(self._layers) - 1

    def _layer_of(self, tensor_index: int) -> int:
        if tensor_index not in self._made:
            raw = self._raw_tensor(tensor_index)
            if self._is_constant(raw):
                raise self._refusal(f"its input {self._name(raw)!r} is a constant")
            raise self._damaged(f"tensor {self._name(raw)!r} is used before it is made")
        return self._made[tensor_index]

    def _is_constant(self, raw: Any) -> bool:
        return (
            0 <= raw.Buffer() < self._model.BuffersLength()
            and self._model.Buffers(raw.Buffer()).DataLength() > 0
        )

    def _needed_for(self, output: int) -> tuple[Layer, ...]:
        """Return the layers that the output depends on, renumbered, the output's last."""
        needed = {output}
        for index in range(output, -1, -1):
            if index in needed:
                needed.update(self._layers[index].inputs)
        if 0 not in needed:
            raise self._refusal("the output does not depend on the input")
        if output == 0:
            raise self._refusal("the output is the input: there is nothing to compute")
        order = {old: new for new, old in enumerate(sorted(needed))}
        return tuple(
            _replaced(self._layers[old], tuple(order[i] for i in self._layers[old].inputs))
            for old in order
        )

    def _operator_name(self, operator: Any, number: int) -> str:
        if not 0 <= operator.OpcodeIndex() < self._model.OperatorCodesLength():
            raise self._damaged(f"operator {number} has no code")
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = _NAMES.get(builtin, f"operator code {builtin}")
        if name == "CUSTOM":
            name = f"CUSTOM {(code.CustomCode() or b'').decode('utf-8', 'replace')[:60]!r}"
        return name

    def _operator_names(self) -> list[str]:
        """Return the operators' names; refuse those that are not known, all of them at once."""
        self._operator = ""
        operators = [self._graph.Operators(i) for i in range(self._graph.OperatorsLength())]
        names = [self._operator_name(operator, i) for i, operator in enumerate(operators)]
        unknown = [name for name in dict.fromkeys(names) if name not in _OPERATORS]
        if unknown:
            first = names.index(unknown[0])
            self._enter(operators[first], first, names[first])
            raise self._refusal(f"the native engine does not know {', nor '.join(unknown)}")
        return names

    def _enter(self, operator: Any, number: int, name: str) -> None:
        """Note for errors which operator is read."""
        self._operator = f"operator {number} ({name})"
        if operator.OutputsLength() > 0:
            made = self._name(self._raw_tensor(operator.Outputs(0)))
            self._operator += f" that makes tensor {made!r}"

    def _read_operator(self, operator: Any, number: int, name: str) -> None:
        self._enter(operator, number, name)
        if operator.InputsLength() > MAX_TENSORS or operator.OutputsLength() != 1:
            raise self._refusal(
                f"it has {operator.InputsLength()} inputs and {operator.OutputsLength()} outputs"
            )
        read, output = _OPERATORS[name], operator.Outputs(0)
        read(self, operator, [operator.Inputs(i) for i in range(operator.InputsLength())], output)

    def _options(self, operator: Any, kind: Any) -> Any:
        wanted = getattr(tflite.BuiltinOptions, kind.__name__)
        table = operator.BuiltinOptions()
        if operator.BuiltinOptionsType() != wanted or table is None:
            raise self._damaged(f"its options are not {kind.__name__}")
        options = kind()
        options.Init(table.Bytes, table.Pos)
        return options

    def _activation(self, options: Any) -> tuple[float | None, float | None]:
        activation = options.FusedActivationFunction()
        if activation not in _ACTIVATIONS:
            name = _ACTIVATION_NAMES.get(activation, activation)
            raise self._refusal(f"the native engine does not know the fused activation {name}")
        return _ACTIVATIONS[activation]

    def _input_count(self, inputs: list[int], *allowed: int) -> None:
        if len(inputs) not in allowed:
            raise self._damaged(f"it has {len(inputs)} inputs")

    def _window(self, options: Any, kernel: tuple[int, int], source: Tensor) -> Window:
        stride = (options.StrideH(), options.StrideW())
        for what, pair in (("kernel", kernel), ("stride", stride)):
            if not all(1 <= n <= 255 for n in pair):
                raise self._refusal(f"its {what} is {pair}; the engine takes sizes of 1 to 255")
        if options.Padding() == tflite.Padding.VALID:
            return Window(kernel, stride)
        if options.Padding() != tflite.Padding.SAME:
            raise self._damaged(f"its padding is {options.Padding()}")
        _, top = same_padding(source.height, kernel[0], stride[0])
        _, left = same_padding(source.width, kernel[1], stride[1])
        return Window(kernel, stride, (top, left))

    def _check_windowed(self, options: Any, window: Window, source: Tensor, made: Tensor) -> None:
        """Check that the output has the size that kernel, stride and padding give."""
        for axis, (size, out) in enumerate(
            ((source.height, made.height), (source.width, made.width))
        ):
            kernel, stride = window.kernel[axis], window.stride[axis]
            if options.Padding() == tflite.Padding.SAME:
                expected = same_padding(size, kernel, stride)[0]
            else:
                expected = (size - kernel) // stride + 1
            if expected != out:
                raise self._damaged(
                    f"tensor {made.name!r} has size {out} where its kernel gives {expected}"
                )

    def _weights(
        self, inputs: list[int], channels: int, axis: int
    ) -> tuple[Int8Array, Int32Array, Float32Array]:
        """Return weights as in the file, bias and scales of `channels` outputs."""
        weights = self._constant(inputs[1], tflite.TensorType.INT8, np.int8)
        raw = self._raw_tensor(inputs[1])
        scales, zero_point = self._scales(raw)
        if zero_point != 0:
            raise self._refusal(f"its weights {self._name(raw)!r} have zero point {zero_point}")
        if len(scales) not in (1, channels) or weights.shape[axis] != channels:
            raise self._damaged(
                f"{len(scales)} scales and weights {weights.shape} for {channels} channels"
            )
        if len(scales) > 1 and raw.Quantization().QuantizedDimension() != axis:
            raise self._refusal(
                f"its weights are quantised along axis {raw.Quantization().QuantizedDimension()}, "
                f"not {axis}"
            )
        bias = np.zeros(channels, np.int32)
        if len(inputs) == 3 and inputs[2] >= 0:
            bias = self._constant(inputs[2], tflite.TensorType.INT32, np.int32).reshape(-1)
            if bias.shape != (channels,):
                raise self._damaged(f"{bias.size} biases for {channels} channels")
            self._weight_bytes += bias.nbytes
        self._weight_bytes += weights.nbytes
        return weights, bias, scales

    def _check_kernel_size(self, elements: int) -> None:
        if elements > MAX_KERNEL_ELEMENTS:
            raise self._refusal(
                f"each output sums {elements} products; the engine takes up to "
                f"{MAX_KERNEL_ELEMENTS}"
            )

    def conv_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        self._input_count(inputs, 2, 3)
        options = self._options(operator, tflite.Conv2DOptions)
        source_layer = self._layer_of(inputs[0])
        source, made = self._layers[source_layer].output, self._tensor(output)
        weights, bias, scales = self._weights(inputs, made.channels, axis=0)
        if weights.ndim != 4 or weights.shape[3] != source.channels:
            raise self._refusal(
                f"its weights have shape {weights.shape} for {source.channels} input channels: "
                "grouped convolutions are not known"
            )
        if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise self._refusal("dilated convolutions are not known")
        self._check_kernel_size(weights[0].size)
        window = self._window(options, (weights.shape[1], weights.shape[2]), source)
        self._check_windowed(options, window, source, made)
        activation = self._activation(options)
        self._add(
            output,
            Layer("CONV_2D", (source_layer,), made, window, weights, bias, scales, activation),
        )

    def depthwise_conv_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        self._input_count(inputs, 2, 3)
        options = self._options(operator, tflite.DepthwiseConv2DOptions)
        source_layer = self._layer_of(inputs[0])
        source, made = self._layers[source_layer].output, self._tensor(output)
        weights, bias, scales = self._weights(inputs, made.channels, axis=-1 % 4)
        if weights.ndim != 4 or weights.shape[0] != 1 or made.channels % source.channels:
            raise self._damaged(f"weights {weights.shape} for {source.channels} input channels")
        if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise self._refusal("dilated convolutions are not known")
        window = self._window(options, (weights.shape[1], weights.shape[2]), source)
        self._check_kernel_size(weights.shape[1] * weights.shape[2])
        self._check_windowed(options, window, source, made)
        self._add(
            output,
            Layer(
                "DEPTHWISE_CONV_2D",
                (source_layer,),
                made,
                window,
                weights[0],
                bias,
                scales,
                self._activation(options),
            ),
        )

    def fully_connected(self, operator: Any, inputs: list[int], output: int) -> None:
        self._input_count(inputs, 2, 3)
        options = self._options(operator, tflite.FullyConnectedOptions)
        if options.WeightsFormat() != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
            raise self._refusal("its weights are shuffled")
        source_layer = self._layer_of(inputs[0])
        source, made = self._layers[source_layer].output, self._tensor(output)
        weights, bias, scales = self._weights(inputs, made.channels, axis=0)
        if weights.ndim != 2:
            raise self._damaged(f"its weights have shape {weights.shape}")
        depth = weights.shape[1]
        self._check_kernel_size(depth)
        positions = made.height * made.width
        if depth * positions != source.height * source.row_bytes:
            raise self._damaged(f"weights {weights.shape} do not fit input and output")
        if depth != source.channels:
            # The operator flattens its input by itself.
            if positions != 1:
                raise self._refusal(f"it splits the rows of {source.name!r}")
            source_layer = self._collected(source_layer, (1, 1, depth), source.name)
        elif (made.height, made.width) != (source.height, source.width):
            raise self._refusal(f"tensor {made.name!r} reorders the rows of {source.name!r}")
        self._add(
            output,
            Layer(
                "FULLY_CONNECTED",
                (source_layer,),
                made,
                Window(),
                weights[:, None, None, :],
                bias,
                scales,
                self._activation(options),
            ),
        )

    def _pool(self, op: str, operator: Any, inputs: list[int], output: int) -> None:
        self._input_count(inputs, 1)
        options = self._options(operator, tflite.Pool2DOptions)
        source_layer = self._layer_of(inputs[0])
        source, made = self._layers[source_layer].output, self._tensor(output)
        kernel = (options.FilterHeight(), options.FilterWidth())
        window = self._window(options, kernel, source)
        self._check_kernel_size(kernel[0] * kernel[1])
        self._check_windowed(options, window, source, made)
        if made.channels != source.channels:
            raise self._damaged(f"{source.channels} channels become {made.channels}")
        # The tolerance is the interpreter's own.
        if (
            abs(float(made.scale) - float(source.scale)) > 1e-6
            or made.zero_point != source.zero_point
        ):
            raise self._refusal("its input and output are quantised differently")
        activation = self._activation(options)
        self._add(output, Layer(op, (source_layer,), made, window, activation=activation))

    def average_pool_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        self._pool("AVERAGE_POOL_2D", operator, inputs, output)

    def max_pool_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        self._pool("MAX_POOL_2D", operator, inputs, output)

    def concatenation(self, operator: Any, inputs: list[int], output: int) -> None:
        options = self._options(operator, tflite.ConcatenationOptions)
        made = self._tensor(output)
        sources = tuple(self._layer_of(i) for i in inputs)
        if not 1 <= len(sources) <= 16:
            raise self._refusal(f"it joins {len(sources)} tensors; the engine takes up to 16")
        if self._activation(options) != (None, None):
            raise self._refusal("it has a fused activation")
        rank = self._raw_tensor(output).ShapeLength()
        axis = options.Axis() % rank if -rank <= options.Axis() < rank else -1
        # Joined along channels; along width, one position's channels follow another's.
        along_channels, along_width = axis == rank - 1, axis == 2 and rank == 4
        if not (along_channels or along_width):
            raise self._refusal(
                f"it joins along axis {options.Axis()}; only the last two are known"
            )
        tensors = [self._layers[i].output for i in sources]
        for tensor in tensors:
            if (tensor.scale, tensor.zero_point) != (made.scale, made.zero_point):
                raise self._refusal(
                    f"tensor {tensor.name!r} has another scale or zero point than {made.name!r}",
                    "TensorFlow Lite Micro refuses it too: convert the model again so that "
                    "the joined tensors share one quantisation",
                )
            same = (tensor.height, tensor.width if along_channels else tensor.channels)
            if same != (made.height, made.width if along_channels else made.channels):
                raise self._damaged(f"tensor {tensor.name!r} does not fit {made.name!r}")
        if sum(t.row_bytes for t in tensors) != made.row_bytes:
            raise self._damaged(f"tensor {made.name!r} has not the size of its parts")
        self._add(output, Layer("CONCATENATION", sources, made, axes=(False, along_width)))

    def add(self, operator: Any, inputs: list[int], output: int) -> None:
        self._input_count(inputs, 2)
        options = self._options(operator, tflite.AddOptions)
        made = self._tensor(output)
        sources = (self._layer_of(inputs[0]), self._layer_of(inputs[1]))
        for tensor in (self._layers[i].output for i in sources):
            if _shape_of(tensor) != _shape_of(made):
                raise self._refusal(
                    f"tensor {tensor.name!r} has shape {_shape_of(tensor)}, {made.name!r} "
                    f"{_shape_of(made)}: broadcasting is not known"
                )
        self._add(output, Layer("ADD", sources, made, activation=self._activation(options)))

    def mean(self, operator: Any, inputs: list[int], output: int) -> None:
        self._input_count(inputs, 2)
        source_layer = self._layer_of(inputs[0])
        source, made = self._layers[source_layer].output, self._tensor(output)
        rank = self._raw_tensor(inputs[0]).ShapeLength()
        axes = self._constant(inputs[1], tflite.TensorType.INT32, np.int32).reshape(-1).tolist()
        if any(not -rank <= axis < rank for axis in axes):
            raise self._damaged(f"it reduces the axes {axes} of {rank}")
        reduced = {axis % rank for axis in axes}
        known = {1, 2} if rank == 4 else {1} if rank == 3 else set()
        if not reduced or not reduced <= known:
            raise self._refusal(f"it reduces the axes {axes}; only time and frequency are known")
        height, width = 1 in reduced, 2 in reduced
        expected = (1 if height else source.height, 1 if width else source.width, source.channels)
        if made.height * made.row_bytes != expected[0] * expected[1] * expected[2]:
            raise self._damaged(f"tensor {made.name!r} has not the size of the mean")
        if height and not width and source.width > 1 and made.height != 1:
            # (1, height, width, channels) became (1, width, channels): width would be time.
            raise self._refusal("it reduces time but keeps frequency without keep_dims")
        mean = _with_shape(made, expected)
        index = self._add(output, Layer("MEAN", (source_layer,), mean, axes=(height, width)))
        if _shape_of(made) != expected:
            # Without keep_dims the same rows have another shape.
            self._made[output] = self._collected(index, _shape_of(made), made.name)

    def softmax(self, operator: Any, inputs: list[int], output: int) -> None:
        self._input_count(inputs, 1)
        options = self._options(operator, tflite.SoftmaxOptions)
        source_layer = self._layer_of(inputs[0])
        source, made = self._layers[source_layer].output, self._tensor(output)
        if _shape_of(source) != _shape_of(made):
            raise self._damaged(f"{_shape_of(source)} becomes {_shape_of(made)}")
        if (made.scale, made.zero_point) != (np.float32(1 / 256), -128):
            raise self._refusal("its output must have scale 1/256 and zero point -128")
        if not 0 < options.Beta() < 1e6:
            raise self._refusal(f"its beta is {options.Beta()}")
        # The interpreter's own check: one step of the input must be at least 2**-26.
        if float(options.Beta()) * float(source.scale) * 2.0**26 <= 1:
            raise self._refusal(f"its input's scale {source.scale} is too small")
        self._add(output, Layer("SOFTMAX", (source_layer,), made, beta=float(options.Beta())))

    def _elementwise(self, op: str, inputs: list[int], output: int) -> None:
        self._input_count(inputs, 1)
        source_layer = self._layer_of(inputs[0])
        source, made = self._layers[source_layer].output, self._tensor(output)
        if _shape_of(source) != _shape_of(made):
            raise self._damaged(f"{_shape_of(source)} becomes {_shape_of(made)}")
        if op == "RELU6" and (source.scale, source.zero_point) != (made.scale, made.zero_point):
            # TensorFlow Lite Micro only clamps, TensorFlow Lite also rescales.
            raise self._refusal("its input and output are quantised differently")
        self._add(output, Layer(op, (source_layer,), made))

    def relu(self, operator: Any, inputs: list[int], output: int) -> None:
        self._elementwise("RELU", inputs, output)

    def relu6(self, operator: Any, inputs: list[int], output: int) -> None:
        self._elementwise("RELU6", inputs, output)

    def quantize(self, operator: Any, inputs: list[int], output: int) -> None:
        self._elementwise("QUANTIZE", inputs, output)

    def reshape(self, operator: Any, inputs: list[int], output: int) -> None:
        self._input_count(inputs, 1, 2)  # The second says what the output's shape says, too.
        source_layer = self._layer_of(inputs[0])
        source, made = self._layers[source_layer].output, self._tensor(output)
        if source.height * source.row_bytes != made.height * made.row_bytes:
            raise self._damaged(f"{_shape_of(source)} becomes {_shape_of(made)}")
        if (source.scale, source.zero_point) != (made.scale, made.zero_point):
            raise self._refusal("its input and output are quantised differently")
        if output in self._made:
            raise self._damaged(f"tensor {made.name!r} is made twice")
        self._made[output] = self._collected(source_layer, _shape_of(made), made.name)

    def _collected(self, source_layer: int, shape: tuple[int, int, int], name: str) -> int:
        """Return the layer that has the data of `source_layer` in rows of `shape`."""
        source = self._layers[source_layer].output
        if _shape_of(source) == shape:
            return source_layer
        if source.height % shape[0]:
            raise self._refusal(
                f"it turns {_shape_of(source)} into {shape}, which splits rows: "
                "only whole rows can be joined"
            )
        if shape[1] * shape[2] > MAX_DIMENSION:
            raise self._refusal(f"it makes rows of {shape[1] * shape[2]} bytes")
        tensor = Tensor(name, *shape, source.scale, source.zero_point)
        self._layers.append(Layer("COLLECT", (source_layer,), tensor))
        return len(self._layers) - 1


def _shape_of(tensor: Tensor) -> tuple[int, int, int]:
    return tensor.height, tensor.width, tensor.channels


def _with_shape(tensor: Tensor, shape: tuple[int, int, int]) -> Tensor:
    return Tensor(tensor.name, *shape, tensor.scale, tensor.zero_point)


def _replaced(layer: Layer, inputs: tuple[int, ...]) -> Layer:
    return Layer(**{**vars(layer), "inputs": inputs})


_OPERATORS: dict[str, Callable[[_Reader, Any, list[int], int], None]] = {
    "CONV_2D": _Reader.conv_2d,
    "DEPTHWISE_CONV_2D": _Reader.depthwise_conv_2d,
    "FULLY_CONNECTED": _Reader.fully_connected,
    "AVERAGE_POOL_2D": _Reader.average_pool_2d,
    "MAX_POOL_2D": _Reader.max_pool_2d,
    "CONCATENATION": _Reader.concatenation,
    "ADD": _Reader.add,
    "MEAN": _Reader.mean,
    "SOFTMAX": _Reader.softmax,
    "RELU": _Reader.relu,
    "RELU6": _Reader.relu6,
    "QUANTIZE": _Reader.quantize,
    "RESHAPE": _Reader.reshape,
}
