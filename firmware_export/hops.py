"""Computes the MACs and the memory of listening at a hop, from the plan alone."""

from __future__ import annotations

from dataclasses import dataclass

from sernet_edge.firmware_export.frontend_tables import bins_bytes
from sernet_edge.firmware_export.plan import state_bytes
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.firmware_export.streaming import Stream, plan_stream
from sernet_edge.runtime.errors import ModelError


@dataclass(frozen=True)
class Cost:
    """Cost of a network with whole windows or with shared rows.

    Attributes:
        macs: Multiply-accumulates for a second of audio.
        state_bytes: Size of the network's state.
    """

    macs: int
    state_bytes: int


@dataclass(frozen=True)
class HopCost:
    """Cost of a network at a hop.

    Attributes:
        hop_frames: Frames from one result to the next.
        hop_s: Seconds from one result to the next.
        shared: The cost with shared rows; None: windows do not share rows, or not at this hop.
        whole: The cost with whole windows.
    """

    hop_frames: int
    hop_s: float
    shared: Cost | None
    whole: Cost


def hop_costs(planned: PlannedModel) -> list[HopCost]:
    """Return the costs at the planned hop and at others, from the longest hop to the shortest.

    With shared rows the others are the stride, and a half and a quarter of it if these are whole
    frames.

    Args:
        planned: The plan of a `.tflite` with a contract.
    """
    hops = {planned.hop_frames}
    if planned.stream is not None:
        stride = planned.stream.stride_frames
        hops |= {stride // part for part in (1, 2, 4) if stride % part == 0}
    return [_hop_cost(planned, hop) for hop in sorted(hops, reverse=True)]


def stream_cost(stream: Stream, hop_frames: int, frame_step_s: float) -> Cost:
    """Return the cost of a network with shared rows.

    Args:
        stream: The network's plan.
        hop_frames: Frames from one result to the next.
        frame_step_s: Seconds from one frame to the next.
    """
    macs = stream.macs_per_frame + stream.macs_per_window / hop_frames
    return Cost(round(macs / frame_step_s), state_bytes(stream.body))


def sentence(planned: PlannedModel) -> str:
    """Return a sentence for the user about the MACs at the planned hop."""
    contract = planned.file.require_contract()
    hop_s = planned.hop_frames * contract.frame_step_s
    cost = (
        Cost(round(planned.network.macs / hop_s), planned.state_bytes)
        if planned.stream is None
        else stream_cost(planned.stream, planned.hop_frames, contract.frame_step_s)
    )
    return (
        f"a result every {hop_s:.3f} s takes {cost.macs / 1e6:.1f} million MACs a second of audio"
    )


def _hop_cost(planned: PlannedModel, hop_frames: int) -> HopCost:
    contract = planned.file.require_contract()
    hop_s = hop_frames * contract.frame_step_s
    whole = Cost(round(planned.network.macs / hop_s), state_bytes(planned.plan))
    shared, stream = None, planned.stream
    if stream is not None and hop_frames != planned.hop_frames:
        try:
            stream = plan_stream(planned.network, bins_bytes(contract), hop_frames=hop_frames)
        except ModelError:
            stream = None
    if stream is not None:
        shared = stream_cost(stream, hop_frames, contract.frame_step_s)
    return HopCost(hop_frames, hop_s, shared, whole)
