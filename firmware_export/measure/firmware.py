"""Measures what a model takes on Cortex-M: memory, flash, instructions.

Needs what `cross` needs. Two programs are linked with a board's start-up and run: the network
alone for one window of noise, and in all, the firmware that is exported, for a window of audio
and one hop more. RAM is `.data`, `.bss` and the most stack that was in use; the audio is in
flash. Code is all flash but the board, the input and the weights and biases of the `.tflite`,
so the tables, padding and C library functions count as code. Flash is the sum of the ELF's
sections, the board's start-up included. Instructions are the network's, those of every call
from the first row of features to the scores; they are not cycles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sernet_edge.firmware_export import emit, golden
from sernet_edge.firmware_export.bundle import bundle_files, write_files
from sernet_edge.firmware_export.cores import Core
from sernet_edge.firmware_export.csource import engine_file
from sernet_edge.firmware_export.measure import cross, elf
from sernet_edge.firmware_export.plan import Plan, Schedule
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.errors import SernetError

MODEL_NAME = "sernet_model"
"""The C name of the network in what is built here."""


@dataclass(frozen=True)
class Memory:
    """Memory of a program.

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
    """Cost of a model on one core.

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
        """Bytes of flash, `.data`'s initial values included."""
        return elf.flash_bytes(self.sections)


@dataclass(frozen=True)
class Sources:
    """The C of one model, written once for all cores.

    Attributes:
        model: The model.
        network: Files to compile for the network alone, with one golden window of noise.
        whole: Files to compile for the firmware that is exported, with golden audio; none for a
            model without contract, which says what the front end must be.
        folder: Where they lie.
    """

    model: PlannedModel
    network: tuple[Path, ...]
    whole: tuple[Path, ...]
    folder: Path


def write_sources(model: PlannedModel, folder: Path) -> Sources:
    """Write the C that measures a model.

    Raises:
        SernetError: The model's contract is beyond the C front end.
    """
    network = _write_network(model, folder / "network")
    whole: list[Path] = []
    if model.file.contract is not None:
        bundle = folder / "all"
        write_files(bundle_files(model), bundle, force=False)
        whole = sorted([*(bundle / "src").glob("*.c"), *(bundle / "src").glob("*.S")])
        whole.append(bundle / "examples/sernet_golden_pcm.c")
    return Sources(model, tuple(network), tuple(whole), folder)


def _write_network(model: PlannedModel, folder: Path) -> list[Path]:
    window = golden.adversarial_windows(model.network)[-1:]
    outputs = golden.golden_outputs(model.file, window)
    sources = {
        f"{MODEL_NAME}.h": emit.model_header(model.network, model.plan, MODEL_NAME),
        f"{MODEL_NAME}.c": emit.model_source(model.plan, MODEL_NAME),
        "golden.c": golden.golden_source(model.network, window, outputs, MODEL_NAME),
        **{n: engine_file(n) for n in emit.ENGINE_SOURCES + emit.ENGINE_HEADERS},
    }
    write_files(sources, folder, force=False)
    return [folder / path for path in sources if not path.endswith(".h")]


def measure(sources: Sources, core: Core, counter: Path) -> Measurement:
    """Measure a model on a core.

    Args:
        sources: Of the model.
        core: An Arm core; QEMU's plugin counts no others' instructions.
        counter: From `cross.build_counter`.

    Raises:
        SernetError: A tool is missing, or a program goes wrong.
    """
    model = sources.model
    alone = _run(sources, "network", core, counter)
    total, *steps = counted_regions(alone.output)
    layers = _by_layer(model.plan, steps, model.file.name)
    contract = model.file.contract
    if contract is None:
        return Measurement(core.name, alone.memory, total, None, layers, None, alone.sections)
    whole = _run(sources, "all", core, counter)
    # The program pushes and polls in turns.
    counted = counted_regions(whole.output)
    hop = Hop(contract.hop_frames * contract.frame_step_s, sum(counted[::2]), sum(counted[1::2]))
    return Measurement(core.name, alone.memory, total, whole.memory, layers, hop, whole.sections)


@dataclass(frozen=True)
class _Run:
    """A program's figures and its output."""

    memory: Memory
    sections: dict[str, int]
    output: str


def _run(sources: Sources, what: str, core: Core, counter: Path) -> _Run:
    """Build a program that says how much stack it took, and run it.

    Args:
        sources: Of the model.
        what: "network", or "all" of the firmware; a folder of the sources.
        core: Where it runs.
        counter: From `cross.build_counter`.
    """
    if what == "network":
        compiled = [*sources.network, cross.measuring_file("measure.c")]
    else:
        compiled = [*sources.whole, cross.measuring_file("measure_all.c")]
    program = sources.folder / what / f"{core.name}.elf"
    link_map = program.with_suffix(".map")
    cross.build(core, compiled, program, [f"-Wl,-Map={link_map}"])
    done = cross.run(core, program, counter)
    if done.returncode != 0:
        said = re.sub(r"^region \d+\n", "", done.stdout, flags=re.M)
        raise SernetError(
            f"{sources.model.file.name}: the program on {core.name} went wrong: {said[:500]}"
        )
    stack, listed = printed_number(done.stdout, "stack"), elf.sections(program)
    code = elf.code_bytes(link_map) - sources.model.network.weight_bytes
    return _Run(Memory(elf.variable_bytes(listed) + stack, stack, code), listed, done.stdout)


def counted_regions(output: str) -> list[int]:
    """Return the instructions of each region that the plugin counted, in order."""
    return [int(count) for count in re.findall(r"^region (\d+)$", output, re.M)]


def printed_number(output: str, key: str) -> int:
    """Return the number that a program printed behind `key`."""
    return int(re.findall(rf"^{key} (\d+)$", output, re.M)[0])


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
