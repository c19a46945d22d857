"""Fixtures for all tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from object_files import compiling_once, keep_in
from support import SAMPLE, Run, made_once, shared_folder, write_wav

from sernet_edge.firmware_export.measure import cross
from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.interpreter import interpreter_module
from sernet_edge.runtime.models import BOX

# A shell that runs the tests in the background may ignore SIGINT, and programs inherit this. The
# programs under test must react to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before any test loads TensorFlow; convert/quantize.py says why.
interpreter_module()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the browser."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give all programs a home folder without settings, and put their temporary files there."""
    home = tmp_path_factory.mktemp("home")
    (home / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("XDG_", "SERNET_EDGE_")):
                patch.delenv(name)
        # The tests expect this model's results.
        patch.setenv("SERNET_EDGE_LISTEN_MODEL", str(BOX["emodb"]))
        patch.setenv("HOME", str(home))
        patch.setenv("TMPDIR", str(home / "tmp"))
        patch.setattr(tempfile, "tempdir", None)
        patch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(home / "hypothesis"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _object_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Share compiled C between all processes of the tests, also for other cores."""
    keep_in(shared_folder(tmp_path_factory) / "objects")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross, "_run", compiling_once(cross._run))
        yield


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test in its temporary folder, so that relative paths end there."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def emodb() -> Path:
    """The folder of EMO-DB, which holds `wav/`. The corpus is not part of this project."""
    folder = os.environ.get("SERNET_EMODB")
    if not folder:
        pytest.skip("SERNET_EMODB does not name a folder with EMO-DB")
    assert (Path(folder) / "wav").is_dir(), f"SERNET_EMODB={folder} has no folder wav"
    return Path(folder).absolute()


@pytest.fixture(scope="session")
def shipped_model() -> Path:
    """The int8 model in the package."""
    return BOX["emodb"]


@pytest.fixture(scope="session")
def sernet_edge() -> Run:
    """Run the command line in a separate process, as a user does; it must not show a traceback."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sernet_edge", *map(str, arguments)]
        result = subprocess.run(  # type: ignore[call-overload]
            command, capture_output=True, text=True, timeout=300, **options
        )
        assert "Traceback" not in result.stderr, result.stderr
        return result  # type: ignore[no-any-return]

    return run


@pytest.fixture
def in_process(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process. This is quick, and enough to test files, settings and
    output."""

    def run(
        *arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        from sernet_edge.cli import main

        capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            if env is not None:
                for name in os.environ.keys() - env.keys():
                    patch.delenv(name)
                for name, value in env.items():
                    patch.setenv(name, value)
            if cwd is not None:
                patch.chdir(cwd)
            with pytest.raises(SystemExit) as end:
                main(list(map(str, arguments)))
        said = capfd.readouterr()
        return subprocess.CompletedProcess([], int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def damaged_corpus(small_corpus: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copy the small corpus and cut one recording off after four bytes."""

    def damaged(name: str) -> Path:
        folder = tmp_path / "broken"
        shutil.copytree(small_corpus, folder)
        (folder / name).write_bytes(b"RIFF")
        return folder

    return damaged


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with file names like EMO-DB's: 3 speakers, 7 emotions. Each emotion is a chord with
    noise, 1 to 4 s long."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(7)
    for speaker in ("03", "08", "09"):
        for index, letter in enumerate("WLEAFTN"):
            time = np.arange(int(rng.uniform(1, 4) * 16_000)) / 16_000
            tone = np.sin(2 * np.pi * 200 * (index + 1) * time)
            sound = 4000 * tone + rng.normal(0, 300, len(time))
            write_wav(folder / f"{speaker}a01{letter}a.wav", sound.astype(np.int16))
    return folder


@pytest.fixture(scope="session")
def small_keras(
    sernet_edge: Run, small_corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """LIGHT-SERNET after two epochs on the small corpus without speaker 09."""

    def train(folder: Path) -> None:
        result = sernet_edge(
            *("train", "--corpus", "emodb", small_corpus, "--out", folder / "small.keras"),
            *("--holdout", "09", "--epochs", 2),
        )
        assert result.returncode == 0, result.stderr

    return made_once(tmp_path_factory, "trained", train) / "small.keras"


@pytest.fixture(scope="session")
def speech() -> NDArray[np.int16]:
    """The demo's sample, 16 kHz: two synthetic voices, one after the other."""
    return read_recording(SAMPLE, 16_000)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory, speech: NDArray[np.int16]) -> Path:
    """A folder of clips: three from the demo's first half, labelled anger, three from its second,
    labelled fear.

    The folder's name does not hold a label, and the shipped model finds neither in most clips.
    """
    folder = tmp_path_factory.mktemp("clips")
    half = len(speech) // 2
    for label, part in (("anger", speech[:half]), ("fear", speech[half:])):
        (folder / label).mkdir()
        for number in range(3):
            write_wav(folder / label / f"{number}.wav", part[number * 32_000 :][:40_000])
    return folder


@pytest.fixture(scope="session")
def taught(
    clips: Path, shipped_model: Path, tmp_path_factory: pytest.TempPathFactory, sernet_edge: Run
) -> Path:
    """The shipped model, taught with `clips`."""
    out = tmp_path_factory.mktemp("taught") / "mine.tflite"
    done = sernet_edge(*("teach", clips, "--model", shipped_model, "--out", out, "--even-if-worse"))
    assert done.returncode == 0, done.stderr
    return out
