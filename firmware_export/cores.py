"""The supported cores: compiler flags of each, and the QEMU board that runs its code."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

ARM = ("arm-none-eabi-gcc", "-mthumb", "--specs=nosys.specs")
RISCV = ("riscv64-unknown-elf-gcc", "--specs=picolibc.specs", "-msmall-data-limit=0")


@dataclass(frozen=True)
class Core:
    """A core, and a QEMU board with this core or with one that runs all its instructions."""

    name: str
    flags: tuple[str, ...]
    machine: str
    compiler: tuple[str, ...] = ARM
    emulator: tuple[str, ...] = ("qemu-system-arm",)

    @property
    def missing(self) -> tuple[str, ...]:
        """The programs for this core that are not installed."""
        return tuple(p for p in (self.compiler[0], self.emulator[0]) if shutil.which(p) is None)


CORES = {
    core.name: core
    for core in (
        # QEMU's M0+ boards have too little memory for a test; an M3 runs all its instructions.
        Core("m0plus", ("-mcpu=cortex-m0plus", "-mfloat-abi=soft"), "mps2-an385"),
        Core("m3", ("-mcpu=cortex-m3", "-mfloat-abi=soft"), "mps2-an385"),
        Core("m4", ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"), "mps2-an386"),
        Core("m7", ("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"), "mps2-an500"),
        Core("m33", ("-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"), "mps2-an505"),
        Core("m55", ("-mcpu=cortex-m55", "-mfloat-abi=hard"), "mps3-an547"),
        # The instruction set of the ESP32-C3.
        Core(
            "rv32imc",
            ("-march=rv32imc", "-mabi=ilp32"),
            "virt",
            RISCV,
            ("qemu-system-riscv32", "-bios", "none"),
        ),
    )
}
