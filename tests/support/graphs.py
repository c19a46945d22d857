"""Builds small int8 `.tflite` files directly from the schema, and random networks of such files.

TensorFlow's converter would choose harmless scales, zero points and shapes. The choices here are
awkward on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

Shape = tuple[int, ...]

# For operators without a version 3: interpreters look up an operator by code and version.
_VERSIONS = {
    tflite.BuiltinOperator.L2_NORMALIZATION: 2,
    tflite.BuiltinOperator.LOG_SOFTMAX: 2,
    tflite.BuiltinOperator.QUANTIZE: 2,
    tflite.BuiltinOperator.RESHAPE: 1,
    tflite.BuiltinOperator.SPACE_TO_DEPTH: 2,
    tflite.BuiltinOperator.CALL_ONCE: 1,
    tflite.BuiltinOperator.VAR_HANDLE: 1,
    tflite.BuiltinOperator.READ_VARIABLE: 1,
    tflite.BuiltinOperator.ASSIGN_VARIABLE: 1,
}


@dataclass
class Entry:
    """A tensor of a graph being built."""

    shape: Shape
    kind: int = tflite.TensorType.INT8
    scales: tuple[float, ...] = ()
    zero_point: int = 0
    data: bytes = b""
    quantized_dimension: int = 0
    name: str = ""
    signature: Shape = ()  # -1 for a size that is not fixed


@dataclass
class Graph:
    """A graph being built. Each method adds an operator and returns its output's tensor number."""

    entries: list[Entry] = field(default_factory=list)
    operators: list[tuple[int, list[int], list[int], str, Callable[[Any], int] | None]] = field(
        default_factory=list
    )
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    started: dict[str, int] = field(default_factory=dict)
    """By variable name: the constant that a CALL_ONCE assigns to the variable."""

    def tensor(self, shape: Shape, scale: float, zero_point: int, name: str = "") -> int:
        self.entries.append(Entry(shape, scales=(scale,), zero_point=zero_point, name=name))
        return len(self.entries) - 1

    def constant(
        self, data: NDArray[Any], scales: Sequence[float] = (), quantized_dimension: int = 0
    ) -> int:
        kind = {
            np.dtype(np.float32): tflite.TensorType.FLOAT32,
            np.dtype(np.uint8): tflite.TensorType.UINT8,
            np.dtype(np.int8): tflite.TensorType.INT8,
            np.dtype(np.int32): tflite.TensorType.INT32,
        }
        self.entries.append(
            Entry(
                data.shape,
                kind[data.dtype],
                tuple(scales),
                data=data.tobytes(),
                quantized_dimension=quantized_dimension,
            )
        )
        return len(self.entries) - 1

    def input(self, shape: Shape, scale: float, zero_point: int) -> int:
        self.inputs.append(self.tensor(shape, scale, zero_point, "input"))
        return self.inputs[-1]

    def variable(self, name: str, started: int | None = None) -> int:
        """Add a VAR_HANDLE; `started` is the constant that a CALL_ONCE assigns first."""
        if started is not None:
            self.started[name] = started
        self.entries.append(Entry((), tflite.TensorType.RESOURCE))
        handle = len(self.entries) - 1
        self.operators.append((VAR_HANDLE, [], [handle], "VarHandleOptions", _handle(name)))
        return handle

    def read(self, handle: int, output: int) -> int:
        """Add a READ_VARIABLE."""
        return self.operator("READ_VARIABLE", [handle], output)

    def write(self, handle: int, value: int) -> None:
        """Add an ASSIGN_VARIABLE."""
        self.operators.append((ASSIGN_VARIABLE, [handle, value], [], "", None))

    def operator(
        self,
        name: str,
        inputs: list[int],
        output: int,
        options: str = "",
        values: dict[str, Any] | None = None,
    ) -> int:
        """Add an operator; `options` names the schema's table, `values` its fields."""

        def build(builder: Any) -> int:
            getattr(tflite, f"{options}Start")(builder)
            for key, value in (values or {}).items():
                getattr(tflite, f"{options}Add{key}")(builder, value)
            return int(getattr(tflite, f"{options}End")(builder))

        code = getattr(tflite.BuiltinOperator, name)
        self.operators.append((code, inputs, [output], options, build if options else None))
        return output

    def finish(self, *outputs_made: int) -> bytes:
        """Return the `.tflite` file with these tensors as outputs, usually one."""
        b = flatbuffers.Builder(1024)
        starting = self._starting()
        buffers: list[bytes] = [b""]
        for entry in self.entries:
            if entry.data:
                buffers.append(entry.data)
        tensors, used = [], 0
        for number, entry in enumerate(self.entries):
            used += bool(entry.data)
            tensors.append(self._tensor(b, entry, number, used if entry.data else 0))
        codes = sorted({operator[0] for operator in [*self.operators, *starting]})
        operators = [self._operator(b, operator, codes) for operator in self.operators]
        tensor_vector = _offsets(b, tflite.SubGraphStartTensorsVector, tensors)
        operator_vector = _offsets(b, tflite.SubGraphStartOperatorsVector, operators)
        inputs = b.CreateNumpyVector(np.array(self.inputs, np.int32))
        outputs = b.CreateNumpyVector(np.array(outputs_made, np.int32))
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensor_vector)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operator_vector)
        subgraphs = [tflite.SubGraphEnd(b)]
        if starting:
            made = [self._operator(b, operator, codes) for operator in starting]
            operator_vector = _offsets(b, tflite.SubGraphStartOperatorsVector, made)
            nothing = b.CreateNumpyVector(np.zeros(0, np.int32))
            tflite.SubGraphStart(b)
            tflite.SubGraphAddTensors(b, tensor_vector)
            tflite.SubGraphAddInputs(b, nothing)
            tflite.SubGraphAddOutputs(b, nothing)
            tflite.SubGraphAddOperators(b, operator_vector)
            subgraphs.append(tflite.SubGraphEnd(b))
        code_offsets = []
        for code in codes:
            tflite.OperatorCodeStart(b)
            tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, 127))
            tflite.OperatorCodeAddBuiltinCode(b, code)
            tflite.OperatorCodeAddVersion(b, _VERSIONS.get(code, 3))
            code_offsets.append(tflite.OperatorCodeEnd(b))
        buffer_offsets = []
        for data in buffers:
            # Interpreters require aligned tensor data.
            vector = self._aligned(b, data) if data else None
            tflite.BufferStart(b)
            if vector is not None:
                tflite.BufferAddData(b, vector)
            buffer_offsets.append(tflite.BufferEnd(b))
        graphs = _offsets(b, tflite.ModelStartSubgraphsVector, subgraphs)
        code_vector = _offsets(b, tflite.ModelStartOperatorCodesVector, code_offsets)
        buffer_vector = _offsets(b, tflite.ModelStartBuffersVector, buffer_offsets)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddSubgraphs(b, graphs)
        tflite.ModelAddOperatorCodes(b, code_vector)
        tflite.ModelAddBuffers(b, buffer_vector)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _starting(self) -> list[Any]:
        """Put a CALL_ONCE first if variables need one; return the operators that it calls."""
        if not self.started:
            return []
        operators: list[Any] = []
        for name, constant in self.started.items():
            self.entries.append(Entry((), tflite.TensorType.RESOURCE))
            handle = len(self.entries) - 1
            operators.append((VAR_HANDLE, [], [handle], "VarHandleOptions", _handle(name)))
            operators.append((ASSIGN_VARIABLE, [handle, constant], [], "", None))

        def build(builder: Any) -> int:
            tflite.CallOnceOptionsStart(builder)
            tflite.CallOnceOptionsAddInitSubgraphIndex(builder, 1)
            return int(tflite.CallOnceOptionsEnd(builder))

        once = tflite.BuiltinOperator.CALL_ONCE
        self.operators.insert(0, (once, [], [], "CallOnceOptions", build))
        return operators

    @staticmethod
    def _aligned(b: Any, data: bytes) -> int:
        b.StartVector(1, len(data), 16)
        b.head -= len(data)
        b.Bytes[b.head : b.head + len(data)] = data
        return int(b.EndVector())

    @staticmethod
    def _tensor(b: Any, entry: Entry, number: int, buffer: int) -> int:
        name = b.CreateString(entry.name or f"t{number}")
        shape = b.CreateNumpyVector(np.array(entry.shape, np.int32))
        signature = b.CreateNumpyVector(np.array(entry.signature, np.int32))
        quantisation = None
        if entry.scales:
            scales = b.CreateNumpyVector(np.array(entry.scales, np.float32))
            points = b.CreateNumpyVector(np.full(len(entry.scales), entry.zero_point, np.int64))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scales)
            tflite.QuantizationParametersAddZeroPoint(b, points)
            tflite.QuantizationParametersAddQuantizedDimension(b, entry.quantized_dimension)
            quantisation = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, entry.kind)
        if entry.signature:
            tflite.TensorAddShapeSignature(b, signature)
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, name)
        if quantisation is not None:
            tflite.TensorAddQuantization(b, quantisation)
        return int(tflite.TensorEnd(b))

    @staticmethod
    def _operator(b: Any, operator: Any, codes: list[int]) -> int:
        code, inputs, outputs, options, build = operator
        table = build(b) if build else None
        input_vector = b.CreateNumpyVector(np.array(inputs, np.int32))
        output_vector = b.CreateNumpyVector(np.array(outputs, np.int32))
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, codes.index(code))
        tflite.OperatorAddInputs(b, input_vector)
        tflite.OperatorAddOutputs(b, output_vector)
        if table is not None:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, options))
            tflite.OperatorAddBuiltinOptions(b, table)
        return int(tflite.OperatorEnd(b))


VAR_HANDLE = tflite.BuiltinOperator.VAR_HANDLE
ASSIGN_VARIABLE = tflite.BuiltinOperator.ASSIGN_VARIABLE


def _handle(name: str) -> Callable[[Any], int]:
    """Return a function that writes the options of a VAR_HANDLE."""

    def build(builder: Any) -> int:
        text = builder.CreateString(name)
        tflite.VarHandleOptionsStart(builder)
        tflite.VarHandleOptionsAddSharedName(builder, text)
        return int(tflite.VarHandleOptionsEnd(builder))

    return build


def _offsets(b: Any, start: Callable[[Any, int], Any], offsets: list[int]) -> int:
    start(b, len(offsets))
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


SAME, VALID = tflite.Padding.SAME, tflite.Padding.VALID
_ACTIVATIONS = (
    tflite.ActivationFunctionType.NONE,
    tflite.ActivationFunctionType.RELU,
    tflite.ActivationFunctionType.RELU6,
    tflite.ActivationFunctionType.RELU_N1_TO_1,
)


class RandomGraph:
    """A random network; the same seed gives the same file."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = Graph()

    # Choices

    def pick(self, *values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def scale(self) -> float:
        return float(np.float32(10 ** self.rng.uniform(-3, 0)))

    def zero_point(self) -> int:
        return int(self.pick(-128, 0, 127, self.rng.integers(-128, 128)))

    def gain(self) -> float:
        """How much of the int8 range typical sums fill: from too little to too much."""
        return float(2.0 ** self.pick(0, 0, 0, self.rng.uniform(-2, 2), self.rng.uniform(-8, 7)))

    def activation(self) -> int:
        return int(self.pick(*_ACTIVATIONS, tflite.ActivationFunctionType.NONE))

    def shape(self, tensor: int) -> Shape:
        return self.graph.entries[tensor].shape

    def _window(self, source: int, most: int) -> tuple[int, tuple[int, int], tuple[int, int]]:
        _, height, width, _ = self.shape(source)
        padding = self.pick(SAME, SAME, VALID)
        kernel = [int(self.rng.integers(1, most + 1)) for _ in range(2)]
        if self.pick(True, False, False):
            kernel[int(self.rng.integers(2))] = 1
        if padding == VALID:
            kernel = [min(kernel[0], height), min(kernel[1], width)]
        stride = [int(self.pick(1, 1, 1, 2, 2, 3)) for _ in range(2)]
        return padding, (kernel[0], kernel[1]), (stride[0], stride[1])

    def _slid(
        self, source: int, padding: int, kernel: tuple[int, int], stride: tuple[int, int]
    ) -> tuple[int, int]:
        _, height, width, _ = self.shape(source)
        if padding == SAME:
            return -(-height // stride[0]), -(-width // stride[1])
        return (height - kernel[0]) // stride[0] + 1, (width - kernel[1]) // stride[1] + 1

    def _weights(
        self, source: int, shape: Shape, axis: int, fan_in: int, output_scale: float
    ) -> tuple[list[int], float]:
        """Return constants for weights and bias, and a suitable output scale."""
        channels = shape[axis]
        small = self.pick(False, False, True)
        weights = self.rng.integers(-2 if small else -127, 3 if small else 128, shape)
        weights = weights.astype(np.int8)
        spread = float(np.sqrt(fan_in) * (1.3 if small else 73.0) * 80.0)
        # sums * multiplier shall spread over about 60 steps of the output.
        multiplier = 60.0 / spread * self.gain()
        input_scale = self.graph.entries[source].scales[0]
        per_channel = self.pick(True, True, False)
        count = channels if per_channel else 1
        scales = multiplier * output_scale / input_scale * 2 ** self.rng.uniform(-1, 1, count)
        inputs = [self.graph.constant(weights, [float(np.float32(s)) for s in scales], axis)]
        # In TensorFlow Lite, convolutions need a bias; dense layers do not.
        if len(shape) == 4 or self.pick(True, False):
            bias = self.rng.normal(0, spread, channels).astype(np.int32)
            bias_scales = [float(np.float32(input_scale * np.float32(s))) for s in scales]
            inputs.append(self.graph.constant(bias, bias_scales))
        return inputs, output_scale

    # Operators

    def conv(self, source: int, channels: int | None = None, **fixed: Any) -> int:
        padding, kernel, stride = fixed.get("window") or self._window(source, 11)
        height, width = self._slid(source, padding, kernel, stride)
        depth = self.shape(source)[3]
        channels = channels or int(self.pick(1, 2, 3, 4, 5, 7, 8, 16))
        scale = fixed.get("scale") or self.scale()
        constants, _ = self._weights(
            source, (channels, *kernel, depth), 0, kernel[0] * kernel[1] * depth, scale
        )
        zero_point = fixed["zero_point"] if "zero_point" in fixed else self.zero_point()
        output = self.graph.tensor((1, height, width, channels), scale, zero_point)
        return self.graph.operator(
            "CONV_2D",
            [source, *constants],
            output,
            "Conv2DOptions",
            {
                "Padding": padding,
                "StrideH": stride[0],
                "StrideW": stride[1],
                "DilationHFactor": 1,
                "DilationWFactor": 1,
                "FusedActivationFunction": self.activation(),
            },
        )

    def depthwise(self, source: int, **fixed: Any) -> int:
        padding, kernel, stride = fixed.get("window") or self._window(source, 7)
        # TensorFlow Lite's depthwise kernel needs the same stride on both axes.
        stride = (stride[0], stride[0])
        height, width = self._slid(source, padding, kernel, stride)
        multiple = int(self.pick(1, 1, 2, 3))
        channels = self.shape(source)[3] * multiple
        scale = self.scale()
        constants, _ = self._weights(
            source, (1, *kernel, channels), 3, kernel[0] * kernel[1], scale
        )
        output = self.graph.tensor((1, height, width, channels), scale, self.zero_point())
        return self.graph.operator(
            "DEPTHWISE_CONV_2D",
            [source, *constants],
            output,
            "DepthwiseConv2DOptions",
            {
                "Padding": padding,
                "StrideH": stride[0],
                "StrideW": stride[1],
                "DepthMultiplier": multiple,
                "DilationHFactor": 1,
                "DilationWFactor": 1,
                "FusedActivationFunction": self.activation(),
            },
        )

    def pool(self, source: int, **fixed: Any) -> int:
        padding, kernel, stride = fixed.get("window") or self._window(source, 4)
        _, height, width, _ = self.shape(source)
        if "window" not in fixed and height >= 8 and self.pick(True, False):
            # Tall kernels without overlap, up to the whole height like a global pool.
            tall = int(self.pick(height, self.rng.integers(8, height + 1)))
            padding, kernel = VALID, (tall, min(kernel[1], width))
            stride = (tall, stride[1])
        height, width = self._slid(source, padding, kernel, stride)
        entry = self.graph.entries[source]
        output = self.graph.tensor(
            (1, height, width, entry.shape[3]), entry.scales[0], entry.zero_point
        )
        return self.graph.operator(
            self.pick("AVERAGE_POOL_2D", "MAX_POOL_2D"),
            [source],
            output,
            "Pool2DOptions",
            {
                "Padding": padding,
                "StrideH": stride[0],
                "StrideW": stride[1],
                "FilterHeight": kernel[0],
                "FilterWidth": kernel[1],
                "FusedActivationFunction": self.activation(),
            },
        )

    def quantize(self, source: int, scale: float, zero_point: int) -> int:
        output = self.graph.tensor(self.shape(source), scale, zero_point)
        return self.graph.operator("QUANTIZE", [source], output, "QuantizeOptions")

    def requantize(self, source: int) -> int:
        entry = self.graph.entries[source]
        factor = 2 ** self.rng.uniform(-3, 3)
        return self.quantize(source, float(np.float32(entry.scales[0] * factor)), self.zero_point())

    def relu(self, source: int) -> int:
        entry = self.graph.entries[source]
        factor = 2 ** self.rng.uniform(-2, 2)
        output = self.graph.tensor(
            entry.shape, float(np.float32(entry.scales[0] * factor)), self.zero_point()
        )
        return self.graph.operator("RELU", [source], output)

    def relu6(self, source: int) -> int:
        entry = self.graph.entries[source]
        output = self.graph.tensor(entry.shape, entry.scales[0], entry.zero_point)
        return self.graph.operator("RELU6", [source], output)

    def add(self, source: int) -> int:
        """Add a residual block: the sum of the source and a convolution of it."""
        other = self.conv(
            source,
            self.shape(source)[3],
            window=(SAME, (int(self.pick(1, 3, 5)), int(self.pick(1, 3))), (1, 1)),
        )
        scales = [self.graph.entries[i].scales[0] for i in (source, other)]
        scale = float(np.float32(max(scales) * 2 ** self.rng.uniform(-1, 2)))
        output = self.graph.tensor(self.shape(source), scale, self.zero_point())
        pair = self.pick([source, other], [other, source])
        return self.graph.operator(
            "ADD", pair, output, "AddOptions", {"FusedActivationFunction": self.activation()}
        )

    def concatenate(self, source: int) -> int:
        """Add two to four branches of different kernel heights, joined by channels or width."""
        scale, zero_point = self.scale(), self.zero_point()
        stride = (int(self.pick(1, 1, 2)), int(self.pick(1, 2)))
        along_width = self.pick(True, False, False)
        width_channels = int(self.pick(1, 3, 4))
        branches = []
        for _ in range(int(self.pick(2, 2, 3, 4))):
            kernel = (int(self.rng.integers(1, 12)), int(self.rng.integers(1, 12)))
            window = (SAME, kernel, stride)
            channels = width_channels if along_width else None
            if self.pick(True, False):
                branches.append(
                    self.conv(source, channels, window=window, scale=scale, zero_point=zero_point)
                )
            else:
                branch = self.conv(source, channels, window=window)
                branches.append(self.quantize(branch, scale, zero_point))
        if not along_width and stride == (1, 1) and self.pick(True, False):
            branches.append(self.quantize(source, scale, zero_point))
        shapes = [self.shape(i) for i in branches]
        _, height, width, channels = shapes[0]
        if along_width:
            shape = (1, height, sum(s[2] for s in shapes), channels)
        else:
            shape = (1, height, width, sum(s[3] for s in shapes))
        output = self.graph.tensor(shape, scale, zero_point)
        return self.graph.operator(
            "CONCATENATION",
            branches,
            output,
            "ConcatenationOptions",
            {"Axis": self.pick(2, -2) if along_width else self.pick(3, -1)},
        )

    def mean(self, source: int, axes: tuple[int, ...], keep_dims: bool) -> int:
        entry = self.graph.entries[source]
        if keep_dims:
            shape = tuple(1 if i in axes else n for i, n in enumerate(entry.shape))
        else:
            shape = tuple(n for i, n in enumerate(entry.shape) if i not in axes)
        scale = float(np.float32(entry.scales[0] * 2 ** self.rng.uniform(-2, 1)))
        output = self.graph.tensor(shape, scale, self.zero_point())
        indices = self.graph.constant(np.array(axes, np.int32))
        return self.graph.operator(
            "MEAN", [source, indices], output, "ReducerOptions", {"KeepDims": keep_dims}
        )

    def reshape(self, source: int, shape: Shape) -> int:
        entry = self.graph.entries[source]
        output = self.graph.tensor(shape, entry.scales[0], entry.zero_point)
        wanted = self.graph.constant(np.array(shape, np.int32))
        return self.graph.operator("RESHAPE", [source, wanted], output, "ReshapeOptions")

    def dense(self, source: int, channels: int | None = None) -> int:
        depth = int(np.prod(self.shape(source)))
        channels, scale = channels or int(self.pick(1, 2, 4, 7, 10)), self.scale()
        constants, _ = self._weights(source, (channels, depth), 0, depth, scale)
        output = self.graph.tensor((1, channels), scale, self.zero_point())
        return self.graph.operator(
            "FULLY_CONNECTED",
            [source, *constants],
            output,
            "FullyConnectedOptions",
            {"FusedActivationFunction": self.activation()},
        )

    def softmax(self, source: int) -> int:
        output = self.graph.tensor(self.shape(source), 1 / 256, -128)
        return self.graph.operator(
            "SOFTMAX", [source], output, "SoftmaxOptions", {"Beta": float(self.pick(1, 1, 0.5, 3))}
        )

    def build(self) -> bytes:
        """Return the `.tflite` file."""
        height, width = (int(self.rng.integers(1, n)) for n in (41, 15))
        channels = int(self.pick(1, 1, 1, 2, 3, 4, 8))
        last = self.graph.input((1, height, width, channels), self.scale(), self.zero_point())
        bodies = [
            self.conv, self.conv, self.conv, self.depthwise, self.pool, self.pool,
            self.requantize, self.relu, self.relu6, self.add, self.concatenate,
        ]  # fmt: skip
        for _ in range(int(self.rng.integers(1, 6))):
            last = self.pick(*bodies)(last)
        if self.pick(True, True, False):
            _, height, width, channels = self.shape(last)
            head = self.pick("mean", "flatten", "dense", "keep", "time", "frequency")
            if head == "mean":
                last = self.mean(last, (1, 2), keep_dims=False)
            elif head == "keep":
                last = self.mean(last, (1, 2), keep_dims=True)
            elif head == "time":
                last = self.mean(last, (1,), keep_dims=True)
            elif head == "frequency":
                last = self.mean(last, (2,), keep_dims=True)
            elif head == "flatten":
                last = self.reshape(last, (1, height * width * channels))
            last = self.dense(last)
            if self.pick(True, True, False):
                last = self.softmax(last)
        return self.graph.finish(last)
