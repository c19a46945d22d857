"""Reads a `.tflite` without a package that knows its schema: tables, fields and lists.

A base install has no such package. The numbers of fields are those of TensorFlow's schema.fbs.
Whatever a damaged file leads to is a `struct.error`, an `IndexError` or a `ValueError`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass


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


class Flatbuffer:
    """A file of tables. Places are bytes from the file's start.

    A table starts with the distance to its vtable, which lists where its fields are; a field that
    is a vector or a table holds the distance to that.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data

    def number(self, form: str, at: int) -> int:
        """Return the number at a place, of a form that `struct` knows."""
        if at < 0:
            raise ValueError("an offset points before the file")
        (value,) = struct.unpack_from(form, self.data, at)
        return int(value)

    def follow(self, at: int) -> int:
        """Return the place that the distance at a place leads to."""
        return at + self.number("<I", at)

    def field(self, table: int, number: int) -> int | None:
        """Return where a table's field is; None: it has its default."""
        vtable = table - self.number("<i", table)
        entry = 4 + 2 * number
        if entry + 2 > self.number("<H", vtable):
            return None
        offset = self.number("<H", vtable + entry)
        return table + offset if offset else None

    def scalar(self, table: int, number: int, form: str, default: int) -> int:
        """Return a table's field that is a number."""
        at = self.field(table, number)
        return default if at is None else self.number(form, at)

    def span(self, table: int, number: int, size: int) -> Span | None:
        """Return where a vector's values are; None: it is missing or empty."""
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
        """Return the places of a list of tables."""
        span = self.span(table, number, 4)
        if span is None:
            return []
        return [self.follow(span.start + 4 * i) for i in range(span.count)]


class ModelTables(Flatbuffer):
    """The tables of a `.tflite`'s first graph.

    Attributes:
        graph: The graph's own table.
        tensors: Tables of its tensors, as interpreters number them.
        inputs: Numbers of the tensors that the caller gives.
        outputs: Numbers of those that the caller gets.
        operators: Tables of its operators, in the order in which they run.
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
        """Return the schema's number of an operator's kind."""
        code = self._codes[self.scalar(operator, 0, "<I", 0)]
        # Codes up to 127 stand in the old field, too; files of old converters have that alone.
        return max(self.scalar(code, 0, "<b", 0), self.scalar(code, 3, "<i", 0))

    def read_by(self, operator: int) -> list[int]:
        """Return the numbers of the tensors that an operator reads; -1 is one left out."""
        return self.indices(operator, 1)

    def made_by(self, operator: int) -> list[int]:
        """Return the numbers of the tensors that an operator makes."""
        return self.indices(operator, 2)

    def options(self, operator: int) -> int | None:
        """Return the table of an operator's options; None: it has none."""
        at = self.field(operator, 4)
        return None if at is None else self.follow(at)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the sizes of a tensor, by its number."""
        return tuple(self.indices(self.tensors[tensor], 0))

    def constant(self, tensor: int) -> Span | None:
        """Return where a tensor's values are, as bytes; None: it is computed."""
        return self.span(self._buffers[self.scalar(self.tensors[tensor], 2, "<I", 0)], 0, 1)
