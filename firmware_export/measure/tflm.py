"""Measures TensorFlow Lite Micro on emulated cores, with the user's library; reads saved runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from sernet_edge.firmware_export import golden, tflm
from sernet_edge.firmware_export.bundle import tflm_bundle_files, write_files
from sernet_edge.firmware_export.cores import Core
from sernet_edge.firmware_export.measure import cross, elf
from sernet_edge.firmware_export.measure.firmware import (
    MODEL_NAME,
    counted_regions,
    printed_number,
)
from sernet_edge.firmware_export.network import Network
from sernet_edge.firmware_export.network_bundle import tflm_network_bundle_files
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile


@dataclass(frozen=True)
class TflmFigures:
    """Cost of a network in TensorFlow Lite Micro on one core.

    Attributes:
        core: The core's name.
        instructions: Instructions of one window, without the interpreter's set-up.
        arena_bytes: Bytes that the interpreter used of its arena.
        ram_bytes: Arena, other variables and stack.
        stack_bytes: The most stack in use.
        flash_bytes: Flash of the program, with the flatbuffer.
        code_bytes: Flash of the program, without the flatbuffer.
    """

    core: str
    instructions: int
    arena_bytes: int
    ram_bytes: int
    stack_bytes: int
    flash_bytes: int
    code_bytes: int


@dataclass(frozen=True)
class SavedRuns:
    """Costs of a network in TensorFlow Lite Micro, measured earlier.

    Attributes:
        origin: Commits, compiler and flags.
        cores: The figures, one core each.
    """

    origin: str
    cores: tuple[TflmFigures, ...]


def fingerprint(network: Network) -> str:
    """Return 16 hex digits that are equal for networks with equal layers; weights don't matter.

    The order of parallel paths in the file does not matter either, because it differs from one
    conversion of a model to the next.
    """
    layers: list[str] = []
    for layer in network.layers:
        facts = [
            layer.op, [layers[index] for index in layer.inputs], layer.output.height,
            layer.output.width, layer.output.channels, layer.kernel.size, layer.kernel.stride,
        ]  # fmt: skip
        layers.append(hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16])
    return layers[-1]


def saved_document() -> dict[str, Any]:
    """Return saved_tflm.json: "origin", and "networks" by fingerprint, each with "cores"."""
    text = (resources.files(__package__) / "saved_tflm.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def saved_runs(network: Network) -> SavedRuns | None:
    """Return the saved runs of a network with the same layers; None if no such run exists."""
    document = saved_document()
    found = document["networks"].get(fingerprint(network))
    if found is None:
        return None
    return SavedRuns(
        document["origin"], tuple(TflmFigures(**figures) for figures in found["cores"])
    )


def measure_tflm(
    file: ModelFile,
    core: Core,
    includes: Sequence[Path],
    library: Path,
    folder: Path,
    counter: Path,
) -> TflmFigures:
    """Measure the same network in a TensorFlow Lite Micro that was compiled for a core.

    Args:
        file: A full-int8 `.tflite`.
        core: The core that the library was compiled for.
        includes: Folders with the headers of TensorFlow Lite Micro and of its dependencies.
        library: libtensorflow-microlite.a, with the kernels of your choice.
        folder: The folder for the built files.
        counter: From `cross.build_counter`.

    Raises:
        SernetError: A tool or header is missing, the build fails, or the scores are wrong.
    """
    if file.contract is None:
        texts, ends = tflm_network_bundle_files(file), tflm.file_ends(file)
    else:
        model = Model(file)
        texts, ends = tflm_bundle_files(model), tflm.audio_ends(model)
    write_files(texts, folder, force=False)
    network = tflm.as_network(ends[0])
    window = golden.adversarial_windows(network)[-1:]
    outputs = golden.golden_outputs(file, window)
    source = golden.golden_source(network, window, outputs, MODEL_NAME)
    (folder / "golden.c").write_text(source, encoding="utf-8")
    compiled = [folder / "src/sernet_model.c", folder / "golden.c"]
    compiled.append(cross.measuring_file("measure_tflm.cc"))
    program = folder / f"{core.name}.elf"
    options = [f"-I{path}" for path in includes] + ["-DTF_LITE_STATIC_MEMORY"]
    if "MicroPrintf" not in elf.symbols(library):
        # A release build of the library: compile its headers without messages, too.
        options.append("-DTF_LITE_STRIP_ERROR_STRINGS")
    cross.build(core, compiled, program, options, [library])
    done = cross.run(core, program, counter)
    if done.returncode != 0:
        raise SernetError(
            f"{file.name}: TensorFlow Lite Micro on {core.name} went wrong: {done.stdout[:500]}"
        )
    (instructions,), listed = counted_regions(done.stdout), elf.sections(program)
    arena, stack = printed_number(done.stdout, "arena"), printed_number(done.stdout, "stack")
    # The interpreter does not use the margin of the program's arena, so count only the used part.
    variables = elf.variable_bytes(listed) - printed_number(done.stdout, "reserved")
    flash = elf.flash_bytes(listed)
    flatbuffer = len(file.flatbuffer)
    ram = arena + variables + stack
    return TflmFigures(core.name, instructions, arena, ram, stack, flash, flash - flatbuffer)
