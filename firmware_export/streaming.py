"""Finds out whether the windows of a network can share rows, and plans to compute each row once.

Windows can share rows if the network consists of three parts: a body, whose rows depend on their
own frames alone; a mean over time; and a head, which reads only the mean. No row of the body may
depend on where a window begins or ends, so the body pads nothing in time. Windows that start a
multiple of the body's stride apart then hold the same rows, and only their means differ.

The body runs without end: one plan of its rings serves a stream of any length. For the mean, the
engine keeps the sums over the width of the newest rows. The engine counts rows in small counters:
after a whole number of periods every ring is at its first place again, and the engine subtracts
that many steps from every counter.

At a hop that divides the stride, windows start closer together. They share the rows of the layers
with a stride that divides the hop. A later layer then makes more rows, one at every hop, from input
rows that are as far apart as before. So its kernel moves by fewer rows and is dilated in time, and
a window uses only every n-th of its rows. Everything else is the same.
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

# Counters reach two periods and a window, so with this limit they stay below `ENDLESS`.
_MAX_PERIOD_ROWS = 16_384

# Limit of the engine's 8-bit fields.
_MOST_ROWS = 255

# Number of strides, after the rings are full, in which the schedule must repeat itself.
_REPEATED_STRIDES = 8


class NotStreamable(ModelError):
    """Windows of the network cannot share rows; the message names the layer and the reason."""


@dataclass(frozen=True)
class Stream:
    """The plan of a network with shared rows.

    Attributes:
        body: Plan of the layers up to the last feature map, and of the sums of its rows. When all
            rows are done, its arena also holds the mean and the head's state.
        period_steps: Steps of each of the body's layers in a period.
        head: Plan of the layers after the mean.
        mean: Integers of the mean; see `quantisation.mean_parameters`.
        mean_output: The tensor that the mean makes.
        rows: Rows of the last feature map in a window.
        apart: A window uses every `apart`-th row that the body makes; at a hop shorter than the
            stride, the rows between belong to other windows.
        late: Rows that the body makes after the last row of a window, before the window ends.
        stride_frames: Frames from one row of a window to the next.
        receptive_frames: Frames that one row depends on.
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
        """The hops below the stride that this plan supports, in frames, ascending."""
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
    """Plan a network with shared rows.

    Args:
        network: The network.
        caller_bytes: Memory of the arena that the caller uses between two parts of the work.
        external: Set if the weights lie in a memory outside the chip.
        hop_frames: Frames from one window to the next: a multiple of the network's stride, which is
            planned like the stride itself, or a divisor of it. None: the stride.

    Raises:
        NotStreamable: Windows cannot share rows; the message names the first layer that prevents
            sharing.
        ModelError: The network needs more memory than any microcontroller has.
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
    # A converter joins the names of fused operators with semicolons; the first is enough.
    name = layer.output.name.partition(";")[0]
    return NotStreamable(
        f"windows cannot share rows: layer {index}, {layer.op} that makes {name!r}: {reason}"
    )


def _padding(rows: int, side: str) -> str:
    return f"it puts {rows} {'row' if rows == 1 else 'rows'} of padding {side} a window"


def _find_mean(network: Network) -> int:
    """Return the index of the only mean over time; refuse layers that bypass it."""
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
    """Place of a tensor's rows: row r depends on frames r * stride + start to r * stride + end."""

    stride: Fraction
    start: int
    end: int


def _spans(network: Network, mean: int) -> list[_Span]:
    """Return the span of every layer before the mean; refuse a layer that depends on the window."""
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
    """Return the layers after the mean as a network with the mean as its input."""
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
        network: The whole network.
        last: Index of the body's last layer.
        mean: The mean over time.
        spans: Spans of the layers.
        hop: Frames from one window to the next, a divisor of the last layer's stride.
        ends: Rows of sums to keep; bytes of the mean and the head, which use the arena when all
            rows are done; bytes that the caller uses between two parts of the work.
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
        # With the schedule found above.
        plan = place_rings(Schedule(list(plan.stages)), *ends, external, fitted)
    return plan, _period(plan, per_stride)


def _long_body(
    network: Network, needed: list[int], spans: list[_Span], hop: int, strides: int
) -> list[Layer]:
    """Return the body's layers at a hop, in a window so long that its ends have no influence.

    Args:
        network: The whole network.
        needed: Indices of the body's layers.
        spans: Spans of the layers.
        hop: Frames from one window to the next.
        strides: Strides by which the window is longer than the network's.
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
    """Return the layer after the body, which sums the rows of the last feature map."""
    source = network.layers[last].output
    values = source.channels if mean.axes[1] else source.row_bytes
    if source.row_bytes // values > 255:
        raise _refusal(network, last, "the sum of a row leaves 16 bits")
    # The sums are int16; the tensor holds them as pairs of bytes.
    height = layers[-1].output.height
    sums = Tensor("sums of rows", height, 2, values, source.scale, source.zero_point)
    return Layer("ROW_SUMS", (len(layers) - 1,), sums, Kernel())


def _needed(network: Network, last: int) -> list[int]:
    """Return the indices of the layers that a layer depends on, including its own."""
    needed = {last}
    for index in range(last, -1, -1):
        if index in needed:
            needed.update(network.layers[index].inputs)
    return sorted(needed)


def _period(plan: Plan, per_stride: list[int]) -> tuple[int, ...]:
    """Return the steps of each stage after which all rings are at the same place again."""
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
    """Return how many rows a layer makes at a hop for each row that it makes at its own stride."""
    return stride // math.gcd(stride, hop)


def _kernel_at(network: Network, spans: list[_Span], index: int, hop: int) -> Kernel:
    """Return a layer's kernel at a hop, with the stride and dilation for its input's rows.

    Args:
        network: The whole network.
        spans: Spans of the layers.
        index: Index of the layer.
        hop: Frames from one window to the next.

    Raises:
        ModelError: The kernel would span more rows than the engine allows.
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
            "choose a longer hop",
        )
    return found


def _repeating(
    ring_rows: list[int], per_stride: list[int], row_bytes: list[int]
) -> list[int] | None:
    """Return heights of rings with which all rings are at the same place again after a period.

    Args:
        ring_rows: The least rows of each ring.
        per_stride: Rows that each ring takes in a stride.
        row_bytes: Bytes of a row of each ring.

    Returns:
        The heights with the least memory; of equal ones those with the shortest period. None if no
        heights fulfil this.
    """
    best: tuple[int, list[int]] | None = None
    for strides in range(1, _MAX_PERIOD_ROWS // max(per_stride) + 1):
        found, spare = [], best[0] - 1 if best else None
        for rows, count, size in zip(ring_rows, per_stride, row_bytes, strict=True):
            # A height must divide the rows of the period. Do not try heights that would take more
            # memory than the best so far: with all heights the search takes minutes for networks
            # without a stride in time.
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
    """Check by simulation that the schedule repeats itself every stride.

    The next steps depend only on the counters relative to the stream. So if these are equal after
    each of several strides, they are equal after every stride.

    Args:
        stages: Stages of a window that is long enough.
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
