"""All interpreters on all versions of Python give the same bits without a delegate.

`make test-other-python` names another environment in SERNET_OTHER_PYTHON: another Python, with the
other interpreter and another NumPy.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Run

from sernet_edge.runtime import ModelError
from sernet_edge.runtime.interpreter import INTERPRETERS, interpreter_module

_DEMO = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The demo's speech, and tones in noise that must be mixed and resampled."""
    path = tmp_path_factory.mktemp("interpreters") / "stereo.wav"
    time = np.arange(5 * 44_100) / 44_100
    noise = np.random.default_rng(3).normal(0, 800, (len(time), 2))
    tones = 6000 * np.sin(2 * np.pi * np.outer(time, (220, 331)) + np.sin(5 * time)[:, None])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes((tones + noise).astype("<i2").tobytes())
    return [_DEMO, path]


@pytest.fixture(scope="module")
def heard(recordings: list[Path], sernet_edge: Run) -> list[str]:
    """The output of `listen` with its default interpreter."""
    return [_listen(sernet_edge, recording) for recording in recordings]


def _listen(sernet_edge: Run, recording: Path, *options: object, **run: Any) -> str:
    result = sernet_edge("listen", "--input", recording, "--json", "--no-timing", *options, **run)
    assert result.returncode == 0, result.stderr
    assert '"type": "result"' in result.stdout
    return result.stdout


@pytest.mark.parametrize("package", INTERPRETERS)
def test_every_interpreter_gives_the_same_json(
    package: str, recordings: list[Path], heard: list[str], sernet_edge: Run
) -> None:
    pytest.importorskip(package)
    environment = {**os.environ, "SERNET_EDGE_INTERPRETER": package}
    assert [_listen(sernet_edge, recording, env=environment) for recording in recordings] == heard


def test_the_number_of_threads_changes_no_bit(heard: list[str], sernet_edge: Run) -> None:
    assert _listen(sernet_edge, _DEMO, "--threads", 4) == heard[0]


def test_the_other_environment_gives_the_same_json(
    recordings: list[Path], heard: list[str]
) -> None:
    other = os.environ.get("SERNET_OTHER_PYTHON")
    if not other:
        pytest.skip("SERNET_OTHER_PYTHON names no Python with sernet-edge; make test-other-python")
    code = (
        "import json, platform; from sernet_edge.runtime.interpreter import interpreter_module\n"
        "print(json.dumps([platform.python_version_tuple()[:2], interpreter_module().__name__]))"
    )
    run = {"capture_output": True, "text": True, "check": True, "timeout": 300}
    version, module = json.loads(subprocess.run([other, "-c", code], **run).stdout)
    # The comparison needs two versions.
    assert version != list(platform.python_version_tuple()[:2])
    assert module != interpreter_module().__name__
    for recording, expected in zip(recordings, heard, strict=True):
        options = ["listen", "--input", str(recording), "--json", "--no-timing"]
        done = subprocess.run([other, "-m", "sernet_edge", *options], **run)
        assert done.stdout == expected


def test_an_interpreter_can_be_chosen_and_nonsense_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERNET_EDGE_INTERPRETER", "tensorflow")
    with pytest.raises(ModelError, match="must be one of tflite_runtime, ai_edge_litert"):
        interpreter_module()


@pytest.mark.parametrize(
    ("machine", "hint"),
    [
        ("armv6l", "take a Pi Zero 2 W, a Pi 2 or a later one"),
        ("armv7l", "pip install tflite-runtime (Python 3.11) or pip install ai-edge-litert"),
    ],
)
def test_without_an_interpreter_the_error_says_what_to_do(
    machine: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in INTERPRETERS:
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(ModelError) as error:
        interpreter_module()
    assert error.value.hint == hint
