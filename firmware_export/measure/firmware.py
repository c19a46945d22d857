"""Measures what a model takes on Cortex-M: memory, flash, instructions.

    python -m sernet_edge.firmware_export.measure.firmware model.tflite

Needs what `cross` needs. Two programs are linked with a board's start-up and run: the network
alone for one window of noise, and in all, the firmware that is exported, for a window of audio
and one hop more. RAM is `.data`, `.bss` and the most stack that was in use; the audio is in
flash. Code is all flash but the board, the input and the weights and biases of the `.tflite`,
so the tables, padding and C library functions count as code. Flash is the sum of the ELF's
sections, the board's start-up included. Instructions are the network's, those of every call
from the first row of features to the scores; they are not cycles.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import click

from sernet_edge.firmware_export import emit, golden, tflm
from sernet_edge.firmware_export.bundle import bundle_files, tflm_bundle_files, write_files
from sernet_edge.firmware_export.measure import cross
from sernet_edge.firmware_export.network import Network
from sernet_edge.firmware_export.plan import Plan, Schedule, plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile

_NAME = "sernet_model"

# Objects that are in a program only to measure it.
_NOT_ENGINE = ("-board.o", "-measure.o", "-measure_all.o", "-golden.o", "-sernet_golden_pcm.o")

_FLASH = (".vectors", ".text", ".ARM.exidx", ".rodata", ".data")
_RAM = (".data", ".bss")


@dataclass(frozen=True)
class Memory:
    """What a program takes.

    Attributes:
        ram_bytes: `.data`, `.bss` and stack.
        stack_bytes: The most stack in use.
        code_bytes: Code and tables, without weights and biases.
    """

    ram_bytes: int
    stack_bytes: int
    code_bytes: int


@dataclass(frozen=True)
class Hop:
    """Instructions of all the firmware from one result to the next.

    Attributes:
        seconds: Of audio.
        features: Of the front end.
        network: Of the network and what makes a result of its scores.
    """

    seconds: float
    features: int
    network: int

    @property
    def per_second(self) -> float:
        """Instructions for a second of audio."""
        return (self.features + self.network) / self.seconds


@dataclass(frozen=True)
class Measurement:
    """What a model takes on one core.

    Attributes:
        core: Its name.
        network: The network alone.
        instructions: Of the network for one window.
        in_all: With front end, window of features and interface; None when the model has no
            contract, which says what the front end must be.
        layers: Instructions of each stage of the plan for one window. Their sum is less than
            `instructions` by what decides which layer is next.
        hop: What one hop of audio takes, None as `in_all` is.
        sections: Of the program in all, or of the network's where there is none: section of
            the ELF -> bytes, as `arm-none-eabi-size -A` lists them.
    """

    core: str
    network: Memory
    instructions: int
    in_all: Memory | None
    layers: tuple[int, ...]
    hop: Hop | None
    sections: dict[str, int]

    @property
    def flash_bytes(self) -> int:
        """What goes to flash, `.data`'s initial values included."""
        return flash_bytes(self.sections)


@dataclass(frozen=True)
class Peer:
    """What a network takes in TensorFlow Lite Micro on one core.

    Attributes:
        core: Its name.
        instructions: Of one window, without setting up the interpreter.
        arena_bytes: What the interpreter used of its arena.
        ram_bytes: That, the other variables and the stack.
        stack_bytes: The most stack in use.
        flash_bytes: Of the program, the flatbuffer included.
        code_bytes: Of it without the flatbuffer.
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
    """What TensorFlow Lite Micro took for a network when it was measured, which is not now.

    Attributes:
        origin: Commits, compiler and flags.
        peers: One a core.
    """

    origin: str
    peers: tuple[Peer, ...]


def fingerprint(network: Network) -> str:
    """Return 16 hex digits that tell networks of other layers apart, whatever their weights.

    Nor does it matter in which order the converter wrote paths that lie beside each other: that
    differs from one conversion of a model to the next.
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
    """Return saved_tflm.json: "origin" and, by fingerprint, "networks" with "peers"."""
    text = (resources.files(__package__) / "saved_tflm.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def saved_runs(network: Network) -> SavedRuns | None:
    """Return the saved runs of a network of the same layers; None: there are none."""
    document = saved_document()
    found = document["networks"].get(fingerprint(network))
    if found is None:
        return None
    return SavedRuns(document["origin"], tuple(Peer(**peer) for peer in found["peers"]))


def measure(file: ModelFile, core: cross.Core, folder: Path) -> Measurement:
    """Measure a model on a core.

    Args:
        file: A full-int8 `.tflite`.
        core: An Arm core; QEMU's plugin counts no others' instructions.
        folder: For what is built.

    Raises:
        SernetError: The model cannot be exported, a tool is missing, or a program goes wrong.
    """
    network = read_network(file)
    plan = plan_network(network)
    alone = _measure_network(network, plan, file, core, folder / "network")
    total, *steps = _regions(alone.output)
    contract = file.contract
    if contract is None:
        layers = _by_layer(plan, steps, file.name)
        return Measurement(core.name, alone.memory, total, None, layers, None, alone.sections)
    whole = _measure_all(network, file, core, folder / "all")
    counted = _regions(whole.output)
    return Measurement(
        core.name,
        alone.memory,
        total,
        whole.memory,
        _by_layer(plan, steps, file.name),
        # The program pushes and polls in turns.
        Hop(contract.hop_frames * contract.frame_step_s, sum(counted[::2]), sum(counted[1::2])),
        whole.sections,
    )


def measure_tflm(
    file: ModelFile,
    core: cross.Core,
    includes: Sequence[Path],
    library: Path,
    folder: Path,
) -> Peer:
    """Measure the same network in a TensorFlow Lite Micro that was compiled for a core.

    Args:
        file: A full-int8 `.tflite` with its contract.
        core: What the library was compiled for.
        includes: Folders with TensorFlow Lite Micro's headers and those of what it is made with.
        library: libtensorflow-microlite.a, with the kernels of your choice.
        folder: For what is built.

    Raises:
        SernetError: Something is missing or does not fit, or the scores are wrong.
    """
    write_files(tflm_bundle_files(file), folder, force=False)
    network = tflm.as_network(Model(file))
    window = golden.adversarial_windows(network)[-1:]
    source = golden.golden_source(network, window, golden.golden_outputs(file, window), _NAME)
    (folder / "golden.c").write_text(source, encoding="utf-8")
    compiled = [folder / "src/sernet_model.c", folder / "golden.c"]
    compiled.append(cross.measuring_file("measure_tflm.cc"))
    program = folder / f"{core.name}.elf"
    options = [f"-I{path}" for path in includes] + ["-DTF_LITE_STATIC_MEMORY"]
    if "MicroPrintf" not in _symbols(library):
        # A release build, whose headers must have no messages either.
        options.append("-DTF_LITE_STRIP_ERROR_STRINGS")
    cross.build(core, compiled, program, options, [library])
    done = cross.run(core, program, cross.build_counter(folder))
    if done.returncode != 0:
        raise SernetError(
            f"{file.name}: TensorFlow Lite Micro on {core.name} went wrong: {done.stdout[:500]}"
        )
    (instructions,), listed = _regions(done.stdout), sections(program)
    arena, stack = _number(done.stdout, "arena"), _number(done.stdout, "stack")
    # The program's arena has a margin, which is not the interpreter's.
    variables = listed.get(".data", 0) + listed.get(".bss", 0)
    variables -= _number(done.stdout, "reserved")
    flash = flash_bytes(listed)
    flatbuffer = len(file.flatbuffer)
    ram = arena + variables + stack
    return Peer(core.name, instructions, arena, ram, stack, flash, flash - flatbuffer)


def flash_bytes(sections: dict[str, int]) -> int:
    """Return the bytes of flash that the sections of an ELF take."""
    return sum(sections.get(name, 0) for name in _FLASH)


def sections(program: Path) -> dict[str, int]:
    """Return the sections of an ELF that a device has in its memory, and their bytes."""
    listed = subprocess.run(
        ["arm-none-eabi-size", "-A", str(program)], capture_output=True, text=True, check=True
    )
    found = re.findall(r"^(\.\S+)\s+(\d+)", listed.stdout, re.M)
    return {name: int(size) for name, size in found if name in (*_FLASH, *_RAM)}


def write_network(network: Network, plan: Plan, file: ModelFile, folder: Path) -> list[Path]:
    """Write the C of a network alone, with one golden window of noise; return what to compile.

    Args:
        network: What was read of `file`.
        plan: Its schedule.
        file: The `.tflite`.
        folder: For the files.
    """
    window = golden.adversarial_windows(network)[-1:]
    sources = {
        f"{_NAME}.h": emit.model_header(network, plan, _NAME),
        f"{_NAME}.c": emit.model_source(plan, _NAME),
        "golden.c": golden.golden_source(
            network, window, golden.golden_outputs(file, window), _NAME
        ),
        **{n: emit.engine_file(n) for n in emit.ENGINE_SOURCES + emit.ENGINE_HEADERS},
    }
    write_files(sources, folder, force=False)
    return [folder / path for path in sources if not path.endswith(".h")]


@dataclass(frozen=True)
class _Run:
    """What a program took, and what it said."""

    memory: Memory
    sections: dict[str, int]
    output: str


def _measure_network(
    network: Network, plan: Plan, file: ModelFile, core: cross.Core, folder: Path
) -> _Run:
    compiled = write_network(network, plan, file, folder)
    return _run(network, file.name, core, folder, [*compiled, cross.measuring_file("measure.c")])


def _measure_all(network: Network, file: ModelFile, core: cross.Core, folder: Path) -> _Run:
    write_files(bundle_files(file), folder, force=False)
    source = folder / "src"
    compiled = sorted([*source.glob("*.c"), *source.glob("*.S")])
    compiled += [folder / "examples/sernet_golden_pcm.c", cross.measuring_file("measure_all.c")]
    return _run(network, file.name, core, folder, compiled, core.front_end)


def _run(
    network: Network,
    name: str,
    core: cross.Core,
    folder: Path,
    sources: Sequence[Path],
    options: Sequence[str] = (),
) -> _Run:
    """Build a program that says how much stack it took, and run it."""
    program, link_map = folder / f"{core.name}.elf", folder / f"{core.name}.map"
    cross.build(core, sources, program, [*options, f"-Wl,-Map={link_map}"])
    done = cross.run(core, program, cross.build_counter(folder))
    if done.returncode != 0:
        said = re.sub(r"^region \d+\n", "", done.stdout, flags=re.M)
        raise SernetError(f"{name}: the program on {core.name} went wrong: {said[:500]}")
    stack, listed = _number(done.stdout, "stack"), sections(program)
    ram = listed.get(".data", 0) + listed.get(".bss", 0) + stack
    memory = Memory(ram, stack, _code(link_map) - network.weight_bytes)
    return _Run(memory, listed, done.stdout)


def _regions(output: str) -> list[int]:
    """Return the instructions of each region that the plugin counted, in order."""
    return [int(count) for count in re.findall(r"^region (\d+)$", output, re.M)]


def _by_layer(plan: Plan, steps: Sequence[int], name: str) -> tuple[int, ...]:
    """Return the instructions of each stage.

    Args:
        plan: What was run.
        steps: Instructions of each step, in the order in which the engine did them.
        name: The model's, for errors.
    """
    schedule, order = Schedule(list(plan.stages)), []
    for _ in range(plan.stages[0].steps):
        schedule.done[0] += 1
        while ready := schedule.advance():
            for stage in ready:
                schedule.done[stage] += 1
            order += ready
    if len(order) != len(steps):
        raise SernetError(
            f"{name}: the engine did {len(steps)} steps, not the {len(order)} planned"
        )
    instructions = [0] * len(plan.stages)
    for stage, count in zip(order, steps, strict=True):
        instructions[stage] += count
    return tuple(instructions)


def _symbols(library: Path) -> str:
    """Return what nm lists of what a library defines."""
    command = ["arm-none-eabi-nm", "--defined-only", str(library)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _number(output: str, key: str) -> int:
    return int(re.findall(rf"^{key} (\d+)$", output, re.M)[0])


def _code(link_map: Path) -> int:
    """Return the bytes of code and constants of the engine and what it calls, from a link map."""
    # Only what the linker kept: before this line it lists what it left out.
    kept = link_map.read_text(encoding="utf-8").split("Linker script and memory map")[1]
    contributions = re.findall(
        r"^ (?:\.text|\.rodata)\S*\s+0x[0-9a-f]+\s+(0x[0-9a-f]+) (\S+)$", kept, re.M
    )
    return sum(int(size, 16) for size, file in contributions if not file.endswith(_NOT_ENGINE))


def _line(core: str, *cells: str) -> str:
    widths = (9, 11, 13, 12, 10, 11, 13)
    return f"{core:14}" + "".join(f"  {c:>{w}}" for c, w in zip(cells, widths, strict=True))


def _cells(memory: Memory | None) -> list[str]:
    return [f"{n:,}" for n in asdict(memory).values()] if memory else ["-"] * 3


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(model: Path, as_json: bool) -> None:
    """Print what MODEL, a full-int8 .tflite, takes on each Cortex-M core."""
    file = ModelFile.read(model)
    network = read_network(file)
    saved = saved_runs(network)
    if not as_json:
        title = ("of it stack", "code + tables")
        click.echo(_line("core", "RAM bytes", *title, "instructions", "RAM in all", *title))
    measured = []
    for core in cross.CORES.values():
        if core.compiler != cross.ARM:
            continue
        with tempfile.TemporaryDirectory() as folder:
            m = measure(file, core, Path(folder))
        measured.append(m)
        if not as_json:
            click.echo(
                _line(m.core, *_cells(m.network), f"{m.instructions:,}", *_cells(m.in_all)).rstrip()
            )
    if as_json:
        report = {
            "macs": network.macs,
            "cores": [asdict(m) for m in measured],
            "saved": asdict(saved) if saved else None,
        }
        click.echo(json.dumps(report))
        return
    if saved:
        for peer in saved.peers:
            alone = (f"{peer.ram_bytes:,}", f"{peer.stack_bytes:,}", f"{peer.code_bytes:,}")
            name = f"{peer.core} TFLM saved"
            click.echo(_line(name, *alone, f"{peer.instructions:,}", "-", "-", "-"))
        click.echo(f"saved run: {saved.origin}")


if __name__ == "__main__":
    try:
        main()
    except SernetError as error:
        click.echo(f"measure: {error}", err=True)
        sys.exit(1)
