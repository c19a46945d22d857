"""Reads what any `.tflite` says of itself: operators, tensors, quantisation, parameters, work.

Unlike `firmware_export.reader`, which refuses what the engine cannot run, this takes every model
that the format allows. It needs the package `tflite` and nothing that runs a model.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite

from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile

_OP_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
_TYPE_NAMES = {v: k.lower() for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}

# Types of what was trained; other constants are shapes, axes and paddings.
_WEIGHT_TYPES = ("float32", "float16", "int8", "int4", "int16", "uint8")
# Operators that multiply by a constant of several dimensions without summing.
_ELEMENTWISE = ("ADD", "SUB", "MUL", "DIV", "PRELU", "DEQUANTIZE", "GATHER", "MAXIMUM", "MINIMUM")


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        name: As in the file.
        shape: Its sizes; -1 is one that is not fixed.
        type: Such as "int8".
        scales: Real values of a step, one, or one a channel; none: not quantised.
        zero_points: Likewise.
        channel_axis: Along which axis `scales` are, if there are several.
        constant_bytes: Of its data in the file; 0: it is computed.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    channel_axis: int | None
    constant_bytes: int

    @property
    def elements(self) -> int:
        """How many values it has."""
        return math.prod(abs(n) for n in self.shape)


@dataclass(frozen=True)
class Operator:
    """An operator.

    Attributes:
        name: The schema's, such as "CONV_2D"; a custom one's own.
        version: Of the operator, as interpreters must know it.
        inputs: Computed tensors that it reads.
        constants: Constant tensors that it reads.
        outputs: What it makes.
        parameters: Trained values among the constants.
        macs: Multiplications with addition; None: not known for this operator.
    """

    name: str
    version: int
    inputs: tuple[Tensor, ...]
    constants: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameters: int
    macs: int | None


@dataclass(frozen=True)
class Graph:
    """A model's main graph.

    Attributes:
        description: What the converter wrote into the file.
        subgraphs: How many there are; only the first is described.
        inputs: The model's.
        outputs: The model's.
        operators: In the order in which they run.
        parameters: Trained values, each counted once.
    """

    description: str
    subgraphs: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    parameters: int


def read_graph(file: ModelFile) -> Graph:
    """Read a `.tflite`.

    Args:
        file: With or without a contract.

    Raises:
        ModelError: It is none, or is damaged.
    """
    if not file.is_flatbuffer:
        raise ModelError(
            f"{file.name} is no TensorFlow Lite model", "give a .tflite or .keras file"
        )
    try:
        return _Reader(file.flatbuffer).read()
    except _Damage as damage:
        reason: object = damage
    except (struct.error, ValueError, IndexError, TypeError, AttributeError, OverflowError) as e:
        # What the flatbuffer library raises when an offset or a length points nowhere.
        reason = e
    raise ModelError(
        f"{file.name}: the model is damaged or truncated: {reason}", "get the file again"
    )


class _Damage(Exception):
    """What is impossible in a whole file."""


class _Reader:
    """One pass over one file; see `read_graph`."""

    def __init__(self, flatbuffer: bytes) -> None:
        self._bytes = len(flatbuffer)
        self._model = tflite.Model.GetRootAs(flatbuffer, 0)
        self._tensors: list[Tensor] = []

    def read(self) -> Graph:
        model = self._model
        subgraphs = self._count(model.SubgraphsLength())
        if subgraphs < 1:
            raise _Damage("it has no graph")
        graph = model.Subgraphs(0)
        self._tensors = [
            self._tensor(graph.Tensors(i)) for i in range(self._count(graph.TensorsLength()))
        ]
        counted: set[int] = set()
        operators = tuple(
            self._operator(graph.Operators(i), counted)
            for i in range(self._count(graph.OperatorsLength()))
        )
        return Graph(
            description=_text(model.Description()),
            subgraphs=subgraphs,
            inputs=self._those([graph.Inputs(i) for i in range(self._count(graph.InputsLength()))]),
            outputs=self._those(
                [graph.Outputs(i) for i in range(self._count(graph.OutputsLength()))]
            ),
            operators=operators,
            parameters=sum(self._tensors[i].elements for i in counted),
        )

    def _count(self, length: int) -> int:
        # A vector's element takes a byte or more, so a longer one cannot be in the file.
        if not 0 <= length <= self._bytes:
            raise _Damage(f"it claims a list of {length} entries in {self._bytes} bytes")
        return length

    def _those(self, indices: list[int]) -> tuple[Tensor, ...]:
        for index in indices:
            if not 0 <= index < len(self._tensors):
                raise _Damage(f"there is no tensor {index}")
        return tuple(self._tensors[index] for index in indices)

    def _tensor(self, raw: Any) -> Tensor:
        if raw.ShapeSignatureLength():
            shape = tuple(
                int(raw.ShapeSignature(i)) for i in range(self._count(raw.ShapeSignatureLength()))
            )
        else:
            shape = tuple(int(raw.Shape(i)) for i in range(self._count(raw.ShapeLength())))
        if len(shape) > 8 or any(not -1 <= n < 1 << 31 for n in shape):
            raise _Damage(f"tensor {_text(raw.Name())!r} has the shape {shape[:9]}")
        if not 0 <= raw.Buffer() < self._model.BuffersLength():
            raise _Damage(f"tensor {_text(raw.Name())!r} has no buffer")
        constant_bytes = self._count(self._model.Buffers(raw.Buffer()).DataLength())
        scales: tuple[float, ...] = ()
        zero_points: tuple[int, ...] = ()
        axis = None
        if (quantisation := raw.Quantization()) is not None:
            scales = tuple(
                float(quantisation.Scale(i)) for i in range(self._count(quantisation.ScaleLength()))
            )
            zero_points = tuple(
                int(quantisation.ZeroPoint(i))
                for i in range(self._count(quantisation.ZeroPointLength()))
            )
            if not all(map(math.isfinite, scales)):
                raise _Damage(f"tensor {_text(raw.Name())!r} has a scale that is no number")
            axis = quantisation.QuantizedDimension() if len(scales) > 1 else None
        kind = _TYPE_NAMES.get(raw.Type(), f"type {raw.Type()}")
        return Tensor(_text(raw.Name()), shape, kind, scales, zero_points, axis, constant_bytes)

    def _operator(self, raw: Any, counted: set[int]) -> Operator:
        if not 0 <= raw.OpcodeIndex() < self._model.OperatorCodesLength():
            raise _Damage("an operator has no code")
        code = self._model.OperatorCodes(raw.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = _OP_NAMES.get(number, f"operator code {number}")
        if name == "CUSTOM":
            name = _text(code.CustomCode()) or name
        # -1 is an input that is left out.
        indices = [raw.Inputs(i) for i in range(self._count(raw.InputsLength()))]
        present = [index for index in indices if index != -1]
        tensors = self._those(present)
        outputs = self._those([raw.Outputs(i) for i in range(self._count(raw.OutputsLength()))])
        trained = {
            index
            for place, index in enumerate(indices)
            if index != -1 and _is_trained(name, place, self._tensors[index])
        }
        counted |= trained
        return Operator(
            name,
            int(code.Version()),
            tuple(t for t in tensors if not t.constant_bytes),
            tuple(t for t in tensors if t.constant_bytes),
            outputs,
            sum(self._tensors[index].elements for index in trained),
            _macs(name, tensors, outputs),
        )


def _is_trained(op: str, place: int, tensor: Tensor) -> bool:
    if not tensor.constant_bytes:
        return False
    if tensor.type in ("int32", "int64"):  # an int8 layer's bias
        return place == 2 and op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    return tensor.type in _WEIGHT_TYPES


def _macs(op: str, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> int | None:
    """Return the products that the operator sums up, those with padding included."""
    if not outputs or len(inputs) < 2:
        return 0
    made, weights = outputs[0].elements, inputs[1].shape
    if op == "CONV_2D" and len(weights) == 4:
        return made * math.prod(weights[1:])
    if op == "DEPTHWISE_CONV_2D" and len(weights) == 4:
        return made * weights[1] * weights[2]
    if op == "FULLY_CONNECTED" and len(weights) == 2:
        return made * weights[1]
    if op == "BATCH_MATMUL" and inputs[0].shape:
        return made * abs(inputs[0].shape[-1])
    sums = any(t.constant_bytes and len(t.shape) > 1 and t.type in _WEIGHT_TYPES for t in inputs)
    return None if sums and op not in _ELEMENTWISE else 0


def _text(raw: bytes | None) -> str:
    text = (raw or b"").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in text)


def quantised(tensor: Tensor) -> dict[str, Any] | None:
    """Return a tensor's quantisation for JSON, None for one without."""
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
