"""Emits a network whose windows share rows as C: the tables of its body and of its head."""

from __future__ import annotations

from dataclasses import replace

from sernet_edge.firmware_export.emit import (
    banner,
    c_array,
    network_header,
    network_tables,
    state_bytes,
)
from sernet_edge.firmware_export.network import Network
from sernet_edge.firmware_export.plan import ALIGNMENT, Plan
from sernet_edge.firmware_export.streaming import ENDLESS, Stream

STREAM_SOURCES = ("sernet_stream.c",)
STREAM_HEADERS = ("sernet_stream.h",)


def stream_state_bytes(stream: Stream) -> int:
    """Return the size of the state that the caller gives to the engine."""
    return _head_offset(stream) + state_bytes(stream.head)


def stream_header(network: Network, stream: Stream, name: str) -> str:
    """Return the header of a network whose windows share rows.

    Args:
        network: As it was read.
        stream: Its plan.
        name: The C name of the network, lower case.
    """
    upper = name.upper()
    constants = (
        "/* Windows share rows: they begin a multiple of so many rows of the input apart. */\n"
        f"#define {upper}_STRIDE_ROWS {stream.stride_frames}\n"
    )
    state = stream_state_bytes(stream)
    return network_header(network, name, "sernet_stream.h", "sernet_stream", state, constants)


def stream_source(stream: Stream, name: str) -> str:
    """Return the C source of a stream's tables."""
    return (
        f'{banner()}#include "{name}.h"\n'
        + network_tables(_endless(stream.body), f"{name}_body", "static ")
        + network_tables(stream.head, f"{name}_head", "static ")
        + "\n"
        + c_array("uint16_t", f"{name}_period_steps", stream.period_steps)
        + c_array("int32_t", f"{name}_mean", stream.mean)
        + f"\nconst sernet_stream {name} = {{\n"
        + f"    &{name}_body, &{name}_head, {name}_period_steps, {name}_mean,\n"
        + f"    {stream.mean_output.zero_point}, {stream.rows}, {_mean_offset(stream)}, "
        + f"{_head_offset(stream)}, {stream_state_bytes(stream)}}};\n"
    )


def _endless(body: Plan) -> Plan:
    """Return a body none of whose layers ever comes to its last row."""
    return replace(
        body,
        stages=tuple(
            replace(
                stage,
                steps=ENDLESS,
                layer=replace(stage.layer, output=replace(stage.layer.output, height=ENDLESS)),
            )
            for stage in body.stages
        ),
    )


def _mean_offset(stream: Stream) -> int:
    return _aligned(state_bytes(stream.body))


def _head_offset(stream: Stream) -> int:
    output = stream.mean_output
    return _aligned(_mean_offset(stream) + output.height * output.row_bytes)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
