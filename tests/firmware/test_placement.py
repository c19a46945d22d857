"""Code, weights and tables lie in chosen sections; the ring loses no sample."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from cores import on_core
from engine_cases import C_FOLDER, ENGINE_FOLDER, random_cases, write_cases
from graphs import RandomGraph
from object_files import STRICT

from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.measure import cross

SANITIZERS = {"thread": "-fsanitize=thread", "address": "-fsanitize=address,undefined"}


def build(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["gcc", *STRICT, "-O2", "-g", *options, f"-I{ENGINE_FOLDER}"]
    return subprocess.run(
        [*command, str(C_FOLDER / source), "-o", str(folder / "program"), "-pthread"],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_two_threads_pass_every_sample_in_order(sanitizer: str, tmp_path: Path) -> None:
    # C99 has no threads.
    made = build(tmp_path, "ring_threads.c", SANITIZERS[sanitizer], "-D_POSIX_C_SOURCE=200809L")
    assert made.returncode == 0, made.stderr
    done = subprocess.run([str(tmp_path / "program")], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "seen 200000 wrong 0\n", "")


def test_a_full_an_empty_and_a_wrapped_ring_behave(tmp_path: Path) -> None:
    made = build(tmp_path, "ring_ends.c", SANITIZERS["address"])
    assert made.returncode == 0, made.stderr
    done = subprocess.run([str(tmp_path / "program")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("core", [on_core("m4"), on_core("m0plus"), on_core("m55")])
def test_an_interrupt_passes_every_sample_in_order(core: str, tmp_path: Path) -> None:
    if CORES[core].missing:
        pytest.skip(f"{' and '.join(CORES[core].missing)} not installed")
    # The program casts a number to a pointer to the vectors.
    options = [f"-I{ENGINE_FOLDER}", "-Wno-error=pedantic"]
    cross.build(CORES[core], [C_FOLDER / "ring_interrupt.c"], tmp_path / "ring.elf", options)
    done = cross.run(CORES[core], tmp_path / "ring.elf")
    assert done.returncode == 0 and "wrong 0\n" in done.stdout, done.stdout


@pytest.mark.parametrize("core", [on_core("m4"), on_core("m55"), on_core("m3")])
def test_hot_code_weights_and_tables_lie_in_the_chosen_sections(core: str, tmp_path: Path) -> None:
    if CORES[core].missing:
        pytest.skip(f"{' and '.join(CORES[core].missing)} not installed")
    sources = write_cases(tmp_path, random_cases(RandomGraph, range(8)))
    options = [
        '-DSERNET_HOT_SECTION=".hot"',
        '-DSERNET_WEIGHTS_SECTION=__attribute__((section(".weights")))',
        '-DSERNET_TABLES_SECTION=__attribute__((section(".tables")))',
    ]
    program = tmp_path / "program.elf"
    cross.build(CORES[core], [*sources, C_FOLDER / "replay.c"], program, options)
    listed = subprocess.run(
        ["arm-none-eabi-size", "-A", str(program)], capture_output=True, text=True, check=True
    ).stdout
    sections = dict(re.findall(r"^(\.\w+) +(\d+)", listed, re.M))
    assert all(int(sections[name]) > 1000 for name in (".hot", ".weights", ".tables")), listed
    assert "failures 0" in cross.run(CORES[core], program).stdout
