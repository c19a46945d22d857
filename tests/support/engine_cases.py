"""Writes C programs that replay golden windows of networks; used on the PC and under QEMU."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from graphs import RandomGraph
from numpy.typing import NDArray
from state_graphs import RandomStates
from stream_graphs import RandomStream
from tflite_micro.python.tflite_micro.runtime import Interpreter

from sernet_edge.firmware_export import emit, emit_stream, golden
from sernet_edge.firmware_export.bundle import NATIVE_SOURCES
from sernet_edge.firmware_export.csource import engine_file
from sernet_edge.firmware_export.plan import External, plan_network, state_bytes
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.firmware_export.streaming import plan_stream
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.runtime.interpreter import load
from sernet_edge.runtime.modelfile import ModelFile

C_FOLDER = Path(__file__).parents[1] / "firmware" / "c"
ENGINE_FOLDER = Path(emit.__file__).parent / "csrc"
GRAPHS, OPERATOR_GRAPHS, STREAM_GRAPHS, STATE_GRAPHS, ATTENTION_GRAPHS = (
    range(n) for n in (240, 120, 40, 100, 80)
)
"""Seeds of the random networks."""


def real_window_count(default: int) -> int:
    """How many windows of real speech to test with, from SERNET_FIRMWARE_WINDOWS."""
    return int(os.environ.get("SERNET_FIRMWARE_WINDOWS", default))


@dataclass(frozen=True)
class Case:
    """A model and test windows for it."""

    name: str
    data: bytes
    inputs: NDArray[np.int8]  # (windows, values)


@dataclass(frozen=True)
class StreamCase:
    """A model whose windows share rows, and a test stream for it."""

    name: str
    data: bytes
    rows: NDArray[np.int8]  # (rows, values)
    hop: int  # rows between window starts


def tflm_outputs(data: bytes, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return TensorFlow Lite Micro's output (windows, values): int8, or uint8's bytes as int8."""
    interpreter = Interpreter.from_bytes(data, arena_size=4_000_000)
    details = interpreter.get_input_details(0)
    outputs = []
    for window in inputs:
        interpreter.set_input(window.view(details["dtype"]).reshape(details["shape"]), 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).ravel().view(np.int8).copy())
    return np.stack(outputs)


def state_cases(seeds: Iterable[int]) -> list[Case]:
    """Return random networks that keep a state, with consecutive windows."""
    cases = []
    for seed in seeds:
        data = RandomStates(seed).build()
        source = read_network(ModelFile("graph", data)).input
        size = (12, source.height * source.row_bytes)
        inputs = np.random.default_rng(seed).integers(-128, 128, size).astype(np.int8)
        cases.append(Case(f"states_{seed:03}", data, inputs))
    return cases


def random_cases(family: type[RandomGraph], seeds: Iterable[int]) -> list[Case]:
    """Return random networks with extreme and random windows."""
    cases = []
    for seed in seeds:
        data = family(seed).build()
        inputs = golden.adversarial_windows(read_network(ModelFile("graph", data)), seed)
        cases.append(Case(f"{family.__name__.lower()}_{seed:03}", data, inputs))
    return cases


def real_windows(emodb: Path, model_path: Path, count: int) -> NDArray[np.int8]:
    """Return windows of recordings as the model's input, int8 (count, values)."""
    model = load(model_path)
    contract, front_end = model.contract, FrontEnd(model.contract)
    windows: list[NDArray[np.int8]] = []
    for path in sorted((emodb / "wav").glob("*.wav")):
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        # Repeats short recordings to fill a window.
        repeats = -(-contract.window_samples // len(samples))
        rows = feature_rows(front_end, np.tile(samples, repeats))[: contract.window_frames]
        windows.append(model.quantise(front_end.window_features(rows)).ravel())
        if len(windows) == count:
            break
    return np.stack(windows)


def stream_cases(seeds: Iterable[int]) -> list[StreamCase]:
    """Return random networks whose windows share rows, with streams."""
    cases = []
    for seed in seeds:
        graph = RandomStream(seed)
        data = graph.build()
        source = read_network(ModelFile("graph", data)).input
        hop = graph.stride * (1 + seed % 3)
        # Most rings wrap more than twice.
        rows = varied_rows(seed, source.height + 20 * hop, source.row_bytes, source.height)
        cases.append(StreamCase(f"stream_{seed:03}", data, rows, hop))
    return cases


def varied_rows(seed: int, count: int, width: int, window: int) -> NDArray[np.int8]:
    """Return rows over the whole range whose mean changes from window to window."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, width)
    swings = np.sin(np.arange(count)[:, None] * 2 * np.pi / (2.7 * window) + phase)
    return np.clip(100 * swings + rng.normal(0, 40, (count, width)), -128, 127).astype(np.int8)


def write_cases(
    folder: Path, cases: Sequence[Case | StreamCase], external: External | None = None
) -> list[Path]:
    """Write the engine and the cases' tables to a folder; return the C files to compile.

    The expected output comes from TensorFlow Lite Micro.
    """
    for name in NATIVE_SOURCES:
        (folder / name).write_text(engine_file(name))
    most = 0
    for case in cases:
        network = read_network(ModelFile(case.name, case.data))
        if isinstance(case, Case):
            plan = plan_network(network, external=external)
            outputs = tflm_outputs(case.data, case.inputs)
            header, source = (
                emit.model_header(network, plan, case.name),
                emit.model_source(plan, case.name),
            )
            replayed = golden.golden_source(network, case.inputs, outputs, case.name)
        else:
            stream = plan_stream(network, external=external)
            plan = stream.body
            windows = golden.stream_windows(case.rows, network.input.height, case.hop)
            outputs = tflm_outputs(case.data, windows)
            header = emit_stream.stream_header(network, stream, case.name)
            source = emit_stream.stream_source(stream, case.name)
            replayed = golden.golden_stream_source(network, case.hop, case.rows, outputs, case.name)
        most = max(most, state_bytes(plan))
        (folder / f"{case.name}.h").write_text(header)
        (folder / f"{case.name}.c").write_text(source)
        (folder / f"{case.name}_golden.c").write_text(replayed)
    names = [case.name for case in cases]
    (folder / "cases.h").write_text(
        '#include "sernet_selftest.h"\n#include "sernet_stream.h"\n'
        + f"#define MOST_STATE_BYTES {most}\n"
        + "".join(f"extern const sernet_golden {name}_golden;\n" for name in names)
        + "static const sernet_golden *const cases[] = {"
        + ", ".join(f"&{name}_golden" for name in names)
        + "};\n"
    )
    # One file compiles faster than hundreds.
    tables = folder / "tables.c"
    tables.write_text("".join(f'#include "{n}.c"\n#include "{n}_golden.c"\n' for n in names))
    return [folder / name for name in NATIVE_SOURCES if not name.endswith(".h")] + [tables]
