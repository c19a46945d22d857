"""`sernet-edge selftest` talks to the bundle's program on cores under QEMU."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bundle_cases import read_wav, write_bundle
from cores import on_core, on_cores
from support import Run, write_wav

from sernet_edge.firmware_export.selftest.board_run import read_board_run

SAMPLE = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


@pytest.fixture(scope="module")
def bundle(shipped_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    for program in ("arm-none-eabi-gcc", "qemu-system-arm", "make"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    return write_bundle(tmp_path_factory.mktemp("bundle"), shipped_model.read_bytes())


@contextmanager
def board(bundle: Path, name: str) -> Iterator[str]:
    """Run `make serial` for a core; return QEMU's pseudo-terminal."""
    program = subprocess.Popen(
        ["make", "serial", f"BOARD={name}"],
        cwd=bundle,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # make and QEMU end together
    )
    assert program.stdout is not None
    try:
        said = ""
        while (found := re.search(r"/dev/pts/\d+", said)) is None:
            heard = program.stdout.readline()
            assert heard, said
            said += heard
        yield found.group()
    finally:
        os.killpg(program.pid, signal.SIGTERM)
        program.wait(timeout=30)
        program.stdout.close()


def check(sernet_edge: Run, model: Path, port: str, audio: Path, out: Path) -> None:
    result = sernet_edge(
        "selftest", model, "--port", port, "--input", audio, "--out", out, "--timeout", 60
    )
    assert result.returncode == 0, result.stdout + result.stderr
    # Only the report: without a terminal there is no progress bar.
    assert result.stderr == ""
    run = read_board_run(out)
    assert run.passed and run.windows >= 1
    assert run.scores_differing == 0
    assert run.features_differing <= run.features / 1000
    assert "under QEMU" in run.board
    # QEMU has no cycle counter, so the report must have no cycles.
    assert run.cycles_per_inference is None
    assert run.frontend_cycles_per_second is None
    assert "not counted" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", on_cores(["m4", "m55"]))
def test_the_program_of_the_bundle_passes_on_a_core(
    name: str, bundle: Path, sernet_edge: Run, shipped_model: Path, tmp_path: Path
) -> None:
    write_wav(tmp_path / "sample.wav", read_wav(SAMPLE)[20_000:68_000])
    with board(bundle, name) as port:
        check(sernet_edge, shipped_model, port, tmp_path / "sample.wav", tmp_path / "run.json")


@pytest.mark.parametrize(("name", "number"), [on_core("m4", 10), on_core("m55", 400)])
@pytest.mark.slow
def test_real_speech_passes_on_a_core(
    name: str,
    number: int,
    bundle: Path,
    sernet_edge: Run,
    shipped_model: Path,
    emodb: Path,
    tmp_path: Path,
) -> None:
    path = sorted((emodb / "wav").glob("*.wav"))[number]
    write_wav(tmp_path / "speech.wav", read_wav(path)[:56_000])
    with board(bundle, name) as port:
        check(sernet_edge, shipped_model, port, tmp_path / "speech.wav", tmp_path / "run.json")
