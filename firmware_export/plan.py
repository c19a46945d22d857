"""Plans how a network runs row by row: which rows the engine keeps, where, and for how long.

Each layer advances in steps. A step of most layers makes one row of its tensor. A step of a layer
that gathers rows (MEAN over time, a tall pool, COLLECT) takes in one row; the last step makes its
row. A tensor lies in a ring: row r lies at place `r % ring_rows`.

Two rules keep the rings small:

* A layer *waits* if only one step of only one other layer reads each of its rows. It runs only
  when that step needs the row. So the two rows of a 2 x 2 pool exist only for a moment, and no
  branch before a CONCATENATION runs ahead of the others. A layer does not wait for a kernel that
  is too tall, because the engine would have to keep the rows that its own rows depend on.
* Every other layer advances as soon as its input rows exist, the last layer first.

This module simulates the rules for a whole window. The most rows that a ring held give its height;
rings that never held rows at the same time may share memory. The C engine follows the same rules,
so it needs no checks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from sernet_edge.firmware_export.csource import c_constant
from sernet_edge.firmware_export.network import (
    MAX_DIMENSION,
    WHOLE_ROWS,
    Kernel,
    Layer,
    Network,
    Tensor,
)
from sernet_edge.runtime.errors import ModelError

ALIGNMENT = c_constant("sernet_engine.h", "SERNET_STATE_ALIGN")
"""Alignment of every buffer in the arena, in bytes: kernels load pairs of words."""

MAX_ARENA_BYTES = 16 * 1024 * 1024
# Limit of steps times layers, which the time of the simulation is proportional to. A minute of
# speech through LIGHT-SERNET takes half a million.
MAX_WORK = 4_000_000

FEWEST_PIXELS, MOST_PIXELS = 2, 3
"""Positions whose inputs a convolution gathers at a time, as int16. Three take the fewest
instructions, two the least memory; Helium's three columns of int8 fit in the memory of both."""

# Three positions may make the arena larger by this fraction: a tenth.
_SPEED_SHARE = 10

_MOST_TAPS = 256
_MOST_MULTIPLE = 17
_COPIED = c_constant("sernet_conv.c", "COPIED")
_MOST_POSITIONS = 255
_PIECE = c_constant("sernet_conv.c", "PIECE")

TALL_POOL = 8
"""Height from which a pool gathers its rows one by one, if its next step shares none of them."""


@dataclass(frozen=True)
class Stage:
    """How one layer runs.

    Attributes:
        layer: The layer.
        steps: Steps in a window; the engine does not make rows that no layer reads.
        join: Input rows, and steps, for each row of the tensor.
        waits: Whether it runs only when its reader needs a row.
        group_start: The lowest index of the layers that run because this one needs their rows.
        wakes: Layers that may advance when this one has made a row, in order; empty if it waits.
        ring_rows: Rows of its tensor in the ring.
        ring_offset: The ring's place in the arena, bytes.
        pixels: Positions that a convolution gathers at a time.
        scratch_bytes: Working memory of a step; for MEAN, of its sums.
        scratch_offset: The working memory's place in the arena, bytes.
        copies_weights: Whether a convolution copies weights into its working memory, a few channels
            at a time, before it multiplies them with all of its `pixels`.
    """

    layer: Layer
    steps: int
    join: int
    waits: bool
    group_start: int
    wakes: tuple[int, ...] = ()
    ring_rows: int = 0
    ring_offset: int = 0
    pixels: int = 0
    scratch_bytes: int = 0
    scratch_offset: int = 0
    copies_weights: bool = False

    @property
    def reads(self) -> Kernel:
        """How the steps move over the rows of the inputs."""
        return reads_of(self.layer, self.join)


@dataclass(frozen=True)
class Plan:
    """A schedule and its memory.

    Attributes:
        stages: One a layer, in the network's order; the last one's ring holds the output.
        arena_bytes: Memory for rings and working memory.
        rest_offset: Place in the arena, bytes, of the data that exists only between two input rows.
        caller_bytes: Memory that the caller may use between two parts of the work.
        caller_offset: Its place in the arena, bytes.
    """

    stages: tuple[Stage, ...]
    arena_bytes: int
    rest_offset: int = 0
    caller_bytes: int = 0
    caller_offset: int = 0


@dataclass(frozen=True)
class External:
    """Settings of a plan for weights in a memory outside the chip.

    This memory is slow. So convolutions copy weights into RAM, a few channels at a time, and
    compute as many positions with them as RAM has room for.

    Attributes:
        state_bytes: Limit of the network's state, unless the network needs more without any copies;
            None: no limit.
    """

    state_bytes: int | None = None


def reads_of(layer: Layer, join: int) -> Kernel:
    """Return how a layer's steps move over the rows of its inputs; `join` as in `Stage`."""
    if layer.op == "ASSIGN":
        return Kernel((WHOLE_ROWS, 1))
    return Kernel() if join > 1 else layer.kernel


def aligned(size: int) -> int:
    """Return a size in bytes rounded up, so that the next buffer is aligned."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def arena_offset(plan: Plan) -> int:
    """Return the arena's place in the caller's state, bytes."""
    # Before it lie two 16-bit counters and an 8-bit index for each layer, and the indices' count.
    return aligned(5 * len(plan.stages) + 1)


def state_bytes(plan: Plan) -> int:
    """Return the bytes of the state that the caller gives to the engine."""
    return arena_offset(plan) + plan.arena_bytes


def plan_network(network: Network, caller_bytes: int = 0, external: External | None = None) -> Plan:
    """Return the schedule of a network and its memory.

    Args:
        network: The network.
        caller_bytes: Memory of the arena that the caller uses between two parts of the work.
        external: Set if the weights lie in a memory outside the chip.

    Raises:
        ModelError: The network needs more memory or steps than any microcontroller has.
    """
    layers = list(network.layers)
    output = layers[-1].output
    if output.height > 1:
        # The caller reads the whole output at once.
        if output.height * output.row_bytes > MAX_DIMENSION:
            raise ModelError(
                f"the output {output.name!r} has {output.height * output.row_bytes} bytes, "
                f"the engine takes up to {MAX_DIMENSION}"
            )
        whole = Tensor(
            output.name,
            1,
            output.height * output.width,
            output.channels,
            output.scale,
            output.zero_point,
        )
        layers.append(Layer("COLLECT", (len(layers) - 1,), whole))
    # To wait for a tall kernel saves no memory, because the engine must keep the rows that its many
    # rows depend on. Try every limit of the height and take the best.
    heights = sorted({layer.kernel.span[0] for layer in layers} | {1})
    plans = []
    for tallest in heights:
        stages = stages_of(layers, tallest)
        steps = sum(stage.steps for stage in stages)
        if steps * len(layers) * len(heights) > MAX_WORK:
            raise ModelError(
                f"a window of {steps} row operations in {len(layers)} layers is too long"
            )
        plans.append(place_rings(Schedule(stages), caller_bytes=caller_bytes))
    best = min(plans, key=lambda plan: plan.arena_bytes)
    if external is not None:
        tallest = heights[plans.index(best)]
        best = place_rings(
            Schedule(stages_of(layers, tallest)), caller_bytes=caller_bytes, external=external
        )
    if best.arena_bytes > MAX_ARENA_BYTES:
        raise ModelError(
            f"the model needs {best.arena_bytes} bytes of working memory, even row by row"
        )
    return best


GATHERING = ("MEAN", "SUM", "REDUCE_MAX")
"""Operators that take in one row at a time when they reduce time."""


def _join(layers: list[Layer], layer: Layer) -> int:
    if layer.op == "COLLECT" or (layer.op in GATHERING and layer.axes[0]):
        return layers[layer.inputs[0]].output.height // layer.output.height
    if layer.op == "FULLY_CONNECTED" and is_dense(layer, layers[layer.inputs[0]].output):
        return layers[layer.inputs[0]].output.height
    if layer.op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        height, stride = layer.kernel.size[0], layer.kernel.stride[0]
        whole = layer.output.height * height <= layers[layer.inputs[0]].output.height
        if layer.kernel.dilation[0] > 1:
            return 1
        # A pool over the whole input has one output row, so its stride does not matter.
        if height >= TALL_POOL and whole and (height == stride or layer.output.height == 1):
            return height
    return 1


def stages_of(layers: list[Layer], tallest: int) -> list[Stage]:
    """Return the stages of layers; no layer waits for a kernel higher than `tallest` rows."""
    readers: list[set[int]] = [set() for _ in layers]
    for index, layer in enumerate(layers):
        for source in layer.inputs:
            readers[source].add(index)
    last = len(layers) - 1
    stages: list[Stage] = []
    joins = [_join(layers, layer) for layer in layers]
    for index, (layer, join) in enumerate(zip(layers, joins, strict=True)):
        waits = False
        moves = layer.op not in ("STATE", "ASSIGN")
        if 0 < index < last and moves and join == 1 and len(readers[index]) == 1:
            reader = next(iter(readers[index]))
            kernel = reads_of(layers[reader], joins[reader])
            # Broadcasting: many steps read a single row, so its layer must not wait.
            once = layer.output.height > 1 or layers[reader].output.height == 1
            waits = kernel.span[0] <= min(kernel.stride[0], tallest) and once
        group_start = min(
            [index] + [stages[i].group_start for i in layer.inputs if stages[i].waits]
        )
        pixels = 0
        if layer.op in ("CONV_2D", "FULLY_CONNECTED"):
            dense = is_dense(layer, layers[layer.inputs[0]].output)
            pixels = 0 if dense else FEWEST_PIXELS
        stages.append(
            Stage(
                layer, layer.output.height * join, join, waits, group_start,
                pixels=pixels, scratch_bytes=scratch_bytes(layers, layer, pixels, join),
            )
        )  # fmt: skip
    # Leave out the last rows if no step reads them, as at the end of a strided kernel.
    for index in range(last, -1, -1):
        if readers[index]:
            rows = max(
                rows_needed(stages[reader], stages[reader].steps - 1, layers[index])
                for reader in readers[index]
            )
            stages[index] = replace(stages[index], steps=rows * stages[index].join)
    return _with_wakes(stages, readers)


def _with_wakes(stages: list[Stage], readers: list[set[int]]) -> list[Stage]:
    """Return the stages with `wakes` set."""
    # For a layer that waits, the layer that it finally runs for; for others their own index.
    roots = list(range(len(stages)))
    for index in range(len(stages) - 1, -1, -1):
        if stages[index].waits:
            (reader,) = readers[index]
            roots[index] = roots[reader]
    # Rows of states exist when a window starts, so the input's rows wake the layers that read them.
    states = {i for i, stage in enumerate(stages) if stage.layer.op == "STATE"}
    woken = [set() if i in states else {roots[n] for n in readers[i]} for i in range(len(stages))]
    woken[0].update(roots[n] for i in states for n in readers[i])
    return [
        stage if stage.waits else replace(stage, wakes=tuple(sorted(woken[index])))
        for index, stage in enumerate(stages)
    ]


def rows_needed(stage: Stage, step: int, source: Layer) -> int:
    """Return how many rows of an input must exist before a step, at least one."""
    kernel = stage.reads
    last = step * kernel.stride[0] - kernel.padding[0] + kernel.span[0]
    return max(1, min(source.output.height, last))


def scratch_bytes(layers: list[Layer], layer: Layer, pixels: int, join: int) -> int:
    """Return the bytes of working memory of one step of a layer."""
    source = layers[layer.inputs[0]].output if layer.inputs else layer.output
    if is_dense(layer, source):
        pairs, elements = -(-layer.output.channels // 2), min(_PIECE, source.row_bytes)
        return 8 * pairs + 2 * (-(-elements // 16) * 16)
    if layer.op in ("CONV_2D", "FULLY_CONNECTED"):
        elements = -(-layer.weights[0].size // 16) * 16
        return 2 * min(pixels, layer.output.width) * elements
    if layer.op == "AVERAGE_POOL_2D" and join > 1:
        return 4 * layer.output.row_bytes
    if layer.op == "DEPTHWISE_CONV_2D" and is_fast_depthwise(layer, source):
        # Two 32-bit offsets for each tap, of its inputs and weights; and one position of padding.
        return 8 * math.prod(layer.kernel.size) + source.channels
    if layer.op in ("DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "BATCH_MATMUL"):
        return 4 * layer.output.channels
    if layer.op in ("MEAN", "SUM"):
        return 4 * (layer.output.channels if layer.axes[1] else source.row_bytes)
    return 0


def is_dense(layer: Layer, source: Tensor) -> bool:
    """Return whether a layer is a FULLY_CONNECTED that takes in its input piece by piece."""
    return (
        layer.op == "FULLY_CONNECTED"
        and layer.output.height * layer.output.width == 1
        and (source.height * source.width > 1 or source.row_bytes > _PIECE)
    )


def is_fast_depthwise(layer: Layer, source: Tensor) -> bool:
    """Return whether a fast kernel can compute a DEPTHWISE_CONV_2D.

    The fast kernels take four input channels at a time. Their working memory limits the taps; the
    sum of two products must fit 16 bits; Helium scatters 16 outputs over at most 255 bytes.
    """
    return (
        source.channels >= 4
        and layer.output.channels // source.channels <= _MOST_MULTIPLE
        and math.prod(layer.kernel.size) <= _MOST_TAPS
        and int(layer.weights.min()) > -128
    )


class Schedule:
    """Simulates the engine step by step, with the same rules as `run` in sernet_engine.c.

    Attributes:
        stages: The stages of all layers.
        done: Steps that each stage has done.
    """

    def __init__(self, stages: list[Stage]) -> None:
        """Start before the first row."""
        self.stages = stages
        self._layers = [stage.layer for stage in stages]
        self.done = [stage.steps if stage.layer.op == "STATE" else 0 for stage in stages]

    def advance(self) -> list[int]:
        """Return the stages whose steps come next, in order, given the rows pushed so far.

        The caller counts these steps in `done`. An empty list means that the engine needs another
        row (`done[0] += 1`) first.
        """
        for index in range(len(self.stages) - 1, 0, -1):
            stage = self.stages[index]
            if stage.waits or self.done[index] == stage.steps:
                continue
            wanted = self._wanted(index)
            if wanted is not None:
                return self._order(index, wanted)
        return []

    def _wanted(self, root: int) -> list[int] | None:
        """Return the steps that each layer must have done after the next step of `root`.

        None: a layer that does not wait has too few rows.
        """
        wanted = list(self.done)
        wanted[root] += 1
        for index in range(root, self.stages[root].group_start - 1, -1):
            if wanted[index] == self.done[index]:
                continue
            for source in self.stages[index].layer.inputs:
                rows = rows_needed(self.stages[index], wanted[index] - 1, self._layers[source])
                if self.stages[source].waits:
                    wanted[source] = max(wanted[source], rows)
                elif self.done[source] // self.stages[source].join < rows:
                    return None
        return wanted

    def _order(self, root: int, wanted: list[int]) -> list[int]:
        done, order = list(self.done), []
        while done[root] < wanted[root]:
            index = root
            while done[index] == wanted[index] or not self._ready(index, done):
                index -= 1
            order.append(index)
            done[index] += 1
        return order

    def _ready(self, index: int, done: list[int]) -> bool:
        stage, layers = self.stages[index], self._layers
        return all(
            done[source] // self.stages[source].join
            >= rows_needed(stage, done[index], layers[source])
            for source in self.stages[index].layer.inputs
        )


def place_rings(
    schedule: Schedule,
    kept_outputs: int = 0,
    rest_bytes: int = 0,
    caller_bytes: int = 0,
    external: External | None = None,
    fitted: Callable[[list[int]], list[int]] = list,
) -> Plan:
    """Simulate a window; set ring heights and offsets.

    Args:
        schedule: The schedule before the first row.
        kept_outputs: Newest rows of the output that the ring keeps; 0: all rows.
        rest_bytes: Bytes of other data that exists only between two rows of the input.
        caller_bytes: Bytes that the caller uses between two parts of the work.
        external: Set if the weights lie in a memory outside the chip.
        fitted: Returns the rows of each ring, given the fewest rows that each ring must hold.
    """
    fewest, together = _play(schedule, kept_outputs)
    ring_rows = fitted(fewest)
    stages, layers = schedule.stages, [stage.layer for stage in schedule.stages]
    count = len(stages)
    sizes = [
        0 if layer.op == "ASSIGN" else r * layer.output.row_bytes
        for r, layer in zip(ring_rows, layers, strict=True)
    ]
    sizes += [stage.scratch_bytes for stage in stages] + [rest_bytes, caller_bytes]
    conflicts = _conflicts(len(sizes), together)
    arena, offsets = _place(sizes, conflicts)
    most_bytes = arena + arena // _SPEED_SHARE
    pixels = [stage.pixels for stage in stages]
    for i in range(count):
        if pixels[i]:
            tried = list(sizes)
            tried[count + i] = scratch_bytes(layers, layers[i], MOST_PIXELS, 1)
            tried_arena, tried_offsets = _place(tried, conflicts)
            if tried_arena <= most_bytes:
                sizes, arena, offsets, pixels[i] = tried, tried_arena, tried_offsets, MOST_PIXELS
    copies = [False] * count
    if external is not None:
        most = external.state_bytes
        room = MAX_ARENA_BYTES if most is None else most - aligned(5 * count + 1)
        copies = _widen(layers, (sizes, conflicts, pixels), [s.steps for s in stages], room)
        arena, offsets = _place(sizes, conflicts)
    for i, layer in enumerate(layers):
        if layer.op == "ASSIGN":
            offsets[i], ring_rows[i] = offsets[layer.inputs[1]], ring_rows[layer.inputs[1]]
    planned = tuple(
        replace(
            stage,
            ring_rows=ring_rows[i],
            ring_offset=offsets[i],
            pixels=pixels[i],
            scratch_bytes=sizes[count + i],
            scratch_offset=offsets[count + i],
            copies_weights=copies[i],
        )
        for i, stage in enumerate(stages)
    )
    return Plan(planned, arena, offsets[2 * count], caller_bytes, offsets[2 * count + 1])


def _widen(
    layers: list[Layer],
    placing: tuple[list[int], list[int], list[int]],
    steps: list[int],
    room: int,
) -> list[bool]:
    """Let convolutions compute more positions for each read of a weight.

    Args:
        layers: The layers of the schedule.
        placing: Sizes of the buffers, their conflicts (see `_place`), and positions of each layer.
            The function changes sizes and positions.
        steps: Steps of each layer.
        room: Limit of the arena, bytes.

    Returns:
        Whether each layer copies its weights.
    """
    sizes, conflicts, pixels = placing
    count, copies = len(layers), [False] * len(layers)
    left = {i for i in range(count) if pixels[i]}

    def fewer_passes(i: int) -> int:
        """Return the positions with which half the passes are enough."""
        width = layers[i].output.width
        passes = -(-width // pixels[i])
        return min(_MOST_POSITIONS, -(-width // max(1, passes // 2)))

    def saved(i: int) -> int:
        """Return the bytes of weights that `fewer_passes` does not read again."""
        width = layers[i].output.width
        passes = -(-width // pixels[i]) - -(-width // fewer_passes(i))
        return passes * steps[i] * int(layers[i].weights.size)

    while left:
        best = max(left, key=lambda i: (saved(i), -i))
        wider = fewer_passes(best)
        tried = list(sizes)
        tried[count + best] = _copying_bytes(layers[best], wider)
        if saved(best) == 0 or _place(tried, conflicts)[0] > room:
            left.remove(best)
            continue
        sizes[:] = tried
        pixels[best], copies[best] = wider, True
    return copies


def _copying_bytes(layer: Layer, positions: int) -> int:
    """Return the bytes of working memory of a convolution that copies its weights."""
    elements = -(-layer.weights[0].size // 16) * 16
    return (_COPIED + 2 * positions) * elements


def _play(schedule: Schedule, kept_outputs: int) -> tuple[list[int], set[int]]:
    """Simulate a window.

    Returns:
        The rows that each layer's ring must hold, and bit masks of the buffers in use at one time.
        The ring of tensor i is buffer i, and its working memory is buffer count + i. Buffer
        2 * count is in use between two rows of the input, buffer 2 * count + 1 between any two
        parts of the work.
    """
    stages, layers, done = schedule.stages, [s.layer for s in schedule.stages], schedule.done
    count, readers = len(stages), _places(layers)
    ring_rows = [layer.output.height if layer.op == "STATE" else 1 for layer in layers]
    states = sum(1 << index for index, layer in enumerate(layers) if layer.op == "STATE")
    together = set[int]()

    def oldest_read(index: int) -> int:
        """Return the oldest row of a tensor that a later step still reads."""
        if index == count - 1:
            return max(0, done[index] + 1 - kept_outputs) if kept_outputs else 0
        rows = [
            _first_row(layers, stages[r], place, done[r])
            for r, place in readers[index]
            if done[r] < stages[r].steps
        ]
        return min(rows, default=layers[index].output.height)

    def kept_of(index: int, makes: bool) -> int:
        """Return a layer's buffers in use, while it makes a row if `makes`; raise `ring_rows`."""
        if layers[index].op in ("STATE", "ASSIGN"):
            return 0
        own, scratch = 1 << index, (1 << (count + index)) if stages[index].scratch_bytes else 0
        partial = done[index] % stages[index].join > 0
        rows = -(-done[index] // stages[index].join) + (makes and not partial)
        kept = rows - oldest_read(index)
        ring_rows[index] = max(ring_rows[index], kept)
        # `partial`: the layer is gathering the input rows of one row.
        return own | scratch if partial else own if kept > 0 else 0

    in_use = [kept_of(index, False) for index in range(count)]
    changed = [{index, *layer.inputs} for index, layer in enumerate(layers)]

    def step(index: int) -> None:
        scratch = (1 << (count + index)) if stages[index].scratch_bytes else 0
        in_use[index] = kept_of(index, True)
        together.add(states | sum(in_use) | 1 << index | scratch)
        done[index] += 1
        for other in changed[index]:
            in_use[other] = kept_of(other, False)

    for _ in range(stages[0].steps):
        order = [0]
        while order:
            for index in order:
                step(index)
            together.add(states | sum(in_use) | 1 << (2 * count + 1))
            order = schedule.advance()
        # The caller reads the kept rows of the output now.
        together.add(states | sum(in_use) | 1 << (count - 1) | 1 << (2 * count))
    return ring_rows, together


def _places(layers: list[Layer]) -> list[list[tuple[int, int]]]:
    """Return, for each layer, the layers that read its rows, and its place in their inputs."""
    readers: list[list[tuple[int, int]]] = [[] for _ in layers]
    for index, layer in enumerate(layers):
        # An ASSIGN reads only its first input; it just waits for the others.
        for place, source in enumerate(layer.inputs[:1] if layer.op == "ASSIGN" else layer.inputs):
            readers[source].append((index, place))
    return readers


def _first_row(layers: list[Layer], stage: Stage, place: int, step: int) -> int:
    """Return the first row of an input that a step or a later one reads."""
    layer, height = stage.layer, layers[stage.layer.inputs[place]].output.height
    if layer.op == "STACK":
        above = sum(layers[i].output.height for i in layer.inputs[:place])
        return min(height, max(0, step - above))
    if layer.op in ("SLICE", "ASSIGN"):
        return min(height - 1, step * layer.kernel.stride[0] + layer.kernel.span[0] - 1)
    reads = stage.reads
    return min(height - 1, max(0, step * reads.stride[0] - reads.padding[0]))


def _conflicts(count: int, together: set[int]) -> list[int]:
    """Return, for each of `count` buffers, the bit mask of the buffers that it must not overlap.

    Args:
        count: The number of buffers.
        together: Sets of buffers in use at one time, as bit masks.
    """
    conflicts = [0] * count
    for mask in together:
        for buffer in range(count):
            if mask >> buffer & 1:
                conflicts[buffer] |= mask
    return conflicts


def _place(sizes: list[int], conflicts: list[int]) -> tuple[int, list[int]]:
    """Return the arena's size and an offset for each buffer, in bytes."""
    offsets = [0] * len(sizes)
    placed: list[int] = []

    def crowd(buffer: int) -> int:
        """Return the bytes that the buffer must not overlap; long-lived buffers have the most."""
        return sum(size for other, size in enumerate(sizes) if conflicts[buffer] >> other & 1)

    # Place the buffer with the most conflicts first, each at the lowest free offset.
    for buffer in sorted(range(len(sizes)), key=lambda b: (-crowd(b), -sizes[b], b)):
        if sizes[buffer] == 0:
            continue
        offset = 0
        for other in sorted(placed, key=lambda b: offsets[b]):
            if conflicts[buffer] >> other & 1:
                if offset + sizes[buffer] <= offsets[other]:
                    break
                end = offsets[other] + sizes[other]
                offset = max(offset, aligned(end))
        offsets[buffer] = offset
        placed.append(buffer)
    arena = max(offset + size for offset, size in zip(offsets, sizes, strict=True))
    return aligned(arena), offsets
