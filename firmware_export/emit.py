"""Emits a network as C: constant weights and tables, and the schedule that the engine reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sernet_edge import __version__
from sernet_edge.firmware_export import quantisation
from sernet_edge.firmware_export.csource import c_constant
from sernet_edge.firmware_export.network import Kernel, Layer, Network, Tensor
from sernet_edge.firmware_export.plan import (
    Plan,
    Stage,
    arena_offset,
    is_dense,
    is_fast_depthwise,
    state_bytes,
)

ENGINE_VERSION = c_constant("sernet_engine.h", "SERNET_ENGINE_VERSION")

ENGINE_SOURCES = (
    "sernet_engine.c",
    "sernet_kernels.c",
    "sernet_elementwise.c",
    "sernet_moves.c",
    "sernet_conv.c",
    "sernet_depthwise.c",
    "sernet_dot_dsp.S",
    "sernet_dot_helium.S",
    "sernet_depthwise_dsp.S",
    "sernet_depthwise_helium.S",
    "sernet_selftest.c",
)
ENGINE_HEADERS = ("sernet_engine.h", "sernet_kernels.h", "sernet_selftest.h", "sernet_ring.h")

_KERNELS = {
    "INPUT": "0",
    "CONV_2D": "sernet_conv",
    "FULLY_CONNECTED": "sernet_conv",
    "DEPTHWISE_CONV_2D": "sernet_depthwise",
    "AVERAGE_POOL_2D": "sernet_average_pool",
    "MAX_POOL_2D": "sernet_max_pool",
    "CONCATENATION": "sernet_concatenate",
    "ADD": "sernet_combine",
    "SUB": "sernet_combine",
    "MUL": "sernet_multiply",
    "PRELU": "sernet_prelu",
    "MEAN": "sernet_mean",
    "SUM": "sernet_mean",
    "REDUCE_MAX": "sernet_reduce_max",
    "PAD": "sernet_pad",
    "ARRANGE": "sernet_arrange",
    "SOFTMAX": "sernet_softmax",
    "LOG_SOFTMAX": "sernet_log_softmax",
    "BATCH_MATMUL": "sernet_matmul",
    "COLLECT": "sernet_collect",
    "SLICE": "sernet_slice",
    "STACK": "sernet_stack",
    "STATE": "0",
    "ASSIGN": "sernet_slice",
    "ROW_SUMS": "sernet_row_sums",
}


def model_header(network: Network, plan: Plan, name: str, constants: str = "") -> str:
    """Return the header of a generated network that computes whole windows.

    Args:
        network: From the reader.
        plan: Its schedule.
        name: The C name of the network, lower case.
        constants: More lines of C.
    """
    return network_header(network, plan, name, "sernet_engine.h", "sernet_net", constants)


def network_header(
    network: Network, plan: Plan, name: str, include: str, kind: str, constants: str = ""
) -> str:
    """Return the header of a generated network.

    Args:
        network: From the reader.
        plan: The schedule whose state the caller provides.
        name: The C name of the network, lower case.
        include: The engine's header.
        kind: The C type of the network.
        constants: More lines of C.
    """
    upper = name.upper()
    return (
        banner()
        + f"#ifndef {upper}_H\n#define {upper}_H\n\n"
        + f'#include "{include}"\n\n'
        + f"#if SERNET_ENGINE_VERSION != {ENGINE_VERSION}\n"
        + f'#error "this model was exported for engine version {ENGINE_VERSION}: export it again"\n'
        + "#endif\n\n"
        + "/* Size of the state, which must be aligned to SERNET_STATE_ALIGN. */\n"
        + f"#define {upper}_STATE_BYTES {state_bytes(plan)}\n"
        + _caller_macros(upper, plan)
        + ends_macros(upper, network.input, network.output)
        + constants
        + "\n#ifdef __cplusplus\n"
        + f'extern "C" const {kind} {name};\n'
        + "#else\n"
        + f"extern const {kind} {name};\n"
        + "#endif\n\n#endif\n"
    )


def _caller_macros(upper: str, plan: Plan) -> str:
    """Return C macros for the part of the state that the caller may use."""
    if not plan.caller_bytes:
        return ""
    return (
        "\n/* Between two parts of the work the caller may use these bytes of the state; the next\n"
        " * part of the work overwrites them. */\n"
        f"#define {upper}_CALLER_BYTES {plan.caller_bytes}\n"
        f"#define {upper}_CALLER_OFFSET {arena_offset(plan) + plan.caller_offset}\n"
    )


def ends_macros(upper: str, source: Tensor, result: Tensor) -> str:
    """Return C macros `UPPER_...` that describe a network's input and output.

    Args:
        upper: The beginning of each name.
        source: The input.
        result: The output.
    """

    def kind_of(tensor: Tensor) -> str:
        return "uint8" if tensor.is_unsigned else "int8"

    def numbers(what: str, tensor: Tensor) -> str:
        return (
            f"#define {upper}_{what}_SCALE {float(tensor.scale)!r}f\n"
            f"#define {upper}_{what}_ZERO_POINT ({tensor.zero_point})\n"
            + (f"#define {upper}_{what}_IS_UINT8 1\n" if tensor.is_unsigned else "")
        )

    return (
        f"/* Input: rows of {kind_of(source)} ({source.width}, {source.channels}). */\n"
        f"#define {upper}_INPUT_ROWS {source.height}\n"
        f"#define {upper}_INPUT_ROW_BYTES {source.row_bytes}\n"
        + numbers("INPUT", source)
        + f"/* Output: {kind_of(result)} {result.shape}. */\n"
        + f"#define {upper}_OUTPUT_BYTES {result.height * result.row_bytes}\n"
        + numbers("OUTPUT", result)
    )


def model_source(plan: Plan, name: str) -> str:
    """Return the C source of a network's tables."""
    return f'{banner()}#include "{name}.h"\n' + network_tables(plan, name)


def network_tables(plan: Plan, name: str, storage: str = "") -> str:
    """Return C that defines the `sernet_net` `name` and its arrays, named `name`_...

    Args:
        plan: The network's schedule.
        name: The C name of the network, lower case.
        storage: "static " if no other file uses the network.
    """
    text, rows = [], []
    for index, stage in enumerate(plan.stages):
        arrays, fields = _layer(plan, stage, f"{name}_{index}")
        text.append(f"\n/* Layer {index}: {_comment(stage)} */\n")
        text += arrays
        rows.append(f"    /* {index} */ {{" + ", ".join(f"{k} = {v}" for k, v in fields) + "},\n")
    layers = f"SERNET_TABLES_SECTION static const sernet_layer {name}_layers[]"
    text.append(f"\n{layers} = {{\n{''.join(rows)}}};\n")
    text.append(
        f"\n{storage}const sernet_net {name} = {{{name}_layers, {len(plan.stages)}, "
        f"{arena_offset(plan)}, {state_bytes(plan)}}};\n"
    )
    return "".join(text)


def banner() -> str:
    """Return the first line of every generated file; without a date, so that exports are equal."""
    return f"/* Generated by sernet-edge {__version__}; do not edit, export the model again. */\n"


def _comment(stage: Stage) -> str:
    tensor = stage.layer.output
    # A tensor's name comes from the file and must not end the comment.
    name = re.sub(r"[^A-Za-z0-9_/.:;-]", "_", tensor.name)
    return (
        f"{stage.layer.op}, int8 ({tensor.height}, {tensor.width}, {tensor.channels}), "
        f"{stage.ring_rows} rows kept, {name[:60]}"
    )


def _layer(plan: Plan, stage: Stage, prefix: str) -> tuple[list[str], list[tuple[str, object]]]:
    """Return the C arrays of a layer, named `prefix`_..., and the fields of its `sernet_layer`."""
    layer, channels = stage.layer, stage.layer.output.channels
    sources = [plan.stages[i].layer.output for i in layer.inputs]
    fields = _numbers(stage)
    unlimited = (fields["low"], fields["high"]) == (-128, 127)
    arrays: list[str] = []

    def array(field: str, kind: str, values: Iterable[int]) -> None:
        section = f"SERNET_{'WEIGHTS' if field == 'weights' else 'TABLES'}_SECTION "
        arrays.append(section + c_array(kind, f"{prefix}_{field}", values))
        fields[field] = f"{prefix}_{field}"

    def by_channel(tables: quantisation.ConvTables, more: int) -> None:
        """Add the arrays with a value a channel, and `more` zeros: kernels read whole blocks."""
        padding = [0] * more
        array("bias", "int32_t", tables.bias.tolist() + padding)
        array("multiplier", "int32_t", tables.multipliers.tolist() + padding)
        array("shift", "int8_t", tables.shifts.tolist() + padding)

    if neighbours := (*layer.inputs, *stage.wakes):
        array("inputs", "uint8_t", neighbours)
    if layer.op in ("CONV_2D", "FULLY_CONNECTED"):
        conv = quantisation.conv_tables(layer, sources[0])
        fields["quick"] = int(conv.quick and unlimited)
        fields["part_groups"] = conv.part_groups
        fields["run"] = _convolution_kernel(stage, sources[0])
        arrays.append(_packed_weights(f"{prefix}_weights", conv.weights))
        fields["weights"] = f"{prefix}_weights"
        by_channel(conv, channels % 2)
    elif layer.op == "DEPTHWISE_CONV_2D":
        depthwise, fields["run"] = _depthwise(layer, sources[0])
        fields["quick"] = int(depthwise.quick and unlimited)
        array("weights", "int8_t", depthwise.weights.ravel().tolist())
        # Helium reads blocks of 16 values, which begin at the first input channel of each part.
        by_channel(depthwise, max(-channels % 16, 16 - sources[0].channels))
    elif layer.op == "AVERAGE_POOL_2D" and max(layer.kernel.size) <= 2 and unlimited:
        fields["run"] = "sernet_average_pool_2x2"
    elif layer.op in ("AVERAGE_POOL_2D", "MAX_POOL_2D") and stage.join > 1:
        fields["run"] = f"{_KERNELS[layer.op]}_rows"
    elif layer.table.size:
        array("weights", "int8_t", layer.table.tolist())
    elif layer.op in ("ADD", "SUB", "MUL", "PRELU"):
        fields["run"] = _binary_kernel(layer, sources)
        strides = [] if fields["run"] == "sernet_add" else _operand_strides(layer, sources)
        if layer.constant is not None:
            array("weights", "int8_t", layer.constant.values.ravel().tolist())
        array("bias", "int32_t", quantisation.parameters(layer, sources) + strides)
    elif layer.op == "SLICE" and is_cropped(layer, sources[0]):
        fields["run"] = "sernet_crop"
        array("bias", "int32_t", _crop(layer, sources[0].channels))
    elif layer.op == "STATE":
        if (layer.initial != layer.output.zero_point).any():
            array("weights", "int8_t", layer.initial.ravel().tolist())
    elif layer.op == "ARRANGE":
        array("bias", "int32_t", layer.strides)
    elif numbers := quantisation.parameters(layer, sources):
        array("bias", "int32_t", numbers)
    return arrays, [(f".{k}", v) for k, v in fields.items()]


def _convolution_kernel(stage: Stage, source: Tensor) -> str:
    """Return the kernel of a CONV_2D or FULLY_CONNECTED."""
    if stage.copies_weights:
        return "sernet_conv_copied"
    if stage.layer.kernel.dilation != (1, 1):
        return "sernet_conv_dilated"
    return "sernet_dense" if is_dense(stage.layer, source) else _KERNELS[stage.layer.op]


def _depthwise(layer: Layer, source: Tensor) -> tuple[quantisation.ConvTables, str]:
    """Return the tables of a DEPTHWISE_CONV_2D, and its kernel."""
    multiple = layer.output.channels // source.channels
    if not is_fast_depthwise(layer, source):
        return quantisation.depthwise_tables(layer, source, 1), "sernet_depthwise_any"
    tables = quantisation.depthwise_tables(layer, source, multiple)
    return tables, "sernet_depthwise_multiple" if multiple > 1 else _KERNELS[layer.op]


def is_cropped(layer: Layer, source: Tensor) -> bool:
    """Return whether a SLICE takes less than whole rows."""
    return (layer.output.width, layer.output.channels) != (source.width, source.channels)


def _crop(layer: Layer, depth: int) -> tuple[int, int, int]:
    """Return the first byte that a SLICE copies of a row, and its steps, all in bytes."""
    position, position_step, channel, channel_step = layer.crop
    return position * depth + channel, position_step * depth, channel_step


def _binary_kernel(layer: Layer, sources: Sequence[Tensor]) -> str:
    """Return the kernel of an ADD, SUB, MUL or PRELU."""
    same = layer.constant is None and all(s.shape == layer.output.shape for s in sources)
    if layer.op != "ADD" or not same:
        return _KERNELS[layer.op]
    shifts = [quantisation.parameters(layer, sources)[place] for place in (2, 5, 7)]
    return "sernet_add" if all(-22 <= shift <= 0 for shift in shifts) else _KERNELS["ADD"]


def _operand_strides(layer: Layer, sources: Sequence[Tensor]) -> list[int]:
    """Return the strides of both operands in bytes, then 1 for ADD or -1 for SUB.

    Each operand has three: from one position to the next, from one channel to the next, and for a
    constant from one row to the next (-1 for a tensor). A stride of 0 broadcasts.
    """
    strides: list[int] = []
    for place, tensor in enumerate(quantisation.pair(layer, sources)):
        is_constant = layer.constant is not None and layer.constant.place == place
        row = tensor.row_bytes if tensor.height > 1 else 0
        strides += [
            tensor.channels if tensor.width > 1 else 0,
            int(tensor.channels > 1),
            row if is_constant else -1,
        ]
    signs = {"ADD": [1], "SUB": [-1]}
    return strides + signs.get(layer.op, [])


def _taps(layer: Layer, reads: Kernel) -> int:
    """Return a kernel's height; for SLICE and ASSIGN the place, from 1, of the row to copy."""
    if layer.op == "ASSIGN":
        return layer.kernel.size[0]
    return reads.span[0] if layer.op == "SLICE" else reads.size[0]


def _numbers(stage: Stage) -> dict[str, object]:
    """Return the fields of a layer's `sernet_layer` that are not arrays."""
    layer, output = stage.layer, stage.layer.output
    kernel, reads = layer.kernel, stage.reads
    low, high = quantisation.activation_range(layer)
    return {
        "run": "sernet_lookup" if layer.table.size else _KERNELS[layer.op],
        "input_count": len(layer.inputs),
        "wake_count": len(stage.wakes),
        "waits": int(stage.waits),
        "kernel_height": _taps(layer, reads),
        "kernel_width": kernel.size[1],
        "span_height": reads.span[0],
        "stride_height": reads.stride[0],
        "stride_width": kernel.stride[1],
        "pad_top": reads.padding[0],
        "pad_left": kernel.padding[1],
        "dilation_height": reads.dilation[0],
        "dilation_width": kernel.dilation[1],
        "group_start": stage.group_start,
        "quick": 0,
        "pixels": stage.pixels,
        "over_width": int(layer.axes[1]),
        # A uint8 zero point as the int8 with the same bits: the engine only moves these bytes.
        "zero_point": (output.zero_point + 128) % 256 - 128,
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


def c_array(kind: str, name: str, values: Iterable[int]) -> str:
    """Return C that defines a constant array of integers."""
    numbers = [_literal(kind, value) for value in values]
    lines = [", ".join(numbers[i : i + 16]) for i in range(0, len(numbers), 16)]
    return f"static const {kind} {name}[] = {{\n    " + ",\n    ".join(lines) + "};\n"


def _literal(kind: str, value: int) -> str:
    # C reads -2147483648 as minus 2147483648, which does not fit an int.
    return "(-2147483647 - 1)" if kind == "int32_t" and value == -(1 << 31) else str(value)


def _packed_weights(name: str, weights: NDArray[np.int8]) -> str:
    lines = (
        "    SERNET_WEIGHTS(" + ", ".join(map(str, chunk)) + ")"
        for chunk in weights.reshape(-1, 2 * quantisation.CHUNK).tolist()
    )
    definition = f"SERNET_WEIGHTS_SECTION static const int8_t {name}[{weights.size}] SERNET_ALIGNED"
    return f"{definition} = {{\n" + ",\n".join(lines) + "};\n"
