"""Writes C programs that replay golden windows of networks; used on the PC and under QEMU."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from graphs import RandomGraph
from numpy.typing import NDArray
from tflite_micro.python.tflite_micro.runtime import Interpreter

from sernet_edge.firmware_export import emit, golden
from sernet_edge.firmware_export.csource import engine_file
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.runtime.interpreter import load
from sernet_edge.runtime.modelfile import ModelFile

C_FOLDER = Path(__file__).parents[1] / "firmware" / "c"
ENGINE_FOLDER = Path(emit.__file__).parent / "csrc"
GRAPHS, OPERATOR_GRAPHS = range(240), range(120)
"""Seeds of the random families of networks that the engine is tested with."""

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def real_window_count(default: int) -> int:
    """Windows of real speech to test with: the environment variable SERNET_FIRMWARE_WINDOWS."""
    return int(os.environ.get("SERNET_FIRMWARE_WINDOWS", default))


@dataclass(frozen=True)
class Case:
    """A model and windows to run it on."""

    name: str
    data: bytes
    inputs: NDArray[np.int8]  # (windows, values)


def tflm_outputs(data: bytes, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return what TensorFlow Lite Micro computes, int8 (windows, values), of uint8 the bytes."""
    interpreter = Interpreter.from_bytes(data, arena_size=4_000_000)
    details = interpreter.get_input_details(0)
    outputs = []
    for window in inputs:
        interpreter.set_input(window.view(details["dtype"]).reshape(details["shape"]), 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).ravel().view(np.int8).copy())
    return np.stack(outputs)


def random_cases(family: type[RandomGraph], seeds: Iterable[int]) -> list[Case]:
    """Return members of a random family with extreme and random windows."""
    cases = []
    for seed in seeds:
        data = family(seed).build()
        inputs = golden.adversarial_windows(read_network(ModelFile("graph", data)), seed)
        cases.append(Case(f"graph_{seed:03}", data, inputs))
    return cases


def real_windows(emodb: Path, model_path: Path, count: int) -> NDArray[np.int8]:
    """Windows of recordings as the model gets them, int8 (count, values)."""
    model = load(model_path)
    contract, front_end = model.contract, FrontEnd(model.contract)
    windows: list[NDArray[np.int8]] = []
    for path in sorted((emodb / "wav").glob("*.wav")):
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        # Short recordings are repeated to fill a window.
        repeats = -(-contract.window_samples // len(samples))
        rows = feature_rows(front_end, np.tile(samples, repeats))[: contract.window_frames]
        windows.append(model.quantise(front_end.window_features(rows)).ravel())
        if len(windows) == count:
            break
    return np.stack(windows)


def write_cases(folder: Path, cases: list[Case]) -> list[Path]:
    """Write the engine and the cases' tables to a folder; return the C files to compile.

    What the engine must compute comes from TensorFlow Lite Micro.
    """
    for name in emit.ENGINE_SOURCES + emit.ENGINE_HEADERS:
        (folder / name).write_text(engine_file(name))
    most = 0
    for case in cases:
        network = read_network(ModelFile(case.name, case.data))
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
    # One file to compile instead of hundreds.
    tables = folder / "tables.c"
    tables.write_text("".join(f'#include "{n}.c"\n#include "{n}_golden.c"\n' for n in names))
    return [folder / name for name in emit.ENGINE_SOURCES] + [tables]
