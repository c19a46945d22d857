"""Measures what a network takes on Cortex-M: memory, flash, instructions.

    python -m sernet_edge.firmware_export.measure model.tflite

Needs what `cross` needs. The network alone is linked with a board's start-up and run for one
window of noise: RAM is `.data`, `.bss` and the most stack that was in use; code is all
flash but the board, the window and the weights and biases of the `.tflite`, so the tables,
padding and C library functions count as code; instructions are those of every call from the
first row of features to the scores. Instructions are not cycles.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from sernet_edge.firmware_export import cross, emit, golden
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime import modelfile
from sernet_edge.runtime.errors import SernetError

_NAME = "sernet_model"

# Objects that are in the program only to measure it.
_NOT_ENGINE = ("-board.o", "-measure.o", "-golden.o")


@dataclass(frozen=True)
class Measurement:
    """What a network takes on one core.

    Attributes:
        core: Its name.
        ram_bytes: `.data`, `.bss` and stack.
        stack_bytes: The most stack in use.
        code_bytes: Code and tables, without weights and biases.
        instructions: Of one window.
    """

    core: str
    ram_bytes: int
    stack_bytes: int
    code_bytes: int
    instructions: int


def measure(data: bytes, name: str, core: cross.Core, folder: Path) -> Measurement:
    """Measure a network on a core.

    Args:
        data: A full-int8 `.tflite`.
        name: What to call it in errors.
        core: An Arm core; QEMU's plugin counts no others' instructions.
        folder: For what is built.

    Raises:
        SernetError: The model cannot be exported, a tool is missing, or the network's output
            is wrong.
    """
    network = read_network(data, name)
    plan = plan_network(network)
    window = golden.adversarial_windows(network)[-1:]
    sources = {
        f"{_NAME}.h": emit.model_header(network, plan, _NAME),
        f"{_NAME}.c": emit.model_source(plan, _NAME),
        "golden.c": golden.golden_source(
            network, window, golden.golden_outputs(data, window), _NAME
        ),
        **{n: emit.engine_file(n) for n in emit.ENGINE_SOURCES + emit.ENGINE_HEADERS},
    }
    for file, text in sources.items():
        (folder / file).write_text(text, encoding="utf-8")
    compiled = [folder / file for file in sources if not file.endswith(".h")]
    program, link_map = folder / f"{core.name}.elf", folder / f"{core.name}.map"
    cross.build(core, [*compiled, cross.qemu_file("measure.c")], program, [f"-Wl,-Map={link_map}"])
    done = cross.run(core, program, cross.build_counter(folder))
    numbers = {key: int(value) for key, value in re.findall(r"^(\w+) (\d+)$", done.stdout, re.M)}
    if done.returncode != 0 or numbers.get("differing") != 0:
        raise SernetError(f"{name}: the network on {core.name} went wrong: {done.stdout[:500]}")
    return Measurement(
        core.name,
        _variables(program) + numbers["stack"],
        numbers["stack"],
        _code(link_map) - network.weight_bytes,
        numbers["instructions"],
    )


def _variables(program: Path) -> int:
    """Return the bytes of `.data` and `.bss`."""
    listed = subprocess.run(
        ["arm-none-eabi-size", "-A", str(program)], capture_output=True, text=True, check=True
    )
    sizes = re.findall(r"^(\.data|\.bss)\s+(\d+)", listed.stdout, re.M)
    return sum(int(size) for _, size in sizes)


def _code(link_map: Path) -> int:
    """Return the bytes of code and constants of the engine and what it calls, from a link map."""
    # Only what the linker kept: before this line it lists what it left out.
    kept = link_map.read_text(encoding="utf-8").split("Linker script and memory map")[1]
    contributions = re.findall(
        r"^ (?:\.text|\.rodata)\S*\s+0x[0-9a-f]+\s+(0x[0-9a-f]+) (\S+)$", kept, re.M
    )
    return sum(int(size, 16) for size, file in contributions if not file.endswith(_NOT_ENGINE))


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
def main(model: Path) -> None:
    """Print what MODEL, a full-int8 .tflite, takes on each Cortex-M core."""
    data = modelfile.read_bytes(model)
    click.echo("core   RAM bytes  of it stack  code + tables  instructions")
    for core in cross.CORES.values():
        if core.compiler != cross.ARM:
            continue
        with tempfile.TemporaryDirectory() as folder:
            m = measure(data, str(model), core, Path(folder))
        click.echo(
            f"{m.core:6} {m.ram_bytes:9,}  {m.stack_bytes:11,}  {m.code_bytes:13,}  "
            f"{m.instructions:12,}"
        )


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except SernetError as error:
        click.echo(f"measure: {error}", err=True)
        sys.exit(1)
