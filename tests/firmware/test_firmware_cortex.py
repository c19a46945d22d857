"""The firmware on microcontroller cores under QEMU: its self-test, features and linked symbols."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bundle_cases import C_FOLDER, build, run, small_model, with_statistics, write_bundle
from cores import on_cores
from object_files import SANITIZE

from sernet_edge.firmware_export.cores import CORES, Core
from sernet_edge.firmware_export.golden_pcm import golden_pcm
from sernet_edge.firmware_export.measure import cross
from sernet_edge.runtime.contract import Features, Level
from sernet_edge.train.new_contract import new_contract

BITS = C_FOLDER / "frontend_bits.c"


def built(bundle: Path, core: Core) -> Path:
    """Return the self-test for a core, compiled once."""
    if core.missing:
        pytest.skip(f"{' and '.join(core.missing)} are not installed")
    program = bundle / f"{core.name}.elf"
    if program.exists():
        return program
    sources = sorted([*(bundle / "src").glob("*.c"), *(bundle / "src").glob("*.S")])
    sources += sorted((bundle / "examples").glob("sernet_golden*.c"))
    cross.build(core, [*sources, C_FOLDER / "selftest_board.c"], program)
    return program


@pytest.mark.parametrize("name", on_cores())
def test_the_self_test_passes_on_every_core(name: str, bundle: Path) -> None:
    core = CORES[name]
    done = cross.run(core, built(bundle, core))
    assert done.returncode == 0, done.stdout
    assert "scores that differ 0\n" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", on_cores(["m3", "m4", "m55"]))
@pytest.mark.parametrize(("features", "level"), [("mel", "window"), ("spectrogram", "running")])
def test_the_self_test_passes_with_other_features(
    features: Features, level: Level, name: str, tmp_path: Path
) -> None:
    contract = new_contract(("a", "b"), level, 60, features)
    data = small_model(with_statistics(contract, [golden_pcm(contract)]))
    core = CORES[name]
    done = cross.run(core, built(write_bundle(tmp_path, data), core))
    assert done.returncode == 0, done.stdout
    assert "scores that differ 0\n" in done.stdout


@pytest.mark.parametrize("name", on_cores())
def test_front_end_and_interface_need_no_heap_or_printing(name: str, bundle: Path) -> None:
    core = CORES[name]
    program = built(bundle, core)
    nm = core.compiler[0].replace("-gcc", "-nm")
    listed = subprocess.run([nm, str(program)], check=True, capture_output=True, text=True).stdout
    names = {line.split()[-1] for line in listed.splitlines()}
    assert "sernet_push" in names
    assert not names & {"malloc", "_malloc_r", "free", "_sbrk", "printf", "logf", "log", "cosf"}


@pytest.fixture(scope="module")
def bits_on_this_computer(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("bits")
    pcm = bundle / "examples/sernet_golden_pcm.c"
    return run(build(bundle, folder / "bits", BITS, SANITIZE, extra=[pcm]), []).decode()


@pytest.mark.parametrize("options", [(), ("-DSERNET_PORTABLE",)], ids=["", "portable"])
@pytest.mark.parametrize("name", on_cores())
def test_the_front_end_computes_the_same_bits_on_every_core(
    name: str, options: tuple[str, ...], bundle: Path, bits_on_this_computer: str, tmp_path: Path
) -> None:
    core = CORES[name]
    if core.missing:
        pytest.skip(f"{' and '.join(core.missing)} are not installed")
    names = ("sernet_spectrum.c", "sernet_frontend.c", "sernet_contract.c")
    sources = [*(bundle / "src" / file for file in names), BITS]
    sources.append(bundle / "examples/sernet_golden_pcm.c")
    cross.build(core, sources, tmp_path / "bits.elf", options)
    done = cross.run(core, tmp_path / "bits.elf")
    assert done.returncode == 0, done.stdout
    assert done.stdout == bits_on_this_computer
