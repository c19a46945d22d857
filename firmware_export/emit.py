"""Emits a network as C: constant weights and tables, and the schedule that the engine reads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sernet_edge import __version__
from sernet_edge.firmware_export import tables
from sernet_edge.firmware_export.plan import ALIGNMENT, Plan, Stage, plan_network
from sernet_edge.firmware_export.reader import Network, Tensor, read_network
from sernet_edge.runtime import modelfile
from sernet_edge.runtime.files import write_text

ENGINE_VERSION = 1
"""SERNET_ENGINE_VERSION in csrc/sernet_engine.h."""

ENGINE_SOURCES = (
    "sernet_engine.c",
    "sernet_kernels.c",
    "sernet_conv.c",
    "sernet_dot_dsp.S",
    "sernet_dot_helium.S",
    "sernet_selftest.c",
)
ENGINE_HEADERS = ("sernet_engine.h", "sernet_kernels.h", "sernet_selftest.h")

_KERNELS = {
    "INPUT": "0",
    "CONV_2D": "sernet_conv",
    "FULLY_CONNECTED": "sernet_conv",
    "DEPTHWISE_CONV_2D": "sernet_depthwise",
    "AVERAGE_POOL_2D": "sernet_average_pool",
    "MAX_POOL_2D": "sernet_max_pool",
    "CONCATENATION": "sernet_concatenate",
    "ADD": "sernet_add",
    "MEAN": "sernet_mean",
    "RELU": "sernet_lookup",
    "RELU6": "sernet_lookup",
    "QUANTIZE": "sernet_lookup",
    "SOFTMAX": "sernet_softmax",
    "COLLECT": "sernet_collect",
}


def engine_file(name: str) -> str:
    """Return the text of a file in csrc/."""
    return (resources.files(__package__) / "csrc" / name).read_text(encoding="utf-8")


def export_network(model_path: str | Path, out: Path) -> Plan:
    """Write the engine and a model's tables to an existing folder.

    Args:
        model_path: A full-int8 `.tflite`.
        out: Where the C files go.

    Returns:
        The plan that the tables describe.

    Raises:
        SernetError: The model cannot be read, or has something the engine does not know.
    """
    network = read_network(modelfile.read_bytes(model_path), str(model_path))
    plan = plan_network(network)
    for name in ENGINE_SOURCES + ENGINE_HEADERS:
        write_text(out / name, engine_file(name))
    write_text(out / "sernet_model.h", model_header(network, plan, "sernet_model"))
    write_text(out / "sernet_model.c", model_source(plan, "sernet_model"))
    return plan


def state_bytes(plan: Plan) -> int:
    """Return the size of the state that the caller gives to the engine."""
    return _arena_offset(plan) + plan.arena_bytes


def _arena_offset(plan: Plan) -> int:
    # Two counters of 16 bits for each layer come first.
    return -(-4 * len(plan.stages) // ALIGNMENT) * ALIGNMENT


def model_header(network: Network, plan: Plan, name: str) -> str:
    """Return the header of a generated network.

    Args:
        network: What was read.
        plan: Its schedule.
        name: The C name of the network, lower case.
    """
    upper = name.upper()
    source, result = network.input, network.output

    def quantisation(what: str, tensor: Tensor) -> str:
        return (
            f"#define {upper}_{what}_SCALE {float(tensor.scale)!r}f\n"
            f"#define {upper}_{what}_ZERO_POINT ({tensor.zero_point})\n"
        )

    return (
        banner()
        + f"#ifndef {upper}_H\n#define {upper}_H\n\n"
        + '#include "sernet_engine.h"\n\n'
        + f"#if SERNET_ENGINE_VERSION != {ENGINE_VERSION}\n"
        + f'#error "this model was exported for engine version {ENGINE_VERSION}: export it again"\n'
        + "#endif\n\n"
        + "/* A state that holds a window in progress, aligned to SERNET_STATE_ALIGN. */\n"
        + f"#define {upper}_STATE_BYTES {state_bytes(plan)}\n"
        + f"/* Input: rows of int8 ({source.width}, {source.channels}). */\n"
        + f"#define {upper}_INPUT_ROWS {source.height}\n"
        + f"#define {upper}_INPUT_ROW_BYTES {source.row_bytes}\n"
        + quantisation("INPUT", source)
        + f"/* Output: int8 ({result.height}, {result.width}, {result.channels}). */\n"
        + f"#define {upper}_OUTPUT_BYTES {result.height * result.row_bytes}\n"
        + quantisation("OUTPUT", result)
        + "\n#ifdef __cplusplus\n"
        + f'extern "C" const sernet_net {name};\n'
        + "#else\n"
        + f"extern const sernet_net {name};\n"
        + "#endif\n\n#endif\n"
    )


def model_source(plan: Plan, name: str) -> str:
    """Return the C source of a network's tables."""
    text = [banner(), f'#include "{name}.h"\n']
    rows = []
    for index, stage in enumerate(plan.stages):
        arrays, fields = _layer(plan, stage, index)
        text.append(f"\n/* Layer {index}: {_comment(stage)} */\n")
        text += arrays
        rows.append(f"    /* {index} */ {{" + ", ".join(f"{k} = {v}" for k, v in fields) + "},\n")
    text.append(f"\nstatic const sernet_layer layers[] = {{\n{''.join(rows)}}};\n")
    text.append(
        f"\nconst sernet_net {name} = {{layers, {len(plan.stages)}, {_arena_offset(plan)}, "
        f"{state_bytes(plan)}}};\n"
    )
    return "".join(text)


def banner() -> str:
    """Return the first line of every generated file; no date, so that exports are equal."""
    return f"/* Generated by sernet-edge {__version__}; do not edit, export the model again. */\n"


def _comment(stage: Stage) -> str:
    tensor = stage.layer.output
    # A tensor's name comes from the file and must not end the comment.
    name = re.sub(r"[^\w/.:;-]", "?", tensor.name).replace("*/", "??").replace("/*", "??")
    return (
        f"{stage.layer.op}, int8 ({tensor.height}, {tensor.width}, {tensor.channels}), "
        f"{stage.ring_rows} rows kept, {name[:60]}"
    )


def _layer(plan: Plan, stage: Stage, index: int) -> tuple[list[str], list[tuple[str, object]]]:
    """Return the C arrays of a layer and the fields of its `sernet_layer`."""
    layer, output, window = stage.layer, stage.layer.output, stage.layer.window
    sources = [plan.stages[i].layer.output for i in layer.inputs]
    low, high = tables.activation_range(layer)
    unlimited = (low, high) == (-128, 127)
    fields: dict[str, object] = {
        "run": _KERNELS[layer.op],
        "input_count": len(layer.inputs),
        "waits": int(stage.waits),
        "kernel_height": window.kernel[0],
        "kernel_width": window.kernel[1],
        "stride_height": window.stride[0],
        "stride_width": window.stride[1],
        "pad_top": window.padding[0],
        "pad_left": window.padding[1],
        "group_start": stage.group_start,
        "quick": 0,
        "pixels": stage.pixels,
        "over_width": int(layer.axes[1]),
        "zero_point": output.zero_point,
        "low": low,
        "high": high,
        "height": output.height,
        "width": output.width,
        "channels": output.channels,
        "steps": stage.steps,
        "join": stage.join,
        "ring_rows": stage.ring_rows,
        "ring_offset": stage.ring_offset,
        "scratch_offset": stage.scratch_offset,
    }
    arrays: list[str] = []

    def array(field: str, kind: str, values: Iterable[int]) -> None:
        arrays.append(c_array(kind, f"{field}_{index}", values))
        fields[field] = f"{field}_{index}"

    if layer.inputs:
        array("inputs", "uint8_t", layer.inputs)
    if layer.op in ("CONV_2D", "FULLY_CONNECTED"):
        conv = tables.conv_tables(layer, sources[0])
        fields["quick"] = int(conv.quick and unlimited)
        arrays.append(_packed_weights(f"weights_{index}", conv.weights))
        fields["weights"] = f"weights_{index}"
        # The kernels take channels in pairs.
        odd = [0] * (output.channels % 2)
        array("bias", "int32_t", conv.bias.tolist() + odd)
        array("multiplier", "int32_t", conv.multipliers.tolist() + odd)
        array("shift", "int8_t", conv.shifts.tolist() + odd)
    elif layer.op == "DEPTHWISE_CONV_2D":
        tables.check_depthwise_sums(layer)
        scales = tables.conv_scales(layer, sources[0])
        array("weights", "int8_t", layer.weights.ravel().tolist())
        array("bias", "int32_t", layer.bias.tolist())
        array("multiplier", "int32_t", [m for m, _ in scales])
        array("shift", "int8_t", [s for _, s in scales])
    elif layer.op == "AVERAGE_POOL_2D":
        if max(window.kernel) <= 2 and unlimited:
            fields["run"] = "sernet_average_pool_2x2"
    elif layer.op in ("RELU", "RELU6", "QUANTIZE"):
        array("weights", "int8_t", tables.lookup_table(layer, sources[0]).tolist())
    elif layer.op == "ADD":
        array("bias", "int32_t", tables.add_parameters(layer, sources[0], sources[1]))
    elif layer.op == "MEAN":
        array("bias", "int32_t", tables.mean_parameters(layer, sources[0]))
    elif layer.op == "SOFTMAX":
        array("bias", "int32_t", tables.softmax_parameters(layer, sources[0]))
    return arrays, [(f".{k}", v) for k, v in fields.items()]


def c_array(kind: str, name: str, values: Iterable[int]) -> str:
    """Return C that defines a constant array of integers."""
    numbers = [_literal(kind, value) for value in values]
    lines = [", ".join(numbers[i : i + 16]) for i in range(0, len(numbers), 16)]
    return f"static const {kind} {name}[] = {{\n    " + ",\n    ".join(lines) + "};\n"


def _literal(kind: str, value: int) -> str:
    # -2147483648 in C is minus an int that does not exist.
    return "(-2147483647 - 1)" if kind == "int32_t" and value == -(1 << 31) else str(value)


def _packed_weights(name: str, weights: NDArray[np.int8]) -> str:
    lines = (
        "    SERNET_WEIGHTS(" + ", ".join(map(str, chunk)) + ")"
        for chunk in weights.reshape(-1, 2 * tables.CHUNK).tolist()
    )
    return f"static const int8_t {name}[{weights.size}] = {{\n" + ",\n".join(lines) + "};\n"
