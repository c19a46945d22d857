"""Cuts a `.tflite` into stages, so that windows can share rows of the feature maps between them.

A row of a map depends on a few rows of the map before it. Without padding in time, it is the same
in every window that contains it. The network is cut wherever the operators so far pass on only one
map. Each stage is a network of its own: it computes new rows from new rows of its input and the
last ones before them. The rest, from the mean over time on, gets the rows of a whole window.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sernet_edge.runtime.flatbuffer import ModelTables

# The schema's numbers for operators whose rows depend on a few rows.
_ADD, _AVERAGE_POOL, _CONCATENATION, _CONV, _DEPTHWISE_CONV, _MAX_POOL = 0, 1, 2, 3, 4, 17
_PAD, _STRIDED_SLICE = 34, 45
_CONVOLUTIONS = {_CONV: 5, _DEPTHWISE_CONV: 6}
"""For each convolution's number, the field of its options with the dilation in time."""
_POOLS = (_AVERAGE_POOL, _MAX_POOL)
# MUL, RELU, RELU6, LEAKY_RELU, LOGISTIC, QUANTIZE.
_ELEMENTWISE = (_ADD, _CONCATENATION, _PAD, 18, 19, 21, 98, 14, 114)


@dataclass(frozen=True)
class Stage:
    """Consecutive operators between two tensors.

    Attributes:
        first: Index of the first operator.
        end: Index after the last one.
        source: Number of the input tensor.
        result: Number of the output tensor.
        rows: Rows of the source that one row of the result depends on.
        step: Rows of the source from one row of the result to the next.
    """

    first: int
    end: int
    source: int
    result: int
    rows: int
    step: int


def find_stages(flatbuffer: bytes) -> tuple[list[Stage], Stage] | None:
    """Return the stages, and the rest of the network, whose `rows` and `step` have no meaning.

    Args:
        flatbuffer: A model, without the archive after it.

    Returns:
        None if no row can be shared: the first operators pad in time, or are not supported here.
    """
    try:
        return _Cutter(flatbuffer).stages()
    except (struct.error, IndexError, ValueError, _Unknown):
        return None


def cut(flatbuffer: bytes, stage: Stage) -> bytes:
    """Return a model with a stage's operators only, for any number of rows.

    Nothing in the file moves: the lists of inputs and outputs get other tensors, and the list of
    operators begins later, where its new length overwrites an entry.
    """
    tables, data = ModelTables(flatbuffer), bytearray(flatbuffer)
    for field, tensor in ((1, stage.source), (2, stage.result)):
        listed = tables.span(tables.graph, field, 4)
        assert listed is not None
        struct.pack_into("<i", data, listed.start, tensor)
    at, listed = tables.field(tables.graph, 3), tables.span(tables.graph, 3, 4)
    assert at is not None
    assert listed is not None
    length_at = listed.start - 4 + 4 * stage.first
    struct.pack_into("<I", data, length_at, stage.end - stage.first)
    struct.pack_into("<I", data, at, length_at - at)
    return bytes(data)


class _Unknown(Exception):
    """An operator, or a use of one, that this module does not support."""


@dataclass(frozen=True)
class _Rows:
    """How many rows of the stage's source a tensor's row depends on; see `Stage`."""

    rows: int
    step: int


class _Cutter(ModelTables):
    def stages(self) -> tuple[list[Stage], Stage] | None:
        (source,), (result,) = self.inputs, self.outputs
        stages: list[Stage] = []
        for stage in self._pieces(source):
            if stages and (stage.rows == stage.step or stages[-1].rows == 1):
                # It shares no rows, or follows padding of the width: merge, to save an interpreter.
                last = stages[-1]
                stages[-1] = replace(
                    last,
                    end=stage.end,
                    result=stage.result,
                    rows=last.rows + (stage.rows - 1) * last.step,
                    step=last.step * stage.step,
                )
            else:
                stages.append(stage)
        if not stages:
            return None
        last = stages[-1]
        return stages, Stage(last.end, len(self.operators), last.result, result, 0, 0)

    def _pieces(self, source: int) -> Iterator[Stage]:
        """Yield the shortest stages, up to the first operator that needs more than a few rows."""
        first, found = 0, {source: _Rows(1, 1)}
        for index in range(len(self.operators) - 1):
            try:
                for made in self.made_by(self.operators[index]):
                    found[made] = self._rows(self.operators[index], source, made, found)
            except _Unknown:
                return
            end = index + 1
            needed = {t for operator in self.operators[end:] for t in self.read_by(operator)}
            going_on = needed & found.keys()
            if len(going_on) == 1:
                (result,) = going_on
                if found[result].rows < found[result].step:
                    return  # the stage would leave out rows of its source
                yield Stage(first, end, source, result, found[result].rows, found[result].step)
                first, source, found = end, result, {result: _Rows(1, 1)}

    def _rows(self, operator: int, source: int, made: int, found: dict[int, _Rows]) -> _Rows:
        """Return how the rows of a tensor depend on those of the stage's source."""
        kernel, step = self._kernel(operator)
        computed = [found[t] for t in self.read_by(operator) if t in found]
        known = {t for t in self.read_by(operator) if t >= 0 and self.constant(t) is not None}
        if len({rows.step for rows in computed}) != 1 or not (
            set(self.read_by(operator)) - {-1} <= known | found.keys()
        ):
            raise _Unknown
        if self.code(operator) in _ELEMENTWISE and any(
            len(self.shape(t)) == 4 and self.shape(t)[1] > 1 for t in known
        ):
            raise _Unknown
        before = computed[0].step
        rows = _Rows(max(r.rows for r in computed) + (kernel - 1) * before, before * step)
        # Nothing is padded or left out in time if the output has as many rows as fit exactly.
        (given, height) = (self._height(t) for t in (source, made))
        if given - rows.rows != (height - 1) * rows.step:
            raise _Unknown
        return rows

    def _height(self, tensor: int) -> int:
        shape = self.shape(tensor)
        if len(shape) != 4 or shape[0] != 1:
            raise _Unknown
        return shape[1]

    def _kernel(self, operator: int) -> tuple[int, int]:
        """Return how many rows one row of an operator's output depends on, and their step."""
        code, options = self.code(operator), self.options(operator)
        if code in _ELEMENTWISE:
            return 1, 1
        if options is None:
            raise _Unknown
        if code in _CONVOLUTIONS:
            height = self.shape(self.read_by(operator)[1])[1]
            dilation = self.scalar(options, _CONVOLUTIONS[code], "<i", 1)
            return (height - 1) * dilation + 1, self.scalar(options, 2, "<i", 0)
        if code in _POOLS:
            return self.scalar(options, 4, "<i", 0), self.scalar(options, 2, "<i", 0)
        if code == _STRIDED_SLICE:
            return self._cut_before(operator, options) + 1, 1
        raise _Unknown

    def _cut_before(self, operator: int, options: int) -> int:
        """Return how many rows a slice leaves out at its start; at its end it must leave out 0."""
        begin_mask, end_mask, *others = (self.scalar(options, n, "<i", 0) for n in range(5))
        _, begin, _, strides = self.read_by(operator)
        if not end_mask & 2 or any(others) or self._second(strides) != 1:
            raise _Unknown
        before = 0 if begin_mask & 2 else self._second(begin)
        if before < 0:
            raise _Unknown
        return before

    def _second(self, tensor: int) -> int:
        """Return the second of a constant's int32 values, which is for the time."""
        values = self.constant(tensor)
        if values is None or values.count < 8:
            raise _Unknown
        return self.number("<i", values.start + 4)
