"""Measures what a model takes on Cortex-M: memory, flash, instructions.

Needs what `cross` needs. Programs are linked with a board's start-up and run: the network alone
for one whole window of noise, and the firmware for a window of audio and two hops more: computing
each window whole and, where windows share rows, each row once. RAM is `.data`, `.bss` and the most
stack that was in use; the audio is in flash. Code is all flash but the board, the input and the
weights and biases of the `.tflite`, so the tables, padding and C library functions count as code.
Flash is the sum of the ELF's sections, the board's start-up included. Instructions are not cycles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
        longest_call: The most in one call of `sernet_work`, or of `sernet_poll` after the last.
        after_last_sample: From a window's last sample to its result.
    """

    seconds: float
    features: int
    network: int
    longest_call: int
    after_last_sample: int

    @property
    def per_second(self) -> float:
        """Instructions for a second of audio."""
        return (self.features + self.network) / self.seconds


@dataclass(frozen=True)
class Firmware:
    """Cost of the whole firmware on one core.

    Attributes:
        memory: With front end, features that wait and interface.
        hop: What one hop of audio takes.
        sections: Section of the ELF -> bytes, as `arm-none-eabi-size -A` lists them.
    """

    memory: Memory
    hop: Hop
    sections: dict[str, int]


@dataclass(frozen=True)
class Measurement:
    """Cost of a model on one core.

    Attributes:
        core: Its name.
        network: The network alone, a whole window.
        instructions: Of the network for one window.
        layers: Instructions of each stage of the plan for one window. Their sum is less than
            `instructions` by what decides which layer is next.
        network_sections: Of the program of the network alone; see `Firmware.sections`.
        whole: The firmware that computes each window whole; None when the model has no
            contract, which says what the front end must be.
        shared: The firmware that computes each row once; None where windows do not share rows.
    """

    core: str
    network: Memory
    instructions: int
    layers: tuple[int, ...]
    network_sections: dict[str, int]
    whole: Firmware | None = None
    shared: Firmware | None = None

    @property
    def exported(self) -> Firmware | None:
        """The firmware that `sernet-edge export` writes; None without contract."""
        return self.shared or self.whole

    @property
    def sections(self) -> dict[str, int]:
        """Of the firmware, or of the network's program where there is none."""
        return self.exported.sections if self.exported else self.network_sections

    @property
    def flash_bytes(self) -> int:
        """Bytes of flash, `.data`'s initial values included."""
        return elf.flash_bytes(self.sections)


@dataclass(frozen=True)
class Sources:
    """The C of one model, written once for all cores.

    Attributes:
        model: The model.
        folder: Where it lies.
        programs: Files to compile, by program: "network", the network alone with one golden window
            of noise; and, for a model with a contract, the firmware with golden audio: "whole",
            which computes each window whole, and "shared", which computes each row once, where
            windows share rows.
    """

    model: PlannedModel
    folder: Path
    programs: dict[str, tuple[Path, ...]]


def write_sources(model: PlannedModel, folder: Path) -> Sources:
    """Write the C that measures a model.

    Raises:
        SernetError: The model's contract is beyond the C front end.
    """
    programs = {"network": _write_network(model, folder / "network")}
    return Sources(model, folder, programs | _write_ways(model, folder))


def write_firmware_sources(model: PlannedModel, folder: Path) -> Sources:
    """Write the C that measures the firmware of a model, without the network alone.

    Raises:
        SernetError: The model's contract is beyond the C front end.
    """
    return Sources(model, folder, _write_ways(model, folder))


def _write_ways(model: PlannedModel, folder: Path) -> dict[str, tuple[Path, ...]]:
    """Write the firmware in each way that it can run, none without a contract; see `Sources`."""
    ways = {}
    if model.file.contract is not None:
        ways["whole"] = _write_firmware(replace(model, stream=None), folder / "whole")
        if model.stream is not None:
            ways["shared"] = _write_firmware(model, folder / "shared")
    return ways


def _write_firmware(model: PlannedModel, folder: Path) -> tuple[Path, ...]:
    write_files(bundle_files(model), folder, force=False)
    sources = sorted([*(folder / "src").glob("*.c"), *(folder / "src").glob("*.S")])
    return (*sources, folder / "examples/sernet_golden_pcm.c")


def _write_network(model: PlannedModel, folder: Path) -> tuple[Path, ...]:
    window = golden.adversarial_windows(model.network)[-1:]
    outputs = golden.golden_outputs(model.file, window)
    sources = {
        f"{MODEL_NAME}.h": emit.model_header(model.network, model.plan, MODEL_NAME),
        f"{MODEL_NAME}.c": emit.model_source(model.plan, MODEL_NAME),
        "golden.c": golden.golden_source(model.network, window, outputs, MODEL_NAME),
        **{n: engine_file(n) for n in emit.ENGINE_SOURCES + emit.ENGINE_HEADERS},
    }
    write_files(sources, folder, force=False)
    return tuple(folder / path for path in sources if not path.endswith(".h"))


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
    return Measurement(
        core.name,
        alone.memory,
        total,
        _by_layer(model.plan, steps, model.file.name),
        alone.sections,
        *measure_firmware(sources, core, counter),
    )


def measure_firmware(
    sources: Sources, core: Core, counter: Path
) -> tuple[Firmware | None, Firmware | None]:
    """Measure the firmware that computes each window whole, and that which does each row once.

    Args:
        sources: Of the model; of the hop that it was planned for.
        core: An Arm core.
        counter: From `cross.build_counter`.

    Returns:
        None for what there is not; see `Measurement`.

    Raises:
        SernetError: A tool is missing, or a program goes wrong.
    """
    whole, shared = (_firmware(sources, way, core, counter) for way in ("whole", "shared"))
    return whole, shared


def _firmware(sources: Sources, what: str, core: Core, counter: Path) -> Firmware | None:
    """Measure the firmware called `what`; None: there is none."""
    contract = sources.model.file.contract
    if what not in sources.programs or contract is None:
        return None
    done = _run(sources, what, core, counter)
    # Between what it counts the program prints lines.
    parts = re.split(r"^(?:stack|last) \d+$", done.output, flags=re.M)
    whole, frames, last = map(counted_regions, parts)
    # Of the whole hop it pushes and polls in turns; of the last frame the push comes first.
    hop = Hop(
        seconds=sources.model.hop_frames * contract.frame_step_s,
        features=sum(whole[::2]),
        network=sum(whole[1::2]),
        longest_call=max(frames + last[1:]),
        after_last_sample=sum(last),
    )
    return Firmware(done.memory, hop, done.sections)


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
        what: A program of the sources.
        core: Where it runs.
        counter: From `cross.build_counter`.
    """
    alone = what == "network"
    harness = cross.measuring_file("measure.c" if alone else "measure_all.c")
    compiled = [*sources.programs[what], harness]
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
