"""A simulated window checks the plan's memory byte by byte."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from graphs import SAME, RandomGraph
from operator_graphs import RandomOperators
from state_graphs import RandomStates
from support import quickly

from sernet_edge.firmware_export import elementwise
from sernet_edge.firmware_export.plan import Plan, Schedule, plan_network
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile

FREE = -1


class Memory:
    """An arena that records the owner of each byte: a row, or a layer's working memory."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.owner = np.full(plan.arena_bytes, FREE)
        self.layers = [stage.layer for stage in plan.stages]
        self.unread: dict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
        for reader, stage in enumerate(plan.stages):
            for step in range(stage.steps):
                for source in set(stage.layer.inputs):
                    for row in self.rows_read(reader, step, source):
                        self.unread[source, row].add((reader, step))
        # No layer reads the output's row; the caller reads it at the end.
        self.unread[len(plan.stages) - 1, 0].add((FREE, FREE))
        # A state exists from the start to the end.
        for index, layer in enumerate(self.layers):
            if layer.op == "STATE":
                for row in range(layer.output.height):
                    self.unread[index, row].add((FREE, FREE))
                    self.take(self.row(index, row), row * len(plan.stages) + index)

    def rows_read(self, reader: int, step: int, source: int) -> list[int]:
        """The rows of an input that a step reads, from the operator's definition."""
        layer, height = self.layers[reader], self.layers[source].output.height
        if self.plan.stages[reader].join > 1:
            return [step]
        if layer.op in elementwise.BINARY and height == 1:
            return [0]
        if layer.op == "STACK":
            place = layer.inputs.index(source)
            row = step - sum(self.layers[i].output.height for i in layer.inputs[:place])
            return [row] if 0 <= row < height else []
        if layer.op == "ASSIGN" and source != layer.inputs[0]:
            return []
        if layer.op in ("SLICE", "ASSIGN"):
            # Only the newest row of its kernel.
            return [step * layer.kernel.stride[0] + layer.kernel.size[0] - 1]
        top = step * layer.kernel.stride[0] - layer.kernel.padding[0]
        taps = [top + tap * layer.kernel.dilation[0] for tap in range(layer.kernel.size[0])]
        return [row for row in taps if 0 <= row < height]

    def row(self, index: int, row: int) -> slice:
        stage, size = self.plan.stages[index], self.layers[index].output.row_bytes
        start = stage.ring_offset + row % stage.ring_rows * size
        return slice(start, start + size)

    def take(self, where: slice, owner: int) -> None:
        assert set(self.owner[where].tolist()) <= {FREE, owner}, "bytes in use are overwritten"
        self.owner[where] = owner

    def step(self, index: int, step: int) -> None:
        stage, count = self.plan.stages[index], len(self.plan.stages)
        last_part = step % stage.join == stage.join - 1
        for source in set(stage.layer.inputs):
            for row in self.rows_read(index, step, source):
                name = row * count + source
                assert (self.owner[self.row(source, row)] == name).all(), "an input row is gone"
        scratch = slice(stage.scratch_offset, stage.scratch_offset + stage.scratch_bytes)
        self.take(scratch, -2 - index)
        made = step // stage.join
        if stage.layer.op == "ASSIGN":
            self.write(stage.layer.inputs[1], made)
        else:
            self.take(self.row(index, made), made * count + index)
        if last_part and stage.layer.op != "ASSIGN":
            self.owner[scratch] = FREE
            if not self.unread[index, made]:
                self.owner[self.row(index, made)] = FREE
        for source in set(stage.layer.inputs):
            for row in self.rows_read(index, step, source):
                readers = self.unread[source, row]
                readers.discard((index, step))
                if not readers:
                    self.owner[self.row(source, row)] = FREE

    def lend(self) -> None:
        """Let the caller write to its memory between two parts of the work."""
        start = self.plan.caller_offset
        assert start + self.plan.caller_bytes <= self.plan.arena_bytes
        lent = self.owner[start : start + self.plan.caller_bytes]
        assert (lent == FREE).all(), "the caller writes over bytes in use"

    def write(self, state: int, row: int) -> None:
        """Record that a row of a state is replaced: no layer reads the old row any more."""
        assert self.unread[state, row] == {(FREE, FREE)}, "an old row of a state is read later"
        assert (self.owner[self.row(state, row)] == row * len(self.layers) + state).all()


def play(plan: Plan) -> Memory:
    schedule, memory = Schedule(list(plan.stages)), Memory(plan)
    for row in range(plan.stages[0].steps):
        memory.step(0, row)
        schedule.done[0] += 1
        memory.lend()
        while order := schedule.advance():
            for index in order:
                memory.step(index, schedule.done[index])
                schedule.done[index] += 1
            memory.lend()
    assert schedule.done == [stage.steps for stage in plan.stages]
    return memory


@pytest.mark.parametrize("family", [RandomGraph, RandomOperators, RandomStates])
@pytest.mark.parametrize("seed", quickly(range(60), 20))
def test_no_byte_is_overwritten_while_it_is_needed(seed: int, family: type[RandomGraph]) -> None:
    network = read_network(ModelFile("graph", family(seed).build()))
    play(plan_network(network, caller_bytes=seed * 40))


def test_the_shipped_model_keeps_its_rows_while_they_are_needed(shipped_model: Path) -> None:
    plan = PlannedModel.read(ModelFile.read(shipped_model)).plan
    assert plan.caller_bytes == 4096
    memory = play(plan)
    # Only the output remains.
    assert (memory.owner != FREE).sum() == plan.stages[-1].layer.output.row_bytes
    # A 3 x 3 convolution before a pool of two rows reads four rows; the ring holds only these.
    rings = [s.ring_rows for s in plan.stages if s.layer.op == "CONCATENATION"]
    assert rings == [4]


def test_a_ring_is_as_high_as_the_kernel_of_its_convolution() -> None:
    builder = RandomGraph(0)
    source = builder.graph.input((1, 50, 8, 3), 0.1, 0)
    output = builder.mean(builder.conv(source, 4, window=(SAME, (7, 3), (1, 1))), (1, 2), False)
    plan = plan_network(read_network(ModelFile("model", builder.graph.finish(output))))
    assert [stage.ring_rows for stage in plan.stages] == [7, 1, 1]


def test_a_branch_does_not_run_ahead_of_the_other_branch() -> None:
    builder = RandomGraph(0)
    source = builder.graph.input((1, 50, 8, 1), 0.1, 0)
    branches = [
        builder.conv(source, 16, window=(SAME, (height, 1), (1, 1)), scale=0.1, zero_point=0)
        for height in (11, 1)
    ]
    joined = builder.graph.tensor((1, 50, 8, 32), 0.1, 0)
    values = {"Axis": 3}
    builder.graph.operator("CONCATENATION", branches, joined, "ConcatenationOptions", values)
    data = builder.graph.finish(builder.mean(joined, (1, 2), False))
    plan = plan_network(read_network(ModelFile("model", data)))
    # The narrow input is stored in its ring, not the wide branches.
    assert [stage.ring_rows for stage in plan.stages[:4]] == [11, 1, 1, 1]


def test_an_output_that_is_too_large_is_refused() -> None:
    builder = RandomGraph(0)
    source = builder.graph.input((1, 200, 100, 1), 0.1, 0)
    output = builder.conv(source, 16, window=(SAME, (1, 1), (1, 1)))
    with pytest.raises(ModelError, match="320000 bytes"):
        plan_network(read_network(ModelFile("model", builder.graph.finish(output))))
