"""Reads any `.tflite`: operators, tensors, constants, options, MACs.

`firmware_export.reader` refuses operators that the engine cannot run; this module takes every model
that the format allows. It is the only module that reads flatbuffers. It uses the package `tflite`,
and no interpreter.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile


def _names(enum: Any) -> dict[int, str]:
    return {number: name for name, number in vars(enum).items() if isinstance(number, int)}


_OPERATORS = _names(tflite.BuiltinOperator)
_TYPES = {number: name.lower() for number, name in _names(tflite.TensorType).items()}
_OPTION_KINDS = _names(tflite.BuiltinOptions)

# The options to read: kind -> field -> names of the field's values, {} if they have none.
_ACTIVATION = {"FusedActivationFunction": _names(tflite.ActivationFunctionType)}
_PADDING = {"Padding": _names(tflite.Padding), "StrideH": {}, "StrideW": {}}
_DILATION: dict[str, dict[int, str]] = {"DilationHFactor": {}, "DilationWFactor": {}}
_OPTIONS: dict[str, dict[str, dict[int, str]]] = {
    "Conv2DOptions": {**_PADDING, **_DILATION, **_ACTIVATION},
    "DepthwiseConv2DOptions": {**_PADDING, **_DILATION, **_ACTIVATION},
    "Pool2DOptions": {**_PADDING, "FilterHeight": {}, "FilterWidth": {}, **_ACTIVATION},
    "FullyConnectedOptions": {
        "WeightsFormat": _names(tflite.FullyConnectedOptionsWeightsFormat),
        **_ACTIVATION,
    },
    "ConcatenationOptions": {"Axis": {}, **_ACTIVATION},
    "AddOptions": _ACTIVATION,
    "SubOptions": _ACTIVATION,
    "MulOptions": _ACTIVATION,
    "LeakyReluOptions": {"Alpha": {}},
    "SoftmaxOptions": {"Beta": {}},
    "BatchMatMulOptions": {"AdjX": {}, "AdjY": {}},
    "VarHandleOptions": {"Container": {}, "SharedName": {}},
    "CallOnceOptions": {"InitSubgraphIndex": {}},
    "StridedSliceOptions": {
        "BeginMask": {},
        "EndMask": {},
        "EllipsisMask": {},
        "NewAxisMask": {},
        "ShrinkAxisMask": {},
    },
}

# Types of trained constants; constants of other types are shapes, axes and paddings.
_WEIGHT_TYPES = ("float32", "float16", "int8", "int4", "int16", "uint8")
_HAVE_BIAS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# Operators that multiply by a constant of several dimensions without summing.
_ELEMENTWISE = ("ADD", "SUB", "MUL", "DIV", "PRELU", "DEQUANTIZE", "GATHER", "MAXIMUM", "MINIMUM")


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        index: Its place among the graph's tensors.
        name: Its name in the file.
        shape: Its sizes; -1 for an undefined size.
        fixed_shape: Its sizes, with the interpreter's default for an undefined size.
        type: Such as "int8".
        scales: Real value of a step: one, or one for each channel; empty if not quantised.
        zero_points: One for each scale, or one for all.
        scales_axis: The axis of the channels of `scales`.
        is_variable: Whether it keeps its values from one run to the next.
        is_sparse: Whether the file leaves out its zeros.
        data: The bytes of a constant in the file, uint8 (n,); empty for a computed tensor.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    fixed_shape: tuple[int, ...]
    type: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    scales_axis: int
    is_variable: bool
    is_sparse: bool
    data: NDArray[np.uint8] = field(repr=False, compare=False)

    @property
    def constant_bytes(self) -> int:
        """Bytes of its data in the file; 0 for a computed tensor."""
        return len(self.data)

    @property
    def channel_axis(self) -> int | None:
        """The axis of the channels of `scales`; None if there are not several scales."""
        return self.scales_axis if len(self.scales) > 1 else None

    @property
    def elements(self) -> int:
        """The number of its values."""
        return math.prod(abs(n) for n in self.shape)


@dataclass(frozen=True)
class Operator:
    """An operator.

    Attributes:
        name: The schema's name, such as "CONV_2D", or a custom operator's own name.
        is_builtin: Whether the schema has the operator.
        version: The operator's version, which an interpreter must support.
        operands: The tensors that it reads, in order; None for one that the file leaves out.
        outputs: The tensors that it makes.
        options_kind: The schema's name of its options, such as "Conv2DOptions"; "" without options.
        options: The options that this module reads. The value of an enumeration is its name, or its
            number if the schema has no name for it.
    """

    name: str
    is_builtin: bool
    version: int
    operands: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options_kind: str
    options: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The operator's name in errors."""
        return self.name if self.is_builtin else f"CUSTOM {self.name[:60]!r}"

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The operands, without those that the file leaves out."""
        return tuple(t for t in self.operands if t is not None)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The computed operands."""
        return tuple(t for t in self.tensors if not t.constant_bytes)

    @property
    def constants(self) -> tuple[Tensor, ...]:
        """The constant operands."""
        return tuple(t for t in self.tensors if t.constant_bytes)

    @property
    def trained(self) -> dict[int, Tensor]:
        """The weights and biases, by tensor index."""
        return {
            tensor.index: tensor
            for place, tensor in enumerate(self.operands)
            if tensor is not None and self._is_trained(place, tensor)
        }

    def _is_trained(self, place: int, tensor: Tensor) -> bool:
        if not tensor.constant_bytes:
            return False
        if tensor.type in ("int32", "int64"):  # an int8 layer's bias
            return place == 2 and self.name in _HAVE_BIAS
        return tensor.type in _WEIGHT_TYPES

    @property
    def parameters(self) -> int:
        """The number of trained values."""
        return sum(tensor.elements for tensor in self.trained.values())

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates, including those with padding; None if this operator is unknown."""
        inputs = self.tensors
        if not self.outputs or len(inputs) < 2:
            return 0
        made, weights = self.outputs[0].elements, inputs[1].shape
        if self.name == "CONV_2D" and len(weights) == 4:
            return made * math.prod(weights[1:])
        if self.name == "DEPTHWISE_CONV_2D" and len(weights) == 4:
            return made * weights[1] * weights[2]
        if self.name == "FULLY_CONNECTED" and len(weights) == 2:
            return made * weights[1]
        if self.name == "BATCH_MATMUL" and inputs[0].shape:
            return made * abs(inputs[0].shape[-1])
        sums = any(len(t.shape) > 1 and t.type in _WEIGHT_TYPES for t in self.constants)
        return None if sums and self.name not in _ELEMENTWISE else 0


@dataclass(frozen=True)
class Graph:
    """A graph of operators.

    Attributes:
        description: The converter's text in the file.
        subgraphs: The number of graphs in the file; the first is the main graph.
        tensors: All tensors, used or not.
        inputs: The tensors that the caller sets.
        outputs: The tensors that the caller reads.
        operators: The operators, in execution order.
    """

    description: str
    subgraphs: int
    tensors: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]

    @cached_property
    def parameters(self) -> int:
        """The number of trained values; a tensor used twice counts once."""
        trained: dict[int, Tensor] = {}
        for operator in self.operators:
            trained |= operator.trained
        return sum(tensor.elements for tensor in trained.values())


def read_graph(file: ModelFile) -> Graph:
    """Read the main graph of a `.tflite`; see `read_graphs`."""
    return read_graphs(file)[0]


def read_graphs(file: ModelFile) -> tuple[Graph, ...]:
    """Read a `.tflite`.

    Args:
        file: With or without a contract.

    Returns:
        The main graph, then the graphs that its control flow calls.

    Raises:
        ModelError: The file is not a `.tflite`, or is damaged.
    """
    if not file.is_flatbuffer:
        raise ModelError(
            f"{file.name} is not a TensorFlow Lite model", "give a .tflite or .keras file"
        )
    try:
        return _Parser(file.flatbuffer).graphs()
    except _Damage as damage:
        reason: object = damage
    except (struct.error, ValueError, IndexError, TypeError, AttributeError, OverflowError) as e:
        # The flatbuffer library raises these when an offset or a length points outside the file.
        reason = e
    raise ModelError(
        f"{file.name}: the model is damaged or truncated: {reason}", "get the file again"
    )


class _Damage(Exception):
    """The file contradicts the format."""


class _Parser:
    """Parses one file in one pass; see `read_graphs`."""

    def __init__(self, flatbuffer: bytes) -> None:
        self._bytes = len(flatbuffer)
        # A limit for all lists together. An entry takes four bytes, so an undamaged file stays far
        # below it. The lists of a damaged file may overlap and would take endless time and memory.
        self._entries_left = len(flatbuffer)
        self._model = tflite.Model.GetRootAs(flatbuffer, 0)
        self._tensors: tuple[Tensor, ...] = ()

    def graphs(self) -> tuple[Graph, ...]:
        count = self._model.SubgraphsLength()
        if count < 1:
            raise _Damage("it has no graph")
        return tuple(self._graph(self._model.Subgraphs(i)) for i in range(self._listed(count)))

    def _graph(self, raw: Any) -> Graph:
        self._tensors = tuple(
            self._tensor(i, raw.Tensors(i)) for i in range(self._listed(raw.TensorsLength()))
        )
        return Graph(
            description=self._text(self._model.Description()),
            subgraphs=self._model.SubgraphsLength(),
            tensors=self._tensors,
            inputs=self._those([raw.Inputs(i) for i in range(self._listed(raw.InputsLength()))]),
            outputs=self._those([raw.Outputs(i) for i in range(self._listed(raw.OutputsLength()))]),
            operators=tuple(
                self._operator(raw.Operators(i)) for i in range(self._listed(raw.OperatorsLength()))
            ),
        )

    def _listed(self, length: int) -> int:
        """Return a list's length after checking it against the limit of all entries."""
        if not 0 <= length <= self._entries_left:
            raise _Damage(f"it claims a list of {length} entries in {self._bytes} bytes")
        self._entries_left -= length
        return length

    def _text(self, raw: bytes | None) -> str:
        self._listed(len(raw or b"") // 4)
        text = (raw or b"").decode("utf-8", "replace")
        return "".join(c if c.isprintable() else "?" for c in text)

    def _those(self, indices: list[int]) -> tuple[Tensor, ...]:
        for index in indices:
            if not 0 <= index < len(self._tensors):
                raise _Damage(f"there is no tensor {index}")
        return tuple(self._tensors[index] for index in indices)

    def _tensor(self, index: int, raw: Any) -> Tensor:
        name = self._text(raw.Name())
        fixed_shape = tuple(int(raw.Shape(i)) for i in range(self._listed(raw.ShapeLength())))
        signature = tuple(
            int(raw.ShapeSignature(i)) for i in range(self._listed(raw.ShapeSignatureLength()))
        )
        shape = signature or fixed_shape
        if len(shape) > 8 or any(not -1 <= n < 1 << 31 for n in shape):
            raise _Damage(f"tensor {name!r} has the shape {shape[:9]}")
        scales: tuple[float, ...] = ()
        zero_points: tuple[int, ...] = ()
        axis = 0
        if (quantisation := raw.Quantization()) is not None:
            scales = tuple(
                float(quantisation.Scale(i))
                for i in range(self._listed(quantisation.ScaleLength()))
            )
            zero_points = tuple(
                int(quantisation.ZeroPoint(i))
                for i in range(self._listed(quantisation.ZeroPointLength()))
            )
            if not all(map(math.isfinite, scales)):
                raise _Damage(f"tensor {name!r} has a scale that is not a number")
            axis = int(quantisation.QuantizedDimension())
        return Tensor(
            index,
            name,
            shape,
            fixed_shape,
            _TYPES.get(raw.Type(), f"type {raw.Type()}"),
            scales,
            zero_points,
            axis,
            bool(raw.IsVariable()),
            raw.Sparsity() is not None,
            self._data(raw.Buffer(), name),
        )

    def _data(self, buffer: int, name: str) -> NDArray[np.uint8]:
        """Return a view of a buffer's bytes in the file."""
        if not 0 <= buffer < self._model.BuffersLength():
            raise _Damage(f"tensor {name!r} has no buffer")
        raw = self._model.Buffers(buffer)
        if not 0 <= raw.DataLength() <= self._bytes:
            raise _Damage(f"tensor {name!r} claims {raw.DataLength()} of {self._bytes} bytes")
        # The schema's accessor returns 0 instead of an empty array.
        return raw.DataAsNumpy() if raw.DataLength() else np.zeros(0, np.uint8)

    def _operator(self, raw: Any) -> Operator:
        if not 0 <= raw.OpcodeIndex() < self._model.OperatorCodesLength():
            raise _Damage("an operator has no code")
        code = self._model.OperatorCodes(raw.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = _OPERATORS.get(number, f"operator code {number}")
        is_builtin = number in _OPERATORS and name != "CUSTOM"
        if name == "CUSTOM":
            name = self._text(code.CustomCode()) or name
        # -1 means that the file leaves out this input.
        indices = [raw.Inputs(i) for i in range(self._listed(raw.InputsLength()))]
        self._those([index for index in indices if index != -1])
        kind, options = _options(raw)
        return Operator(
            name,
            is_builtin,
            int(code.Version()),
            tuple(None if index == -1 else self._tensors[index] for index in indices),
            self._those([raw.Outputs(i) for i in range(self._listed(raw.OutputsLength()))]),
            kind,
            options,
        )


def _options(raw: Any) -> tuple[str, dict[str, Any]]:
    """Return the kind of an operator's options, and the options in `_OPTIONS`."""
    kind, table = _OPTION_KINDS.get(raw.BuiltinOptionsType(), ""), raw.BuiltinOptions()
    if table is None or kind not in _OPTIONS:
        return kind if table is not None else "", {}
    options = getattr(tflite, kind)()
    options.Init(table.Bytes, table.Pos)
    values = {name: _plain(getattr(options, name)()) for name in _OPTIONS[kind]}
    return kind, {name: _OPTIONS[kind][name].get(value, value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Return an option's value; bytes become text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def quantised(tensor: Tensor) -> dict[str, Any] | None:
    """Return a tensor's quantisation for JSON; None if it is not quantised."""
    if not tensor.scales:
        return None
    scales = np.array(tensor.scales, np.float32)
    return {
        "per_channel": len(scales) > 1,
        "channels": len(scales),
        "axis": tensor.channel_axis,
        "scale": tensor.scales[0] if len(scales) == 1 else None,
        "scale_range": [float(scales.min()), float(scales.max())],
        "zero_points": sorted(set(tensor.zero_points)),
    }
