"""Finds the last dense layer in a `.tflite`, so that it can be replaced in place."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.flatbuffer import ModelTables, Span

_FULLY_CONNECTED, _SOFTMAX = 9, 25
_NAMES = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    14: "LOGISTIC",
    22: "RESHAPE",
    40: "MEAN",
    114: "QUANTIZE",
    _FULLY_CONNECTED: "FULLY_CONNECTED",
    _SOFTMAX: "SOFTMAX",
}
_FLOAT32, _INT32, _INT8 = 0, 2, 9
_TYPE_NAMES = {_FLOAT32: "float32", 1: "float16", _INT32: "int32", 3: "uint8", _INT8: "int8"}


@dataclass(frozen=True)
class TensorPlace:
    """A tensor of the model.

    Attributes:
        index: Its number in interpreters.
        type: Its name in the schema, lower case, such as "int8".
        shape: Its sizes.
        data: Its values in the file; None if it is computed.
        scales: The float32 scales of its quantisation; None if it has none.
        zero_points: The int64 zero points of its quantisation; None if all are 0.
    """

    index: int
    type: str
    shape: tuple[int, ...]
    data: Span | None
    scales: Span | None
    zero_points: Span | None


@dataclass(frozen=True)
class DensePlace:
    """The dense layer before the softmax.

    Attributes:
        embedding: Its input, (1, features).
        weights: (labels, features).
        bias: (labels,).
        logits: Its output and the softmax's input, (1, labels).
        scores: The softmax's output, which is the model's output.
    """

    embedding: TensorPlace
    weights: TensorPlace
    bias: TensorPlace
    logits: TensorPlace
    scores: TensorPlace


def find_dense(flatbuffer: bytes, name: str) -> DensePlace:
    """Return the positions of the last dense layer's tensors.

    Args:
        flatbuffer: The model, without the archive after it.
        name: The model's name in errors.

    Raises:
        ModelError: The model does not end in a dense layer with softmax, shares parts of that
            layer with another, or is damaged.
    """
    try:
        return _Reader(flatbuffer).dense()
    except _NoHeadError as error:
        raise ModelError(
            f"{name} cannot be taught: {error}", "teach a model that ends in a dense layer"
        ) from error
    except (struct.error, IndexError, ValueError) as error:
        raise ModelError(f"{name}: the model is damaged: {error}", "get the file again") from error


class _NoHeadError(Exception):
    """Why the last layer cannot be fitted again."""


class _Reader(ModelTables):
    """Reads one file."""

    def dense(self) -> DensePlace:
        softmax = self._maker(self.outputs[0], _SOFTMAX, "its scores come from")
        if self._float_option(softmax) != 1.0:
            raise _NoHeadError("its softmax multiplies what it reads")
        logits = self.read_by(softmax)[0]
        dense = self._maker(logits, _FULLY_CONNECTED, "its softmax reads")
        inputs = self.read_by(dense)
        if len(inputs) < 3 or inputs[2] < 0:
            raise _NoHeadError("its last dense layer has no bias")
        if self._has_activation(dense):
            raise _NoHeadError("its last dense layer has an activation before the softmax")
        place = DensePlace(
            *(self._tensor(index) for index in (*inputs[:3], logits, self.outputs[0]))
        )
        self._check(place)
        self._check_unshared(place)
        return place

    def _maker(self, tensor: int, code: int, what: str) -> int:
        """Return the operator that outputs a tensor; it must be of the kind `code`."""
        for operator in self.operators:
            if tensor in self.made_by(operator):
                found = self.code(operator)
                if found != code:
                    found_name = _NAMES.get(found, f"operator {found}")
                    raise _NoHeadError(f"{what} {found_name}, not {_NAMES[code]}")
                return operator
        raise _NoHeadError(f"{what} no operator")

    def _float_option(self, operator: int) -> float:
        """Return the first option of an operator, a number; 0 if it is missing."""
        options = self.options(operator)
        at = None if options is None else self.field(options, 0)
        return 0.0 if at is None else float(struct.unpack_from("<f", self.data, at)[0])

    def _has_activation(self, dense: int) -> bool:
        options = self.options(dense)
        return options is not None and self.scalar(options, 0, "<b", 0) != 0

    def _check(self, place: DensePlace) -> None:
        kinds = (place.embedding.type, place.weights.type, place.bias.type, place.logits.type)
        if kinds not in (("int8", "int8", "int32", "int8"), ("float32",) * 4):
            raise _NoHeadError(
                f"its last dense layer is of the types {', '.join(kinds)}; only int8 and float32 "
                "throughout are known"
            )
        labels, features = place.weights.shape
        for tensor, size in ((place.weights, labels * features), (place.bias, labels)):
            if tensor.data is None:
                raise _NoHeadError("the weights of its last dense layer are computed")
            if tensor.data.count * tensor.data.size != size * (1 if tensor.type == "int8" else 4):
                raise ValueError("its last dense layer has weights of another size than its shape")
        if place.weights.type == "int8" and not all(
            tensor.scales for tensor in (place.embedding, place.weights, place.bias, place.logits)
        ):
            raise ValueError("its last dense layer has no quantisation")

    def _check_unshared(self, place: DensePlace) -> None:
        """Refuse a layer that shares bytes with another tensor, which would change, too."""
        own = {place.weights.index, place.bias.index, place.logits.index}
        changed = [
            span
            for tensor in (place.weights, place.bias, place.logits)
            for span in (tensor.data, tensor.scales, tensor.zero_points)
            if span is not None
        ]
        starts = {span.start for span in changed}
        if len(starts) < len(changed):
            raise _NoHeadError("its last dense layer keeps two of its parts in one place")
        for index in range(len(self.tensors)):
            if index not in own:
                other = self._tensor(index)
                for span in (other.data, other.scales, other.zero_points):
                    if span is not None and span.start in starts:
                        raise _NoHeadError("another layer shares the last dense layer's data")
        readers = [op for op in self.operators if place.logits.index in self.read_by(op)]
        if len(readers) > 1:
            raise _NoHeadError("more than the softmax reads its last dense layer")

    def _tensor(self, index: int) -> TensorPlace:
        table = self.tensors[index]
        kind = self.scalar(table, 1, "<b", 0)
        quantisation = self.field(table, 4)
        scales = zero_points = None
        if quantisation is not None:
            scales = self.span(self.follow(quantisation), 2, 4)
            zero_points = self.span(self.follow(quantisation), 3, 8)
        return TensorPlace(
            index,
            _TYPE_NAMES.get(kind, f"type {kind}"),
            self.shape(index),
            self.constant(index),
            scales,
            zero_points,
        )
