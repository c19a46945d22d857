"""Emits a network whose windows share rows as C: the tables of its body and of its head."""

from __future__ import annotations

from dataclasses import replace

from sernet_edge.firmware_export.emit import banner, c_array, network_header, network_tables
from sernet_edge.firmware_export.network import Network
from sernet_edge.firmware_export.plan import Plan, aligned, arena_offset
from sernet_edge.firmware_export.streaming import ENDLESS, Stream

STREAM_SOURCES = ("sernet_stream.c", "sernet_selftest_stream.c")
STREAM_HEADERS = ("sernet_stream.h",)

# Hops, in strides, that a compiler's error names the neighbours of.
_NAMED_STRIDES = 32


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
        f"#define {upper}_STRIDE_ROWS {stream.stride_frames}\n" + _hop_check(stream)
    )
    return network_header(network, stream.body, name, "sernet_stream.h", "sernet_stream", constants)


def _hop_check(stream: Stream) -> str:
    """Return C that refuses a SERNET_EVERY_FRAMES unless it is a multiple of the stride.

    The compiler's error names the nearest two hops that work.
    """
    stride = stream.stride_frames
    if stride == 1:
        return ""
    lines = ["/* A hop is a multiple of the stride; else the nearest two are named. */"]
    lines.append(f"#if defined(SERNET_EVERY_FRAMES) && SERNET_EVERY_FRAMES % {stride} != 0")
    word = "if"
    for strides in range(2, _NAMED_STRIDES + 1):
        low, high = stride * (strides - 1), stride * strides
        lines.append(f"#{word} SERNET_EVERY_FRAMES < {high}")
        lines.append(f'#error "SERNET_EVERY_FRAMES: the nearest that work are {low} and {high}"')
        word = "elif"
    lines += ["#else", f'#error "SERNET_EVERY_FRAMES must be a multiple of {stride}"', "#endif"]
    return "\n".join([*lines, "#endif", ""])


def stream_source(stream: Stream, name: str) -> str:
    """Return the C source of a stream's tables."""
    mean_offset = arena_offset(stream.body) + stream.body.rest_offset
    output = stream.mean_output
    head_offset = mean_offset + aligned(output.height * output.row_bytes)
    return (
        f'{banner()}#include "{name}.h"\n'
        + network_tables(_endless(stream.body), f"{name}_body", "static ")
        + network_tables(stream.head, f"{name}_head", "static ")
        + "\n"
        + c_array("uint16_t", f"{name}_period_steps", stream.period_steps)
        + c_array("int32_t", f"{name}_mean", stream.mean)
        + f"\nconst sernet_stream {name} = {{\n"
        + f"    &{name}_body, &{name}_head, {name}_period_steps, {name}_mean,\n"
        + f"    {output.zero_point}, {stream.rows}, {mean_offset}, {head_offset}}};\n"
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
