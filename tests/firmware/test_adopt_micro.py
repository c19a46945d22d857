"""Models like micro_speech and microWakeWord, with the micro frontend, are adopted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adopt_cases import MICRO_LABELS, SPEECH, WAKE_WORD, adopt, check_refused, micro_speech
from micro_contracts import MICRO_SPEECH, MICRO_WAKE_WORD
from micro_reference import originals
from numpy.typing import NDArray
from support import SAMPLE, Run

from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile


def micro_speech_input(values: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the model's input, computed like in micro_speech's feature provider."""
    return np.clip((values * 256 + 333) // 666 - 128, -128, 127).astype(np.int8)


def wake_word_input(values: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return microWakeWord's features, quantised like in TensorFlow Lite."""
    scaled = values.astype(np.float32) * np.float32(0.0390625)
    return np.clip(np.rint(scaled / np.float32(26 / 255)) - 128, -128, 127).astype(np.int8)


CASES: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {
    "micro_speech": (SPEECH, micro_speech_input, MICRO_SPEECH),
    "microWakeWord": (WAKE_WORD, wake_word_input, MICRO_WAKE_WORD),
}


@pytest.mark.parametrize("case", CASES)
def test_an_adopted_model_scores_the_features_of_the_original_frontend(
    case: str, sernet_edge: Run, tmp_path: Path
) -> None:
    settings, as_input, arguments = CASES[case]
    result = adopt(sernet_edge, tmp_path, micro_speech(), settings)
    assert (result.returncode, result.stderr) == (0, "")
    assert "49 frames of 40 features" in result.stdout
    values = originals(read_recording(SAMPLE, 16_000), **arguments)
    starts = range(0, len(values) - 48, 24)
    windows = np.stack([as_input(values[n : n + 49]).ravel() for n in starts])
    model = Model(ModelFile.read(tmp_path / "mine.tflite"))
    expected = np.stack([model.run_int8(window) for window in windows]).astype(int)
    heard = sernet_edge("listen", "--model", tmp_path / "mine.tflite", "--gate", "off", "--input",
                        SAMPLE, "--json")  # fmt: skip
    assert heard.returncode == 0, heard.stderr
    records = [r for r in map(json.loads, heard.stdout.splitlines()) if "scores" in r]
    found = np.array([[record["scores"][label] for label in MICRO_LABELS] for record in records])
    np.testing.assert_allclose(found, (expected + 128) / 256, atol=1e-3)
    assert len(np.unique(expected, axis=0)) > 5


def test_inspect_describes_the_micro_frontend(sernet_edge: Run, tmp_path: Path) -> None:
    assert adopt(sernet_edge, tmp_path, micro_speech(), SPEECH).returncode == 0
    shown = " ".join(sernet_edge("inspect", tmp_path / "mine.tflite").stdout.split())
    assert "40 channels of the micro frontend, 125..7500 Hz; noise smoothed with 0.025 and" in shown
    assert "PCAN of strength 0.95" in shown and "times 256/666" in shown
    settings = json.loads(sernet_edge("inspect", tmp_path / "mine.tflite", "--json").stdout)
    assert settings["contract"]["micro_frontend"]["divisor"] == 666


def test_a_complete_contract_is_attached_unchanged(sernet_edge: Run, tmp_path: Path) -> None:
    assert adopt(sernet_edge, tmp_path, micro_speech(), SPEECH).returncode == 0
    shown = sernet_edge("inspect", tmp_path / "mine.tflite", "--json").stdout
    other = micro_speech(scale=0.2)
    whole = {
        "format": "sernet-contract", "provenance": {}, **json.loads(shown)["contract"]
    }  # fmt: skip
    result = adopt(sernet_edge, tmp_path, micro_speech(), whole, "--force")
    assert result.returncode == 0, result.stderr
    result = adopt(sernet_edge, tmp_path, other, whole, "--force")
    assert "with divisor 666 the model's int8 input must be the level less 128" in result.stderr


def changed(**changes: Any) -> dict[str, Any]:
    return {**SPEECH, "micro_frontend": SPEECH["micro_frontend"] | changes}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "neither scale nor divisor": (changed(divisor=None), "scale or divisor must be given"),
    "both": (changed(scale=0.0390625), "scale or divisor must be given, and not both"),
    "a step longer than the window": (
        changed(window_step=40), "window_step is 40 ms, longer than the window_size of 30 ms"
    ),
    "too short a window": (changed(window_size=1, window_step=1), "window_size must be in 2..1024"),
    "limits that fall": (
        changed(lower_band_limit=7600), "lower_band_limit 7600 and upper_band_limit 7500 Hz must"
    ),
    "a limit beyond the rate": (
        changed(sample_rate=8000), "below half of the sample_rate, 4000 Hz"
    ),
    "other channels": (
        changed(num_channels=32), "61 frames of 32 features are 1952 values, the model's"
    ),
    "too few bits for PCAN": (changed(gain_bits=10), "gain_bits must be 15 or more"),
    "no logarithm": (changed(enable_log=False), "enable_log must be true"),
    "a misspelt argument": (changed(windowsize=30), "did you mean 'window_size'?"),
    "a limit beyond any float": (changed(upper_band_limit=10**400), "upper_band_limit cannot be 1"),
    "a rate beyond any sound": (
        changed(sample_rate=20_000_000), "sample_rate must be at most 192000 Hz, not 20000000"
    ),
    "text for a number": (changed(window_size="30 ms"), "window_size cannot be '30 ms'"),
    "a number for a switch": (changed(enable_pcan=1), "enable_pcan cannot be 1"),
    "half a millisecond": (changed(window_step=10.5), "window_step must be a whole number"),
    "a list": ({**SPEECH, "micro_frontend": [30, 20]}, "must be an object with the arguments of"),
    "two front ends": (
        {**SPEECH, "python_speech_features": {}}, "and micro_frontend are two front ends"
    ),
    "a setting said twice": (
        {**SPEECH, "mel_bands": 40}, "mel_bands and micro_frontend say the same"
    ),
    "a level": ({**SPEECH, "level": "running"}, "level must be 'none' with the features 'micro'"),
    "a mean": ({**SPEECH, "mean": [3.0]}, "mean must be 0.0 with the features 'micro'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_do_not_fit_are_refused(case: str, sernet_edge: Run, tmp_path: Path) -> None:
    settings, message = REFUSED[case]
    check_refused(sernet_edge, tmp_path, micro_speech(), settings, message)


def test_a_divisor_needs_an_input_with_the_zero_point_minus_128(
    sernet_edge: Run, tmp_path: Path
) -> None:
    result = adopt(sernet_edge, tmp_path, micro_speech(zero_point=0), SPEECH)
    assert result.returncode == 1
    assert "a zero point of -128" in result.stderr and "give scale instead" in result.stderr


def test_other_features_are_refused(sernet_edge: Run, tmp_path: Path) -> None:
    data = micro_speech(shape=(1, 49, 40, 1))
    result = adopt(sernet_edge, tmp_path, data, changed(num_channels=32))
    assert "set num_channels to 40, if the model was trained so" in result.stderr
