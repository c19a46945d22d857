"""Compiles for Cortex-M and RISC-V, and runs the programs under QEMU.

Needs Debian's packages `gcc-arm-none-eabi`, `libnewlib-arm-none-eabi` and `qemu-system-arm`; for
RISC-V `gcc-riscv64-unknown-elf`, `picolibc-riscv64-unknown-elf` and `qemu-system-misc`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from sernet_edge.firmware_export.cores import Core
from sernet_edge.runtime.errors import SernetError

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")

# Only TensorFlow Lite Micro needs C++; its headers do not compile with strict warnings.
_CPP = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-w")

BOARD_FOLDER = Path(str(resources.files("sernet_edge.firmware_export") / "qemu"))
"""Start-up code and linker scripts; plain bundles contain them, too."""

_MEASURING_FOLDER = Path(str(resources.files(__package__) / "csrc"))
"""Programs that measure, and linker scripts of cores that bundles do not support."""


def measuring_file(name: str) -> Path:
    """Return the path of a file in measure/csrc/."""
    return _MEASURING_FOLDER / name


def linker_script(core: Core) -> Path:
    """Return the linker script of a core."""
    name = f"{core.name}.ld"
    return next(path for path in (BOARD_FOLDER / name, _MEASURING_FOLDER / name) if path.exists())


def build(
    core: Core,
    sources: Sequence[Path],
    program: Path,
    options: Sequence[str] = (),
    libraries: Sequence[Path] = (),
) -> None:
    """Compile C and C++ files and the board's start-up into an ELF for a core.

    Args:
        core: The core.
        sources: C files, and *.cc; their folders are searched for headers.
        program: The ELF to write; the object files stay beside it.
        options: More compiler options.
        libraries: Libraries to link with.

    Raises:
        SernetError: The compiler is missing or refuses the program.
    """
    folders = sorted({*(str(s.parent) for s in sources), str(BOARD_FOLDER), str(_MEASURING_FOLDER)})
    compiler, *fixed = core.compiler
    cpp_compiler = compiler.removesuffix("gcc") + "g++"
    common = [
        *fixed, *core.flags, "-O2", "-ffunction-sections", "-fdata-sections",
        "-DSERNET_BARE_METAL", *(f"-I{folder}" for folder in folders), *options,
    ]  # fmt: skip
    objects = []
    for source in sources:
        objects.append(program.with_name(f"{program.stem}-{source.stem}.o"))
        is_cpp = source.suffix == ".cc"
        start = [cpp_compiler, *common, *_CPP] if is_cpp else [compiler, *common, *STRICT]
        _run([*start, "-c", str(source), "-o", str(objects[-1])])
    # board.c needs GNU C, because it names registers.
    objects.append(program.with_name(f"{program.stem}-board.o"))
    start_up = str(BOARD_FOLDER / "board.c")
    _run([compiler, *common, "-std=gnu99", "-c", start_up, "-o", str(objects[-1])])
    has_cpp = any(source.suffix == ".cc" for source in sources)
    _run(
        [
            cpp_compiler if has_cpp else compiler,
            *common,
            "-nostartfiles",
            "-Wl,--gc-sections",
            f"-Wl,-L{BOARD_FOLDER}",
            f"-T{linker_script(core)}",
            *map(str, objects),
            *map(str, libraries),
            "-o",
            str(program),
        ]  # fmt: skip
    )


def run(core: Core, program: Path, plugin: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run an ELF under QEMU to its end; its output and exit code are the program's."""
    command = [
        *core.emulator, "-M", core.machine, "-kernel", str(program), "-display", "none",
        "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native",
    ]  # fmt: skip
    if plugin is not None:
        command += ["-plugin", str(plugin)]
    # QEMU prints the program's semihosting output on standard error.
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def build_counter(folder: Path) -> Path:
    """Compile the plugin that counts instructions; return the library."""
    library = folder / "libicount.so"
    _run(["gcc", "-O2", "-fPIC", "-shared", str(measuring_file("icount.c")), "-o", str(library)])
    return library


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise SernetError(f"cannot run {command[0]}: {error.strerror}", "install it") from error
    if done.returncode != 0:
        hint = ""
        if command[0] == "arm-none-eabi-g++" and "No such file or directory" in done.stderr:
            hint = "C++ for Arm needs the Debian package libstdc++-arm-none-eabi-newlib"
        raise SernetError(f"{command[0]} failed: {done.stderr.strip()[:2000]}", hint)
