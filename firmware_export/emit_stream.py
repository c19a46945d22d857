"""Emits a network with shared rows as C: the tables of its body and of its head."""

from __future__ import annotations

from dataclasses import replace

from sernet_edge.firmware_export.emit import banner, c_array, network_header, network_tables
from sernet_edge.firmware_export.network import Network
from sernet_edge.firmware_export.plan import Plan, aligned, arena_offset
from sernet_edge.firmware_export.streaming import ENDLESS, Stream

STREAM_SOURCES = ("sernet_stream.c", "sernet_selftest_stream.c")
STREAM_HEADERS = ("sernet_stream.h",)

# The compiler's error names the nearest hops up to this many strides.
_NAMED_STRIDES = 32


def stream_header(network: Network, stream: Stream, name: str, constants: str = "") -> str:
    """Return the header of a network with shared rows.

    Args:
        network: From the reader.
        stream: Its plan.
        name: The C name of the network, lower case.
        constants: More lines of C.
    """
    upper = name.upper()
    constants += (
        "/* Windows share rows if they begin a multiple of this many input rows apart. */\n"
        f"#define {upper}_STRIDE_ROWS {stream.stride_frames}\n" + _hop_check(stream)
    )
    return network_header(network, stream.body, name, "sernet_stream.h", "sernet_stream", constants)


def _hop_check(stream: Stream) -> str:
    """Return C that refuses a SERNET_EVERY_FRAMES unless the network was planned for it.

    The compiler's error names the nearest two hops that work.
    """
    stride, finest, every = stream.stride_frames, stream.hop_frames, "SERNET_EVERY_FRAMES"
    if stride == 1:
        return ""
    works = [f"{every} % {stride} == 0", *(f"{every} == {hop}" for hop in stream.finer_hops)]
    hops = [*stream.finer_hops, *(stride * n for n in range(1, _NAMED_STRIDES + 1))]
    lines = [
        "/* A hop is a multiple of the stride, or a divisor of it that the export planned for. */",
        f"#if defined({every}) && !({' || '.join(works)})",
        f"#if {every} < {finest}",
        f'#error "{every}: exported for {finest} or more; sernet-edge export --hop has finer ones"',
    ]
    for low, high in zip(hops, hops[1:], strict=False):
        lines.append(f"#elif {every} < {high}")
        lines.append(f'#error "{every}: the nearest that work are {low} and {high}"')
    lines += ["#else", f'#error "{every} must be a multiple of {stride}"', "#endif"]
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
        + f"    {output.zero_point}, {stream.rows}, {stream.apart}, {stream.late}, {mean_offset}, "
        + f"{head_offset}}};\n"
    )


def _endless(body: Plan) -> Plan:
    """Return the body with so many steps in each layer that no layer reaches its last row."""
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
