"""Measures memory, flash and instructions of a model on Cortex-M.

Needs the packages of `cross`. It links programs with a board's start-up code and runs them: the
network alone for one whole window of noise, and the firmware for a window of audio and two hops
more, with whole windows and, if windows share rows, with shared rows. RAM is `.data`, `.bss` and
the most stack in use; the audio is in flash. Code is all flash except the board's code, the input,
and the weights and biases of the `.tflite`; so tables, padding and C library functions count as
code.
Flash is the sum of the ELF's sections, with the board's code. Instructions are not cycles.
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
"""The C name of the network in the measured programs."""


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
        seconds: Seconds of audio in a hop.
        features: Instructions of the front end.
        network: Instructions of the network, and of the code that turns scores into a result.
        longest_call: The most in one call of `sernet_work`, or of `sernet_poll` after the last.
        after_last_sample: Instructions from a window's last sample to its result.
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
        memory: Memory with front end, waiting features and interface.
        hop: Instructions of one hop of audio.
        sections: Bytes of each section of the ELF, as `arm-none-eabi-size -A` lists them.
    """

    memory: Memory
    hop: Hop
    sections: dict[str, int]


@dataclass(frozen=True)
class Measurement:
    """Cost of a model on one core.

    Attributes:
        core: The core's name.
        network: Memory of the network alone, with whole windows.
        instructions: Instructions of the network for one window.
        layers: Instructions of each stage of the plan for one window. `instructions` also counts
            the choice of the next layer.
        network_sections: Sections of the program with the network alone; see `Firmware.sections`.
        whole: The firmware with whole windows; None without a contract, since then the front end
            is unknown.
        shared: The firmware with shared rows; None if windows do not share rows.
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
        """The firmware that `sernet-edge export` writes; None without a contract."""
        return self.shared or self.whole

    @property
    def sections(self) -> dict[str, int]:
        """Sections of the firmware; without a contract those of the network alone."""
        return self.exported.sections if self.exported else self.network_sections

    @property
    def flash_bytes(self) -> int:
        """Bytes of flash, including the initial values of `.data`."""
        return elf.flash_bytes(self.sections)


@dataclass(frozen=True)
class Sources:
    """The C of one model, written once for all cores.

    Attributes:
        model: The model.
        folder: The folder of the files.
        programs: Files to compile, by program. "network" is the network alone with one golden
            window of noise. A model with a contract also has the firmware with golden audio:
            "whole" with whole windows and, if windows share rows, "shared" with shared rows.
    """

    model: PlannedModel
    folder: Path
    programs: dict[str, tuple[Path, ...]]


def write_sources(model: PlannedModel, folder: Path) -> Sources:
    """Write the C that measures a model.

    Raises:
        SernetError: The C front end does not support the contract.
    """
    programs = {"network": _write_network(model, folder / "network")}
    return Sources(model, folder, programs | _write_ways(model, folder))


def write_firmware_sources(model: PlannedModel, folder: Path) -> Sources:
    """Write the C that measures only the firmware of a model, not the network alone.

    Raises:
        SernetError: The C front end does not support the contract.
    """
    return Sources(model, folder, _write_ways(model, folder))


def _write_ways(model: PlannedModel, folder: Path) -> dict[str, tuple[Path, ...]]:
    """Write the firmware with whole windows and with shared rows, if possible; see `Sources`."""
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
        sources: The C of the model.
        core: An Arm core; QEMU's plugin cannot count instructions of other cores.
        counter: From `cross.build_counter`.

    Raises:
        SernetError: A tool is missing, or a program fails.
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
    """Measure the firmware with whole windows, and with shared rows.

    Args:
        sources: The C of the model, at the planned hop.
        core: An Arm core.
        counter: From `cross.build_counter`.

    Returns:
        Both; None for a program that does not exist, see `Measurement`.

    Raises:
        SernetError: A tool is missing, or a program fails.
    """
    whole, shared = (_firmware(sources, way, core, counter) for way in ("whole", "shared"))
    return whole, shared


def _firmware(sources: Sources, what: str, core: Core, counter: Path) -> Firmware | None:
    """Measure the program called `what`; return None if it does not exist."""
    contract = sources.model.file.contract
    if what not in sources.programs or contract is None:
        return None
    done = _run(sources, what, core, counter)
    # The lines "stack" and "last" separate the three groups of counts.
    parts = re.split(r"^(?:stack|last) \d+$", done.output, flags=re.M)
    whole, frames, last = map(counted_regions, parts)
    # In the whole hop pushes and polls alternate; in the last frame the push comes first.
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
    """Build a program, run it, and read its stack from its output.

    Args:
        sources: The C of the model.
        what: The name of the program in `sources`.
        core: The core that it runs on.
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
        plan: The plan of the network.
        steps: Instructions of each step, in the engine's order.
        name: The model's name, for errors.
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
