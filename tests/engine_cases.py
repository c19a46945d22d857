"""Writes C programs that replay golden windows of networks; used on the PC and under QEMU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tflite_micro.python.tflite_micro import runtime as tflm

from sernet_edge.firmware_export import emit, golden
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network

C_FOLDER = Path(__file__).parent / "c"
ENGINE_FOLDER = Path(emit.__file__).parent / "csrc"
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


@dataclass(frozen=True)
class Case:
    """A model and windows to run it on."""

    name: str
    data: bytes
    inputs: NDArray[np.int8]  # (windows, values)


def tflm_outputs(data: bytes, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return what TensorFlow Lite Micro computes, int8 (windows, values)."""
    interpreter = tflm.Interpreter.from_bytes(data, arena_size=4_000_000)
    shape = interpreter.get_input_details(0)["shape"]
    outputs = []
    for window in inputs:
        interpreter.set_input(window.reshape(shape), 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).ravel().copy())
    return np.stack(outputs)


def write_cases(folder: Path, cases: list[Case]) -> list[Path]:
    """Write the engine and the cases' tables to a folder; return the C files to compile.

    What the engine must compute comes from TensorFlow Lite Micro.
    """
    for name in emit.ENGINE_SOURCES + emit.ENGINE_HEADERS:
        (folder / name).write_text(emit.engine_file(name))
    most = 0
    for case in cases:
        network = read_network(case.data, case.name)
        plan = plan_network(network)
        most = max(most, emit.state_bytes(plan))
        outputs = tflm_outputs(case.data, case.inputs)
        (folder / f"{case.name}.h").write_text(emit.model_header(network, plan, case.name))
        (folder / f"{case.name}.c").write_text(emit.model_source(plan, case.name))
        (folder / f"{case.name}_golden.c").write_text(
            golden.golden_source(network, case.inputs, outputs, case.name)
        )
    names = [case.name for case in cases]
    (folder / "cases.h").write_text(
        '#include "sernet_selftest.h"\n'
        + f"#define MOST_STATE_BYTES {most}\n"
        + "".join(f"extern const sernet_golden {name}_golden;\n" for name in names)
        + "static const sernet_golden *const cases[] = {"
        + ", ".join(f"&{name}_golden" for name in names)
        + "};\n"
    )
    return [folder / name for name in emit.ENGINE_SOURCES] + [
        folder / f"{name}{part}.c" for name in names for part in ("", "_golden")
    ]
