"""Reads linked programs: the sections of an ELF, the symbols of a library, a linker's map."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

# Objects that are in a program only to measure it.
_NOT_ENGINE = ("-board.o", "-measure.o", "-measure_all.o", "-golden.o", "-sernet_golden_pcm.o")

_FLASH = (".vectors", ".text", ".ARM.exidx", ".rodata", ".data")
_RAM = (".data", ".bss")


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


def variable_bytes(sections: dict[str, int]) -> int:
    """Return the bytes of RAM that the sections of an ELF take, without the stack."""
    return sum(sections.get(name, 0) for name in _RAM)


def symbols(library: Path) -> str:
    """Return the symbols that a library defines, as nm lists them."""
    command = ["arm-none-eabi-nm", "--defined-only", str(library)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def code_bytes(link_map: Path) -> int:
    """Return the bytes of code and constants of the engine and its helpers, from a link map."""
    # Only what the linker kept: before this line it lists what it left out.
    kept = link_map.read_text(encoding="utf-8").split("Linker script and memory map")[1]
    contributions = re.findall(
        r"^ (?:\.text|\.rodata)\S*\s+0x[0-9a-f]+\s+(0x[0-9a-f]+) (\S+)$", kept, re.M
    )
    return sum(int(size, 16) for size, file in contributions if not file.endswith(_NOT_ENGINE))
