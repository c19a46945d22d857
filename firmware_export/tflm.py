"""Exports for TensorFlow Lite Micro: measures its interpreter's memory, and writes its files.

The `tflite-micro` package runs the model once, with the same memory planner as a device, and
reports the arena. It runs in a separate process, because the interpreter ends its process on some
models that it cannot run.
"""

from __future__ import annotations

import importlib.util
import math
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export.emit import banner, ends_macros
from sernet_edge.firmware_export.graph import read_graph, read_graphs
from sernet_edge.firmware_export.header import ALIGN_16, byte_rows
from sernet_edge.firmware_export.network import Layer, Network, Tensor
from sernet_edge.firmware_export.tensors import TensorReader
from sernet_edge.runtime.errors import ModelError, SernetError
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile

_LARGEST_ARENA_BYTES = 64 * 1024 * 1024

_ROUND_UP_BYTES = 1024

# Operators whose C++ name is not simply their joined words.
_METHODS = {
    "BATCH_MATMUL": "BatchMatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}

# Arguments: model, number of inputs, file of windows, file to write outputs to, arena in bytes.
# Prints the arena on standard error. Inputs after the first are zero.
_MEASURE = """
import sys
import numpy as np
from tflite_micro.python.tflite_micro import runtime
model, inputs, windows, outputs, arena = sys.argv[1:]
interpreter = runtime.Interpreter.from_file(model, arena_size=int(arena))
found = []
for window in np.load(windows):
    for number in range(int(inputs)):
        details = interpreter.get_input_details(number)
        zeros = np.zeros(details["shape"], details["dtype"])
        interpreter.set_input(zeros if number else window.reshape(details["shape"]), number)
    interpreter.invoke()
    found.append(interpreter.get_output(0).ravel().copy())
np.save(outputs, np.stack(found))
interpreter.print_allocations()
"""
_ARENA = re.compile(
    rb"Arena allocation total (\d+) bytes.*Arena allocation head (\d+) bytes.*"
    rb"Arena allocation tail (\d+) bytes",
    re.DOTALL,
)


@dataclass(frozen=True)
class Run:
    """A run of the interpreter.

    Attributes:
        arena_bytes: The smallest arena in which the model runs.
        head_bytes: The part for feature maps, which share memory over time.
        tail_bytes: The part for permanent data of tensors and operators.
        outputs: (windows, values), of the output's type.
    """

    arena_bytes: int
    head_bytes: int
    tail_bytes: int
    outputs: NDArray[Any]


def run(file: ModelFile, windows: NDArray[Any], arena_bytes: int = _LARGEST_ARENA_BYTES) -> Run:
    """Run a model in TensorFlow Lite Micro.

    Args:
        file: A `.tflite`.
        windows: (windows, values), of the input's type.
        arena_bytes: The arena that the interpreter gets.

    Raises:
        SernetError: The package is not installed.
        ModelError: TensorFlow Lite Micro cannot run the model; the message says why.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        raise SernetError(
            "`--engine tflm` needs the Python package 'tflite_micro' to measure the arena",
            "pip install --pre tflite-micro",
        )
    with tempfile.TemporaryDirectory() as folder:
        model, inputs, outputs = (Path(folder) / n for n in ("m.tflite", "in.npy", "out.npy"))
        model.write_bytes(file.flatbuffer)
        np.save(inputs, windows)
        arguments = (model, len(read_graph(file).inputs), inputs, outputs, arena_bytes)
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, *map(str, arguments)], capture_output=True
        )
        found = _ARENA.search(done.stderr)
        if done.returncode != 0 or found is None:
            raise ModelError(
                f"{file.name}: TensorFlow Lite Micro cannot run the model in {arena_bytes:,} "
                f"bytes: {_reason(done.stderr)}"
            )
        total, head, tail = map(int, found.groups())
        return Run(total, head, tail, np.load(outputs))


@dataclass(frozen=True)
class MeasuredModel:
    """A model and the memory that its interpreter needs.

    Attributes:
        file: The `.tflite`.
        source: Its input, in the rows that the caller pushes.
        result: Its output.
        operators: Names of its operators, sorted, each once.
        arena_bytes: The smallest arena on this computer.
        margin_bytes: Bytes to add to the arena on a device; see `margin_bytes`.
        object_bytes: Room for MicroInterpreter and MicroMutableOpResolver, with pointers of 8
            bytes.
        outputs: The interpreter's outputs, int8 (windows, values).
    """

    file: ModelFile
    source: Tensor
    result: Tensor
    operators: list[str]
    arena_bytes: int
    margin_bytes: int
    object_bytes: int
    outputs: NDArray[Any]


def measure(
    file: ModelFile, source: Tensor, result: Tensor, windows: NDArray[np.int8]
) -> MeasuredModel:
    """Run a model, and return it with the memory that its interpreter needs.

    Args:
        file: The `.tflite`.
        source: Its input, in the rows that the caller pushes.
        result: Its output.
        windows: int8 (windows, values); for a uint8 input its bytes.

    Raises:
        SernetError: See `run` and `operators`.
    """
    given = windows.view(np.uint8) if source.is_unsigned else windows
    ran, names = run(file, given), operators(file)
    objects = 512 + 96 * len(names)
    outputs = ran.outputs.view(np.int8)
    return MeasuredModel(
        file, source, result, names, ran.arena_bytes, margin_bytes(file), objects, outputs
    )


def audio_ends(model: Model) -> tuple[Tensor, Tensor]:
    """Return the input and the output of a model with a contract: features and scores."""
    contract = model.contract
    source = Tensor(
        "input",
        contract.window_frames,
        contract.feature_count,
        1,
        np.float32(model.input_scale),
        model.input_zero_point,
    )
    scale, zero_point = np.float32(model.output_scale), model.output_zero_point
    return source, Tensor("output", 1, 1, len(contract.labels), scale, zero_point)


def file_ends(file: ModelFile) -> tuple[Tensor, Tensor]:
    """Return the only input and the only output of any model, of int8 or uint8.

    Raises:
        ModelError: The model has several, or another type; the message names the tensor.
    """
    graph, tensors = read_graph(file), TensorReader(file.name)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(
            f"{file.name}: the model has {len(graph.inputs)} inputs and {len(graph.outputs)} "
            "outputs, not one of each"
        )
    return tensors.rows(graph.inputs[0], is_end=True), tensors.rows(graph.outputs[0], is_end=True)


def _reason(stderr: bytes) -> str:
    """Return the interpreter's first message, without the Python traceback after it."""
    for line in stderr.decode("utf-8", "replace").splitlines():
        if line.strip() and not line.startswith(("Traceback", " ")):
            return line.strip()[:200]
    return "it says no more"


def margin_bytes(file: ModelFile) -> int:
    """Return the bytes that a device needs in addition to the arena measured on a PC.

    The PC's reference kernels work in place. CMSIS-NN's and ESP-NN's kernels need scratch memory,
    one layer at a time: columns of a kernel's inputs, four of int8 or two of int16, and a sum for
    each output. The margin is the scratch memory of the largest layer, and up to 16 bytes for the
    alignment of each of the arena's two ends, rounded up to 1 KiB. Everything else is smaller on a
    device, whose pointers take 4 bytes, not 8.
    """
    largest = 0
    for operator in read_graph(file).operators:
        for tensor in operator.tensors:
            shape = tensor.fixed_shape
            if len(shape) < 2:
                continue
            if tensor.constant_bytes:
                # Weights: (out, height, width, in), (out, in) or (1, height, width, out).
                largest = max(largest, 4 * math.prod(shape[1:]) + 4 * shape[0])
            else:
                # Sums of channels.
                largest = max(largest, 4 * shape[-1])
    return -(-(largest + 32) // _ROUND_UP_BYTES) * _ROUND_UP_BYTES


def operators(file: ModelFile) -> list[str]:
    """Return the names of the operators in a model, sorted, each once.

    Raises:
        ModelError: An operator is custom, or newer than this program's schema.
    """
    found = [operator for graph in read_graphs(file) for operator in graph.operators]
    for operator in found:
        if not operator.is_builtin:
            raise ModelError(f"{file.name}: the operator {operator.label} has no name in C++")
    return sorted({operator.name for operator in found})


def variables(file: ModelFile) -> int:
    """Return how many variables a model has."""
    handles = [
        (operator.options.get("Container", ""), operator.options.get("SharedName", ""))
        for graph in read_graphs(file)
        for operator in graph.operators
        if operator.name == "VAR_HANDLE"
    ]
    return len(set(handles))


def method(operator: str) -> str:
    """Return the name of an operator in MicroMutableOpResolver: CONV_2D is Conv2D."""
    joined = "".join(word.capitalize() for word in operator.split("_"))
    return _METHODS.get(operator, re.sub(r"(?<=\d)d\b", "D", joined))


def ops_header(names: list[str]) -> str:
    """Return sernet_tflm_ops.h: a resolver with exactly these operators."""
    calls = " ||\n        ".join(f"resolver.Add{method(name)}() != kTfLiteOk" for name in names)
    return f"""\
{banner()}\
#ifndef SERNET_TFLM_OPS_H
#define SERNET_TFLM_OPS_H

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

typedef tflite::MicroMutableOpResolver<{len(names)}> sernet_tflm_ops;

inline TfLiteStatus sernet_register_ops(sernet_tflm_ops &resolver) {{
    if ({calls})
        return kTfLiteError;
    return kTfLiteOk;
}}

#endif
"""


def model_header(measured: MeasuredModel) -> str:
    """Return sernet_model.h for TensorFlow Lite Micro, with the definitions that sernet.h needs."""
    ends = ends_macros("SERNET_MODEL", measured.source, measured.result)
    if count := variables(measured.file):
        ends += (
            "/* The number of variables, which keep their values from one window to the next. */\n"
            f"#define SERNET_TFLM_VARIABLES {count}\n"
        )
    return f"""\
{banner()}\
#ifndef SERNET_MODEL_H
#define SERNET_MODEL_H

#include "sernet_engine.h"

/* The arena: the bytes that the interpreter of the package tflite-micro used on a PC, and a margin
 * for the scratch memory of optimised kernels (CMSIS-NN, ESP-NN), which a PC does not use. If
 * interpreter.arena_used_bytes() is less on your device, define SERNET_TFLM_ARENA_BYTES. */
#define SERNET_TFLM_ARENA_MEASURED_BYTES {measured.arena_bytes}
#define SERNET_TFLM_ARENA_MARGIN_BYTES {measured.margin_bytes}
#ifndef SERNET_TFLM_ARENA_BYTES
#define SERNET_TFLM_ARENA_BYTES \\
    (SERNET_TFLM_ARENA_MEASURED_BYTES + SERNET_TFLM_ARENA_MARGIN_BYTES)
#endif
/* Room for the interpreter and the resolver; sernet_tflm.cc checks it. */
#ifndef SERNET_TFLM_OBJECT_BYTES
#define SERNET_TFLM_OBJECT_BYTES {measured.object_bytes}
#endif

#define SERNET_MODEL_STATE_BYTES (SERNET_TFLM_OBJECT_BYTES + SERNET_TFLM_ARENA_BYTES)
{ends}
#ifdef __cplusplus
extern "C" {{
#endif
/* The TensorFlow Lite flatbuffer, aligned to 16 bytes because its tensors are. */
extern const unsigned char sernet_flatbuffer[{len(measured.file.flatbuffer)}];
extern const sernet_net sernet_model;
#ifdef __cplusplus
}}
#endif

#endif
"""


def as_network(source: Tensor) -> Network:
    """Return a network that consists of an input alone, for `golden.golden_source`."""
    return Network((Layer("INPUT", (), source),), 0)


def model_source(file: ModelFile) -> str:
    """Return sernet_model.c: the flatbuffer, without its contract.

    Args:
        file: The `.tflite`.
    """
    return (
        banner()
        + f'#include "sernet_model.h"\n\n{ALIGN_16}\n'
        + "SERNET_WEIGHTS_SECTION SERNET_ALIGN_16 const unsigned char sernet_flatbuffer[] = {\n"
        + byte_rows(file.flatbuffer)
        + "\n};\n\n/* Without layers, because sernet_tflm.cc runs the flatbuffer. */\n"
        + "const sernet_net sernet_model = {.state_bytes = SERNET_MODEL_STATE_BYTES};\n"
    )
