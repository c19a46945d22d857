"""Reads the sections of an ELF, the symbols of a library, and a linker's map."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

# Objects that a program contains only for the measurement.
_NOT_ENGINE = ("-board.o", "-measure.o", "-measure_all.o", "-golden.o", "-sernet_golden_pcm.o")

_FLASH = (".vectors", ".text", ".ARM.exidx", ".rodata", ".data")
_RAM = (".data", ".bss")


def flash_bytes(sections: dict[str, int]) -> int:
    """Return the bytes of flash of an ELF's sections."""
    return sum(sections.get(name, 0) for name in _FLASH)


def sections(program: Path) -> dict[str, int]:
    """Return the bytes of an ELF's sections that lie in a device's memory, by section."""
    listed = subprocess.run(
        ["arm-none-eabi-size", "-A", str(program)], capture_output=True, text=True, check=True
    )
    found = re.findall(r"^(\.\S+)\s+(\d+)", listed.stdout, re.M)
    return {name: int(size) for name, size in found if name in (*_FLASH, *_RAM)}


def variable_bytes(sections: dict[str, int]) -> int:
    """Return the bytes of RAM of an ELF's sections, without the stack."""
    return sum(sections.get(name, 0) for name in _RAM)


def symbols(library: Path) -> str:
    """Return the symbols that a library defines, as nm lists them."""
    command = ["arm-none-eabi-nm", "--defined-only", str(library)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def code_bytes(link_map: Path) -> int:
    """Return the bytes of code and constants of the engine and its helpers, from a link map."""
    # Before this line the map lists sections that the linker left out.
    kept = link_map.read_text(encoding="utf-8").split("Linker script and memory map")[1]
    contributions = re.findall(
        r"^ (?:\.text|\.rodata)\S*\s+0x[0-9a-f]+\s+(0x[0-9a-f]+) (\S+)$", kept, re.M
    )
    return sum(int(size, 16) for size, file in contributions if not file.endswith(_NOT_ENGINE))
