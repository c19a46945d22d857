"""Finds where a `.tflite` keeps its last dense layer, to replace it in place.

A base install has no package that knows the file's schema. Six tables of it are enough; the
numbers of their fields are those of TensorFlow's schema.fbs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sernet_edge.runtime.errors import ModelError

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
class Span:
    """A part of the file: `count` values of `size` bytes from byte `start` on."""

    start: int
    count: int
    size: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.count * self.size


@dataclass(frozen=True)
class TensorPlace:
    """A tensor of the model.

    Attributes:
        index: As interpreters number it.
        type: Its name in the schema, lower case, such as "int8".
        shape: Its sizes.
        data: Its values in the file; None: it is computed.
        scales: The float32 scales of its quantisation; None: it has none.
        zero_points: Likewise, int64; None where all are 0.
    """

    index: int
    type: str
    shape: tuple[int, ...]
    data: Span | None
    scales: Span | None
    zero_points: Span | None


@dataclass(frozen=True)
class DensePlace:
    """The dense layer whose outputs become scores.

    Attributes:
        embedding: What it reads, (1, features).
        weights: (labels, features).
        bias: (labels,).
        logits: What it makes and the softmax reads, (1, labels).
        scores: What the softmax makes, the model's output.
    """

    embedding: TensorPlace
    weights: TensorPlace
    bias: TensorPlace
    logits: TensorPlace
    scores: TensorPlace


def find_dense(flatbuffer: bytes, name: str) -> DensePlace:
    """Return where the last dense layer lies.

    Args:
        flatbuffer: The model, without the archive behind it.
        name: The model's, for errors.

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


class _Reader:
    """One pass over one file; offsets are bytes from its start."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._model = self._number("<I", 0)
        graphs = self._offsets(self._model, 2)
        if not graphs:
            raise ValueError("it has no graph")
        self._tensors = self._offsets(graphs[0], 0)
        self._outputs = self._indices(graphs[0], 2)
        self._operators = self._offsets(graphs[0], 3)
        self._codes = self._offsets(self._model, 1)
        self._buffers = self._offsets(self._model, 4)

    def dense(self) -> DensePlace:
        softmax = self._maker(self._outputs[0], _SOFTMAX, "its scores come from")
        if self._float_option(softmax) != 1.0:
            raise _NoHeadError("its softmax multiplies what it reads")
        logits = self._indices(softmax, 1)[0]
        dense = self._maker(logits, _FULLY_CONNECTED, "its softmax reads")
        inputs = self._indices(dense, 1)
        if len(inputs) < 3 or inputs[2] < 0:
            raise _NoHeadError("its last dense layer has no bias")
        if self._has_activation(dense):
            raise _NoHeadError("its last dense layer has an activation before the softmax")
        place = DensePlace(
            *(self._tensor(index) for index in (*inputs[:3], logits, self._outputs[0]))
        )
        self._check(place)
        self._check_unshared(place)
        return place

    def _maker(self, tensor: int, code: int, what: str) -> int:
        """Return the operator that makes a tensor, which has to be of a kind."""
        for operator in self._operators:
            if tensor in self._indices(operator, 2):
                found = self._code(operator)
                if found != code:
                    found_name = _NAMES.get(found, f"operator {found}")
                    raise _NoHeadError(f"{what} {found_name}, not {_NAMES[code]}")
                return operator
        raise _NoHeadError(f"{what} no operator")

    def _code(self, operator: int) -> int:
        code = self._codes[self._scalar(operator, 0, "<I", 0)]
        # Codes up to 127 stand in the old field, too; files of old converters have that alone.
        return max(self._scalar(code, 0, "<b", 0), self._scalar(code, 3, "<i", 0))

    def _float_option(self, operator: int) -> float:
        """Return the first option of an operator, a number; 0: it is not given."""
        options = self._field(operator, 4)
        at = None if options is None else self._field(self._follow(options), 0)
        return 0.0 if at is None else float(struct.unpack_from("<f", self._data, at)[0])

    def _has_activation(self, dense: int) -> bool:
        options = self._field(dense, 4)
        return options is not None and self._scalar(self._follow(options), 0, "<b", 0) != 0

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
        """Refuse a layer whose bytes another tensor uses: a change would be one of both."""
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
        for index in range(len(self._tensors)):
            if index not in own:
                other = self._tensor(index)
                for span in (other.data, other.scales, other.zero_points):
                    if span is not None and span.start in starts:
                        raise _NoHeadError("another layer shares the last dense layer's data")
        readers = [op for op in self._operators if place.logits.index in self._indices(op, 1)]
        if len(readers) > 1:
            raise _NoHeadError("more than the softmax reads its last dense layer")

    def _tensor(self, index: int) -> TensorPlace:
        table = self._tensors[index]
        kind = self._scalar(table, 1, "<b", 0)
        shape = tuple(self._indices(table, 0))
        buffer = self._buffers[self._scalar(table, 2, "<I", 0)]
        quantisation = self._field(table, 4)
        scales = zero_points = None
        if quantisation is not None:
            scales = self._span(self._follow(quantisation), 2, 4)
            zero_points = self._span(self._follow(quantisation), 3, 8)
        return TensorPlace(
            index,
            _TYPE_NAMES.get(kind, f"type {kind}"),
            shape,
            self._span(buffer, 0, 1),
            scales,
            zero_points,
        )

    # The format itself: a table starts with the distance to its vtable, which lists where its
    # fields are; a field that is a vector or a table holds the distance to that.

    def _number(self, form: str, at: int) -> int:
        if at < 0:
            raise ValueError("an offset points before the file")
        (value,) = struct.unpack_from(form, self._data, at)
        return int(value)

    def _follow(self, at: int) -> int:
        return at + self._number("<I", at)

    def _field(self, table: int, number: int) -> int | None:
        """Return where a table's field is; None: it has its default."""
        vtable = table - self._number("<i", table)
        entry = 4 + 2 * number
        if entry + 2 > self._number("<H", vtable):
            return None
        offset = self._number("<H", vtable + entry)
        return table + offset if offset else None

    def _scalar(self, table: int, number: int, form: str, default: int) -> int:
        at = self._field(table, number)
        return default if at is None else self._number(form, at)

    def _span(self, table: int, number: int, size: int) -> Span | None:
        """Return where a vector's values are; None: it is missing or empty."""
        at = self._field(table, number)
        if at is None:
            return None
        vector = self._follow(at)
        span = Span(vector + 4, self._number("<I", vector), size)
        if span.end > len(self._data):
            raise ValueError("a list reaches beyond the file's end")
        return span if span.count else None

    def _indices(self, table: int, number: int) -> list[int]:
        span = self._span(table, number, 4)
        if span is None:
            return []
        return [self._number("<i", span.start + 4 * i) for i in range(span.count)]

    def _offsets(self, table: int, number: int) -> list[int]:
        span = self._span(table, number, 4)
        if span is None:
            return []
        return [self._follow(span.start + 4 * i) for i in range(span.count)]
