"""Reads the tables, fields and lists of a `.tflite` without a package for flatbuffers.

A base install has no such package. Field numbers are those of TensorFlow's schema.fbs. On a damaged
file, any method raises `struct.error`, `IndexError` or `ValueError`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A part of the file: `count` values of `size` bytes each, from byte `start`."""

    start: int
    count: int
    size: int

    @property
    def end(self) -> int:
        """The position after the last byte."""
        return self.start + self.count * self.size


class Flatbuffer:
    """A file of tables. A position is a number of bytes from the file's start.

    A table starts with the distance to its vtable, which lists the positions of the fields. A field
    that is a vector or a table holds the distance to it.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data

    def number(self, form: str, at: int) -> int:
        """Return the number at a position, in a format of `struct`."""
        if at < 0:
            raise ValueError("an offset points before the file")
        (value,) = struct.unpack_from(form, self.data, at)
        return int(value)

    def follow(self, at: int) -> int:
        """Return the position that the distance at `at` leads to."""
        return at + self.number("<I", at)

    def field(self, table: int, number: int) -> int | None:
        """Return the position of a table's field; None if the field has its default."""
        vtable = table - self.number("<i", table)
        entry = 4 + 2 * number
        if entry + 2 > self.number("<H", vtable):
            return None
        offset = self.number("<H", vtable + entry)
        return table + offset if offset else None

    def scalar(self, table: int, number: int, form: str, default: int) -> int:
        """Return the value of a table's field that is a number."""
        at = self.field(table, number)
        return default if at is None else self.number(form, at)

    def span(self, table: int, number: int, size: int) -> Span | None:
        """Return the values of a field that is a vector; None if it is missing or empty."""
        at = self.field(table, number)
        if at is None:
            return None
        vector = self.follow(at)
        span = Span(vector + 4, self.number("<I", vector), size)
        if span.end > len(self.data):
            raise ValueError("a list reaches beyond the file's end")
        return span if span.count else None

    def indices(self, table: int, number: int) -> list[int]:
        """Return a list of int32."""
        span = self.span(table, number, 4)
        if span is None:
            return []
        return [self.number("<i", span.start + 4 * i) for i in range(span.count)]

    def offsets(self, table: int, number: int) -> list[int]:
        """Return the positions of a list of tables."""
        span = self.span(table, number, 4)
        if span is None:
            return []
        return [self.follow(span.start + 4 * i) for i in range(span.count)]


class ModelTables(Flatbuffer):
    """The tables of a `.tflite`'s first graph.

    Attributes:
        graph: Position of the graph's table.
        tensors: Positions of the tensors' tables, by tensor number.
        inputs: Numbers of the input tensors.
        outputs: Numbers of the output tensors.
        operators: Positions of the operators' tables, in the order of execution.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        model = self.number("<I", 0)
        graphs = self.offsets(model, 2)
        if not graphs:
            raise ValueError("it has no graph")
        self.graph = graphs[0]
        self.tensors = self.offsets(self.graph, 0)
        self.inputs = self.indices(self.graph, 1)
        self.outputs = self.indices(self.graph, 2)
        self.operators = self.offsets(self.graph, 3)
        self._codes = self.offsets(model, 1)
        self._buffers = self.offsets(model, 4)

    def code(self, operator: int) -> int:
        """Return the schema's number for an operator's kind."""
        code = self._codes[self.scalar(operator, 0, "<I", 0)]
        # Codes up to 127 are in the old field, too; old converters write that field only.
        return max(self.scalar(code, 0, "<b", 0), self.scalar(code, 3, "<i", 0))

    def read_by(self, operator: int) -> list[int]:
        """Return the numbers of an operator's input tensors; -1 for one that is left out."""
        return self.indices(operator, 1)

    def made_by(self, operator: int) -> list[int]:
        """Return the numbers of an operator's output tensors."""
        return self.indices(operator, 2)

    def options(self, operator: int) -> int | None:
        """Return the position of an operator's options; None if it has none."""
        at = self.field(operator, 4)
        return None if at is None else self.follow(at)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor, by its number."""
        return tuple(self.indices(self.tensors[tensor], 0))

    def constant(self, tensor: int) -> Span | None:
        """Return the bytes of a constant tensor; None if the tensor is computed."""
        return self.span(self._buffers[self.scalar(self.tensors[tensor], 2, "<I", 0)], 0, 1)
