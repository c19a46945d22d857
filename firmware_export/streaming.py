"""Finds out whether the windows of a network share rows, and plans how each is computed once.

A network streams if it is a body, whose rows depend on their own frames alone, a mean over time,
and a head that sees nothing but the mean. No row of the body may depend on where a window begins
or ends, so the body pads nothing in time. Windows that start a multiple of the body's stride
apart then hold the same rows, and only their means differ.

The body runs without end: one plan of its rings serves a stream of any length. What the mean
needs of a row are its sums over the width; those of the newest rows are kept. Counters of rows stay
small, since after a whole number of periods every ring is back where it was: that many steps
are then taken off every counter.

Windows may also start closer together, at hops that divide the stride. They share the rows of
layers whose own stride divides the hop. A later layer has more rows then, which begin a hop apart
and are made of rows of its input as far apart as before. So its kernel moves by fewer rows and is
dilated in time; a window holds one of so many rows. Everything else stays as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from sernet_edge.firmware_export import quantisation
from sernet_edge.firmware_export.network import Kernel, Layer, Network, Tensor
from sernet_edge.firmware_export.plan import (
    GATHERING,
    External,
    Plan,
    Schedule,
    Stage,
    aligned,
    place_rings,
    plan_network,
    stages_of,
    state_bytes,
)
from sernet_edge.runtime.errors import ModelError

ENDLESS = 65_535
"""Height and steps of the body's layers in C: more than any counter reaches."""

# So that counters stay below `ENDLESS`: they reach two periods and a window.
_MAX_PERIOD_ROWS = 16_384

# What the engine's 8-bit fields hold.
_MOST_ROWS = 255

# Strides after which a schedule must repeat itself, beyond those that fill the rings.
_REPEATED_STRIDES = 8


class NotStreamable(ModelError):
    """Windows of the network cannot share rows; the message names the layer and the reason."""


@dataclass(frozen=True)
class Stream:
    """A network whose windows share rows, ready to be emitted.

    Attributes:
        body: Plan of the layers up to the last feature map, and of the sums of its rows. Its arena
            holds the mean and the head's state, too, when all rows are done.
        period_steps: Steps of each of the body's layers in a period.
        head: Plan of the layers after the mean.
        mean: Integers of the mean; see `quantisation.mean_parameters`.
        mean_output: The tensor that the mean makes.
        rows: Rows of the last feature map in a window.
        apart: Rows from one of these to the next, of those that the body makes: with a hop finer
            than the stride, those between are other windows'.
        late: Rows that the body makes beyond the last of a window before the window ends.
        stride_frames: Frames from one of a window's rows to the next.
        receptive_frames: Frames that one of them is made of.
        window_frames: Frames in a window.
        hop_frames: Windows begin a multiple of so many frames apart; it divides the stride.
    """

    body: Plan
    period_steps: tuple[int, ...]
    head: Plan
    mean: tuple[int, ...]
    mean_output: Tensor
    rows: int
    apart: int
    late: int
    stride_frames: int
    receptive_frames: int
    window_frames: int
    hop_frames: int

    @property
    def finer_hops(self) -> list[int]:
        """Frames of the hops below the stride that the body computes rows for, ascending."""
        hops = range(self.hop_frames, self.stride_frames, self.hop_frames)
        return [hop for hop in hops if self.stride_frames % hop == 0]

    @property
    def macs_per_frame(self) -> float:
        """Multiply-accumulates of the body for a frame of the stream, on average."""
        macs = sum(
            steps * stage.layer.macs / stage.layer.output.height
            for steps, stage in zip(self.period_steps, self.body.stages, strict=True)
        )
        return macs / self.period_steps[0]

    @property
    def macs_per_window(self) -> int:
        """Multiply-accumulates of the head, once for each window."""
        return sum(stage.layer.macs for stage in self.head.stages)


def plan_stream(
    network: Network,
    caller_bytes: int = 0,
    external: External | None = None,
    hop_frames: int | None = None,
) -> Stream:
    """Plan how a network runs on a stream.

    Args:
        network: What to compute.
        caller_bytes: Memory of the arena that the caller uses between two parts of the work.
        external: If its weights lie in a memory outside the chip.
        hop_frames: Frames from one window to the next: a multiple of the network's stride, which
            takes no more than the stride itself, or what divides it. None: the stride.

    Raises:
        NotStreamable: Windows cannot share rows; names the first layer that prevents it.
        ModelError: It needs more memory than any microcontroller has.
    """
    mean_index = _find_mean(network)
    mean = network.layers[mean_index]
    spans = _spans(network, mean_index)
    last = mean.inputs[0]
    span, rows = spans[last], network.layers[last].output.height
    stride = int(span.stride)
    window = network.input.height
    unused = window - (span.end + (rows - 1) * stride)
    if unused >= stride:
        raise _refusal(network, last, f"it leaves the last {unused} frames of a window unused")
    hop = math.gcd(stride, stride if hop_frames is None else hop_frames)
    apart, late = stride // hop, unused // hop
    head = plan_network(_head(network, mean_index))
    rest_bytes = aligned(mean.output.height * mean.output.row_bytes) + state_bytes(head)
    ends = ((rows - 1) * apart + 1 + late, rest_bytes, caller_bytes)
    body, period_steps = _plan_body(network, last, mean, spans, hop, ends, external)
    return Stream(
        body=body,
        period_steps=period_steps,
        head=head,
        mean=tuple(quantisation.mean_parameters(mean, network.layers[last].output)),
        mean_output=mean.output,
        rows=rows,
        apart=apart,
        late=late,
        stride_frames=stride,
        receptive_frames=span.end - span.start,
        window_frames=window,
        hop_frames=hop,
    )


def _refusal(network: Network, index: int, reason: str) -> NotStreamable:
    layer = network.layers[index]
    # Where a converter fused operators, the name is theirs one after the other.
    name = layer.output.name.partition(";")[0]
    return NotStreamable(
        f"windows cannot share rows: layer {index}, {layer.op} that makes {name!r}: {reason}"
    )


def _padding(rows: int, side: str) -> str:
    return f"it puts {rows} {'row' if rows == 1 else 'rows'} of padding {side} a window"


def _find_mean(network: Network) -> int:
    """Return the index of the one mean over time, with everything before and after it apart."""
    layers = network.layers
    for index, layer in enumerate(layers):
        if layer.op in ("STATE", "STACK"):
            keeps = "it keeps a state by itself" if layer.op == "STATE" else "it joins rows"
            raise _refusal(network, index, keeps)
    means = [i for i, layer in enumerate(layers) if layer.op == "MEAN" and layer.axes[0]]
    if not means:
        raise NotStreamable("windows cannot share rows: the network has no MEAN over time")
    if len(means) > 1:
        raise _refusal(network, means[1], "it is the second MEAN over time")
    mean = means[0]
    if mean == len(layers) - 1:
        raise _refusal(network, mean, "no layer follows this MEAN over time")
    after = {mean}
    for index in range(mean + 1, len(layers)):
        outside = [source for source in layers[index].inputs if source not in after]
        if after.isdisjoint(layers[index].inputs):
            if index < mean:
                continue
            raise _refusal(network, index, "it does not depend on the MEAN over time")
        if outside:
            raise _refusal(network, index, "it reads rows beside the MEAN over time")
        after.add(index)
    return mean


@dataclass(frozen=True)
class _Span:
    """Where the rows of a tensor lie: row r is made of frames r * stride + start .. + end."""

    stride: Fraction
    start: int
    end: int


def _spans(network: Network, mean: int) -> list[_Span]:
    """Return the span of every layer before the mean; refuse one that depends on the window."""
    spans = [_Span(Fraction(1), 0, 1)]
    for index, layer in enumerate(network.layers[1:mean], 1):
        sources = [spans[i] for i in layer.inputs]
        if len({source.stride for source in sources}) > 1:
            raise _refusal(network, index, "its inputs have rows of different strides")
        source, height = sources[0], network.layers[layer.inputs[0]].output.height
        start, end = min(s.start for s in sources), max(s.end for s in sources)
        if layer.op == "COLLECT":
            raise _refusal(network, index, "it joins rows")
        if layer.op == "FULLY_CONNECTED" and layer.weights.shape[3] != (
            network.layers[layer.inputs[0]].output.channels
        ):
            raise _refusal(network, index, "it joins rows")
        if not layer.kernel.stride[0]:
            raise _refusal(network, index, "it splits rows")
        if layer.op in GATHERING and layer.axes[0]:
            raise _refusal(network, index, "it reduces time")
        if any(network.layers[i].output.height != layer.output.height for i in layer.inputs[1:]):
            raise _refusal(network, index, "its inputs have different numbers of rows")
        if layer.constant is not None and layer.constant.values.shape[0] > 1:
            raise _refusal(network, index, "its constant differs from row to row")
        kernel = layer.kernel
        if kernel.padding[0]:
            raise _refusal(network, index, _padding(kernel.padding[0], "before"))
        needed = (layer.output.height - 1) * kernel.stride[0] + kernel.span[0]
        if needed > height:
            raise _refusal(network, index, _padding(needed - height, "after"))
        # A SLICE copies the newest row that its kernel spans.
        skipped = kernel.size[0] - 1 if layer.op == "SLICE" else 0
        step = int(source.stride)
        spans.append(
            _Span(
                source.stride * kernel.stride[0],
                start + skipped * step,
                end + (kernel.span[0] - 1) * step,
            )
        )
    return spans


def _head(network: Network, mean: int) -> Network:
    """Return what follows the mean as a network of its own, whose input is the mean."""
    order = {mean: 0}
    layers = [Layer("INPUT", (), network.layers[mean].output)]
    for index in range(mean + 1, len(network.layers)):
        layer = network.layers[index]
        order[index] = len(layers)
        layers.append(replace(layer, inputs=tuple(order[i] for i in layer.inputs)))
    return Network(tuple(layers), 0)


def _plan_body(
    network: Network,
    last: int,
    mean: Layer,
    spans: list[_Span],
    hop: int,
    ends: tuple[int, int, int],
    external: External | None,
) -> tuple[Plan, tuple[int, ...]]:
    """Plan the body for a stream without end; return the plan and the steps in a period.

    Args:
        network: With the body in it.
        last: Index of the body's last layer.
        mean: What follows it.
        spans: Of the layers.
        hop: Frames from one window to the next, a divisor of the last layer's stride.
        ends: Rows of sums that are kept, bytes of what the arena holds when all is done, and
            of what the caller has between two parts of the work.
        external: See `plan_stream`.
    """
    needed = _needed(network, last)
    stride = int(spans[last].stride)
    warm_up = (spans[last].end - spans[last].start) // stride + 4
    layers = _long_body(network, needed, spans, hop, warm_up + _REPEATED_STRIDES)
    layers.append(_row_sums(network, last, mean, layers))
    per_stride = [stride // math.gcd(int(spans[old].stride), hop) for old in needed]
    per_stride.append(stride // hop)
    sizes = [layer.output.row_bytes for layer in layers]

    def fitted(ring_rows: list[int]) -> list[int]:
        found = _repeating(ring_rows, per_stride, sizes)
        if found is None:
            raise _refusal(network, last, "its rings repeat after more rows than counters hold")
        return found

    plans = []
    for tallest in sorted({layer.kernel.span[0] for layer in layers} | {1}):
        stages = stages_of(layers, tallest)
        _check_periodic(stages, per_stride, warm_up)
        plans.append(place_rings(Schedule(stages), *ends, fitted=fitted))
    plan = min(plans, key=lambda plan: plan.arena_bytes)
    if external is not None:
        # Of the same schedule.
        plan = place_rings(Schedule(list(plan.stages)), *ends, external, fitted)
    return plan, _period(plan, per_stride)


def _long_body(
    network: Network, needed: list[int], spans: list[_Span], hop: int, strides: int
) -> list[Layer]:
    """Return the body's layers at a hop, in a window so long that its ends play no part.

    Args:
        network: With the body in it.
        needed: Indices of the body's layers.
        spans: Of the layers.
        hop: Frames from one window to the next.
        strides: By which the window is longer than the network's.
    """
    order = {old: new for new, old in enumerate(needed)}
    frames = strides * int(spans[needed[-1]].stride)

    def longer(old: int) -> Layer:
        layer, stride = network.layers[old], int(spans[old].stride)
        rows = layer.output.height + frames // stride
        return replace(
            layer,
            inputs=tuple(order[i] for i in layer.inputs),
            output=replace(layer.output, height=(rows - 1) * _phases(stride, hop) + 1),
            kernel=_kernel_at(network, spans, old, hop) if layer.inputs else layer.kernel,
        )

    return [longer(old) for old in needed]


def _row_sums(network: Network, last: int, mean: Layer, layers: list[Layer]) -> Layer:
    """Return the layer behind those of the body, which sums its last rows."""
    source = network.layers[last].output
    values = source.channels if mean.axes[1] else source.row_bytes
    if source.row_bytes // values > 255:
        raise _refusal(network, last, "the sum of a row leaves 16 bits")
    # int16 sums, as pairs of bytes.
    height = layers[-1].output.height
    sums = Tensor("sums of rows", height, 2, values, source.scale, source.zero_point)
    return Layer("ROW_SUMS", (len(layers) - 1,), sums, Kernel())


def _needed(network: Network, last: int) -> list[int]:
    """Return the indices of the layers that a layer is made of, itself included."""
    needed = {last}
    for index in range(last, -1, -1):
        if index in needed:
            needed.update(network.layers[index].inputs)
    return sorted(needed)


def _period(plan: Plan, per_stride: list[int]) -> tuple[int, ...]:
    """Return the steps of each stage after which all rings stand where they stood."""
    strides = math.lcm(
        *(
            stage.ring_rows // math.gcd(stage.ring_rows, count)
            for stage, count in zip(plan.stages, per_stride, strict=True)
        )
    )
    return tuple(
        count * strides * stage.join for count, stage in zip(per_stride, plan.stages, strict=True)
    )


def _phases(stride: int, hop: int) -> int:
    """Return how many rows a layer makes at a hop where windows at the stride take one."""
    return stride // math.gcd(stride, hop)


def _kernel_at(network: Network, spans: list[_Span], index: int, hop: int) -> Kernel:
    """Return how a layer's kernel moves over the rows that its input has at a hop.

    Args:
        network: With the layer.
        spans: Of the layers.
        index: The layer's.
        hop: Frames from one window to the next.

    Raises:
        ModelError: It would span more rows than the engine takes.
    """
    layer = network.layers[index]
    kernel, before = layer.kernel, int(spans[layer.inputs[0]].stride)
    apart = _phases(before, hop) if kernel.size[0] > 1 else 1
    found = replace(
        kernel,
        stride=(
            math.gcd(int(spans[index].stride), hop) // math.gcd(before, hop),
            kernel.stride[1],
        ),
        dilation=(kernel.dilation[0] * apart, kernel.dilation[1]),
    )
    if found.span[0] > _MOST_ROWS:
        frames = "1 frame" if hop == 1 else f"{hop} frames"
        raise ModelError(
            f"at a hop of {frames} layer {index}, {layer.op} that makes "
            f"{layer.output.name.partition(';')[0]!r}, spans {found.span[0]} rows, more than the "
            f"engine's {_MOST_ROWS}",
            "take a longer hop",
        )
    return found


def _repeating(
    ring_rows: list[int], per_stride: list[int], row_bytes: list[int]
) -> list[int] | None:
    """Return rings, no smaller, that are all back at the same place within a period.

    Args:
        ring_rows: Rows that they must hold.
        per_stride: Rows that go through each in a stride.
        row_bytes: Of each.

    Returns:
        Those that take the least memory, and of these those with the shortest period; None: there
        are none.
    """
    best: tuple[int, list[int]] | None = None
    for strides in range(1, _MAX_PERIOD_ROWS // max(per_stride) + 1):
        found, spare = [], best[0] - 1 if best else None
        for rows, count, size in zip(ring_rows, per_stride, row_bytes, strict=True):
            # Its period is one of so many strides. More rows than better the best are not tried:
            # a search through all would take minutes for networks without a stride in time.
            period = strides * count
            most = period if spare is None else min(period, rows + spare // size)
            fitting = next((n for n in range(rows, most + 1) if period % n == 0), 0)
            if not fitting:
                break
            if spare is not None:
                spare -= (fitting - rows) * size
            found.append(fitting)
        else:
            more = sum((n - m) * s for n, m, s in zip(found, ring_rows, row_bytes, strict=True))
            best = more, found
            if not more:
                break
    return best[1] if best else None


def _check_periodic(stages: list[Stage], per_stride: list[int], warm_up: int) -> None:
    """Prove that the schedule repeats itself every stride, by playing it.

    Where it is in the same place relative to the stream after each of several strides, it is so
    for ever: the rule depends on nothing else.

    Args:
        stages: Of a window long enough to play it.
        per_stride: Rows of each stage in a stride.
        warm_up: Strides until the rings are full.
    """
    schedule = Schedule(stages)
    places = []
    for frame in range((warm_up + _REPEATED_STRIDES) * per_stride[0]):
        schedule.done[0] += 1
        while order := schedule.advance():
            for index in order:
                schedule.done[index] += 1
        if frame % per_stride[0] == per_stride[0] - 1:
            strides = frame // per_stride[0] + 1
            places.append(
                [
                    done - strides * count * stage.join
                    for done, count, stage in zip(schedule.done, per_stride, stages, strict=True)
                ]
            )
    if any(place != places[-1] for place in places[warm_up:]):
        raise NotStreamable("windows cannot share rows: the schedule does not repeat itself")
