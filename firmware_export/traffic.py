"""Counts the bytes of weights that the engine reads, which matters for memories outside the chip.

A kernel multiplies every weight with a few positions at a time, and reads the weights again for the
next positions. The count leaves out biases and multipliers, about a hundredth of the bytes.
"""

from __future__ import annotations

import math

from sernet_edge.firmware_export import quantisation
from sernet_edge.firmware_export.cores import Core
from sernet_edge.firmware_export.plan import Plan, Stage, is_dense
from sernet_edge.firmware_export.planned import PlannedModel

_CHUNK = quantisation.CHUNK

_COLUMNS = {"m0plus": 2, "m3": 2, "rv32imc": 2, "m55": 3}
"""The most positions that a core's kernel multiplies at a time; 3 for the other cores."""


def stage_bytes(plan: Plan, stage: Stage, core: Core) -> int:
    """Return the bytes of weights that one step of a stage reads."""
    layer, width = stage.layer, stage.layer.output.width
    if layer.op == "DEPTHWISE_CONV_2D":
        return width * int(layer.weights.size)
    if layer.op not in ("CONV_2D", "FULLY_CONNECTED"):
        return 0
    channels = layer.output.channels + layer.output.channels % 2
    source = plan.stages[layer.inputs[0]].layer.output
    if is_dense(layer, source):
        return channels * _padded(source.row_bytes)
    packed = channels * _padded(layer.weights[0].size)
    return packed * math.ceil(width / positions(stage, core))


def positions(stage: Stage, core: Core) -> int:
    """Return how many positions of a convolution a core computes for each read of a weight."""
    most = _COLUMNS.get(core.name, 3)
    if stage.copies_weights:
        return stage.pixels
    # Helium's columns of int8 take half the memory of the others'.
    return most if core.name == "m55" else min(most, stage.pixels)


def window_bytes(plan: Plan, core: Core) -> int:
    """Return the bytes of weights that the engine reads for a window."""
    return sum(stage.steps * stage_bytes(plan, stage, core) for stage in plan.stages)


def second_bytes(planned: PlannedModel, core: Core) -> float | None:
    """Return the bytes of weights read for a second of audio; None without a contract."""
    contract = planned.file.contract
    if contract is None:
        return None
    hop_s = planned.hop_frames * contract.frame_step_s
    if planned.stream is None:
        return window_bytes(planned.plan, core) / hop_s
    stream = planned.stream
    period_s = stream.period_steps[0] * contract.frame_step_s
    body = sum(
        steps * stage_bytes(stream.body, stage, core)
        for steps, stage in zip(stream.period_steps, stream.body.stages, strict=True)
    )
    return body / period_s + window_bytes(stream.head, core) / hop_s


def sentence(planned: PlannedModel, core: Core) -> str:
    """Return a sentence for the user about the weights that a core reads, and the state."""
    second, what = second_bytes(planned, core), "a second"
    if second is None:
        second, what = float(window_bytes(planned.plan, core)), "a window"
    return (
        f"weights read: {second / 1e6:.1f} MB {what} ({core.name}); the network's state: "
        f"{planned.state_bytes:,} bytes"
    )


def _padded(size: int) -> int:
    return -(-size // _CHUNK) * _CHUNK
