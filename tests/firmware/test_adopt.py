"""`sernet-edge adopt` gives a model of another project a contract, and then it works here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adopt_cases import adopt, check_refused
from engine_cases import tflm_outputs
from graphs import SAME, RandomGraph
from odd_graphs import of_type
from python_speech_features import mfcc
from state_graphs import RandomStates
from support import Run, quickly, write_wav

from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile

LABELS = ["silence", "unknown", "yes", "no"]
SETTINGS: dict[str, Any] = {
    "labels": LABELS,
    "python_speech_features": {"winlen": 0.04, "winstep": 0.02, "numcep": 10, "nfft": 1024},
}


def keyword_spotter(shape: tuple[int, ...] = (1, 49, 10, 1), softmax: bool = True) -> bytes:
    """Return a small network like DS-CNN, without a contract."""
    random = RandomGraph(5)
    last = random.graph.input(shape, 0.5, 3)
    if len(shape) != 4:
        last = random.reshape(last, (1, 49, 10, 1))
    last = random.conv(last, 8, window=(SAME, (5, 4), (2, 2)))
    last = random.mean(last, (1, 2), keep_dims=False)
    last = random.dense(last, 4)
    return random.graph.finish(random.softmax(last) if softmax else last)


@pytest.mark.parametrize("shape", [(1, 49, 10, 1), (1, 490), (1, 49, 10)])
def test_an_adopted_model_scores_the_features_of_the_library(
    shape: tuple[int, ...], sernet_edge: Run, tmp_path: Path
) -> None:
    result = adopt(sernet_edge, tmp_path, keyword_spotter(shape), SETTINGS)
    assert (result.returncode, result.stderr) == (0, "")
    told = "49 frames of 10 features (1.00 s), its labels are silence, unknown, yes, no"
    assert told in result.stdout
    model = Model(ModelFile.read(tmp_path / "mine.tflite"))
    samples = np.random.default_rng(0).normal(0, 3000, 16_000).astype(np.int16)
    theirs = mfcc(samples, 16_000, 0.04, 0.02, 10, nfft=1024)[:49]
    window = np.clip(np.rint(theirs.astype(np.float32) / np.float32(0.5)) + 3, -128, 127)
    expected = tflm_outputs(keyword_spotter(shape), window.astype(np.int8).reshape(1, -1))
    write_wav(tmp_path / "noise.wav", samples)
    heard = sernet_edge("listen", "--model", tmp_path / "mine.tflite", "--gate", "off", "--input",
                        tmp_path / "noise.wav", "--json")  # fmt: skip
    assert heard.returncode == 0, heard.stderr
    record = next(r for r in map(json.loads, heard.stdout.splitlines()) if "scores" in r)
    scores = [record["scores"][label] for label in LABELS]
    np.testing.assert_allclose(scores, (expected[0].astype(int) + 128) / 256, atol=1e-3)
    assert model.contract.provenance["adopted_from"] == "theirs.tflite"


@pytest.mark.parametrize("shape", quickly([((1, 49, 10, 1),), ((1, 490),)], 1))
def test_an_adopted_model_is_exported_with_its_front_end(
    shape: tuple[int, ...], sernet_edge: Run, tmp_path: Path
) -> None:
    assert adopt(sernet_edge, tmp_path, keyword_spotter(shape), SETTINGS).returncode == 0
    result = sernet_edge("export", tmp_path / "mine.tflite", "--out", tmp_path / "out")
    assert (result.returncode, result.stderr) == (0, "")
    check = subprocess.run(["make", "check"], cwd=tmp_path / "out", capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr
    shown = sernet_edge("inspect", tmp_path / "mine.tflite").stdout
    assert "pre-emphasis 0.97, lifter 22, energy for c0" in " ".join(shown.split())


def test_a_complete_contract_is_attached_unchanged(sernet_edge: Run, tmp_path: Path) -> None:
    result = adopt(sernet_edge, tmp_path, keyword_spotter(), SETTINGS)
    assert result.returncode == 0, result.stderr
    contract = ModelFile.read(tmp_path / "mine.tflite").require_contract()
    again = adopt(sernet_edge, tmp_path, keyword_spotter(), contract.to_json(), "--force")
    assert again.returncode == 0, again.stderr
    assert ModelFile.read(tmp_path / "mine.tflite").require_contract() == contract


REFUSED: dict[str, tuple[Any, str]] = {
    "too few labels": ({**SETTINGS, "labels": ["a", "b"]}, "2 labels, the model gives 4 scores"),
    "no labels": ({"python_speech_features": {}}, "has no labels"),
    "other features": (
        {**SETTINGS, "python_speech_features": {}},
        "10 (set mfcc_count, or numcep of python_speech_features, to 10, if the model was",
    ),
    "other frames": ({**SETTINGS, "window_frames": 50}, "window_frames is 50"),
    "a misspelt field": ({**SETTINGS, "smothing": 0.5}, "did you mean 'smoothing'?"),
    "a misspelt argument": (
        {**SETTINGS, "python_speech_features": {"preemphasis": 1}}, "did you mean 'preemph'?"
    ),
    "a window that is not known": (
        {**SETTINGS, "python_speech_features": {"winfunc": "kaiser"}}, "winfunc cannot be 'kaiser'"
    ),
    "a setting said twice": ({**SETTINGS, "lifter": 3}, "lifter and python_speech_features"),
    "an impossible setting": ({**SETTINGS, "smoothing": 2}, "smoothing must be in 0..1"),
    "text for a number": (
        {**SETTINGS, "python_speech_features": {"winlen": "25 ms"}}, "winlen cannot be '25 ms'"
    ),
    "no JSON": ("labels: yes, no", "is not JSON"),
    "a list": ([1], "holds no JSON object"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_do_not_fit_are_refused(case: str, sernet_edge: Run, tmp_path: Path) -> None:
    settings, message = REFUSED[case]
    check_refused(sernet_edge, tmp_path, keyword_spotter(), settings, message)


def stateful() -> bytes:
    random = RandomStates(0)
    last = random.graph.input((1, 3, 10, 1), 0.1, 0)
    return random.graph.finish(random.softmax(random.dense(random.streamed(last), 4)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (keyword_spotter(softmax=False), "its values are not probabilities"),
        (stateful(), "keeps a state from one window to the next"),
        (b"nothing", "is not a TensorFlow Lite model"),
    ],
)
def test_models_that_cannot_listen_are_refused(
    data: bytes, message: str, sernet_edge: Run, tmp_path: Path
) -> None:
    result = adopt(sernet_edge, tmp_path, data, SETTINGS)
    assert result.returncode == 1 and message in result.stderr, result.stderr


@pytest.mark.parametrize(
    ("kind", "hint"), [("FLOAT32", "all tensors in int8"), ("UINT8", "writes the network alone")]
)
def test_a_refused_type_comes_with_a_hint_that_helps(
    kind: str, hint: str, sernet_edge: Run, tmp_path: Path
) -> None:
    result = adopt(sernet_edge, tmp_path, of_type(kind), SETTINGS)
    assert result.returncode == 1 and f"is {kind.lower()}" in result.stderr
    assert hint in result.stderr and len(result.stderr.splitlines()) == 1


def test_rows_of_features_instead_of_frames_are_refused(sernet_edge: Run, tmp_path: Path) -> None:
    random = RandomGraph(1)
    last = random.conv(random.graph.input((1, 10, 49, 1), 0.5, 3), 4)
    data = random.graph.finish(random.softmax(random.dense(last, 4)))
    result = adopt(sernet_edge, tmp_path, data, {**SETTINGS, "window_frames": 49})
    assert "features, not frames" in result.stderr


def test_a_model_with_a_contract_keeps_it(
    sernet_edge: Run, shipped_model: Path, tmp_path: Path
) -> None:
    result = adopt(sernet_edge, tmp_path, shipped_model.read_bytes(), SETTINGS)
    assert result.returncode == 1 and "has a contract already" in result.stderr


def test_usage_errors_are_named(sernet_edge: Run, tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(keyword_spotter())
    result = sernet_edge("adopt", tmp_path / "a.tflite", "--contract", "x", "--out", "b.bin")
    assert result.returncode == 2 and "must end in .tflite" in result.stderr
