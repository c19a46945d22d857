"""`make models` and `make model-open` in small: two corpora and noise to a model with its card."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support import write_wav

from sernet_edge.runtime.interpreter import load
from sernet_edge.runtime.trust import licence, trust

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "make_model.sh"
EMOTIONS = {"anger": "ANG", "fear": "FEA", "happiness": "HAP", "neutral": "NEU", "sadness": "SAD"}
LETTERS = {"anger": "W", "fear": "A", "happiness": "F", "neutral": "N", "sadness": "T"}


def chord(index: int, rng: np.random.Generator) -> np.ndarray:
    time_s = np.arange(24_000) / 16_000
    tone = np.sin(2 * np.pi * 200 * (index + 1) * time_s)
    return (3000 * tone + rng.normal(0, 300, len(time_s))).astype(np.int16)


@pytest.mark.training
@pytest.mark.slow
def test_a_model_is_trained_measured_on_unheard_corpora_and_converted(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    emodb, crema_d, noise = (tmp_path / name for name in ("emodb", "crema-d", "noise"))
    for folder in (emodb, crema_d / "AudioWAV", noise):
        folder.mkdir(parents=True)
    for index, emotion in enumerate(EMOTIONS):
        for speaker in ("03", "08"):
            write_wav(emodb / f"{speaker}a01{LETTERS[emotion]}a.wav", chord(index, rng))
            name = f"10{speaker}_IEO_{EMOTIONS[emotion]}_HI.wav"
            write_wav(crema_d / "AudioWAV" / name, chord(index, rng))
    for clip in range(3):
        write_wav(noise / f"{clip}.wav", rng.normal(0, 900, 40_000).astype(np.int16))

    environment = {
        **os.environ,
        "RUNS": str(tmp_path / "runs"),
        "LICENCE": "ODbL-1.0",
        # Two steps teach hardly anything.
        "SURE": "0.01",
        "WINDOWS": "8",
        "OPTIONS": "--epochs 1 --set steps=2 --set batch_size=8 --set room_share=0",
    }
    arguments = [
        *("--corpus", "emodb", emodb, "--corpus", "crema-d", crema_d, "--noise", noise),
        *("--recipe", "voices", "--labels", ",".join(EMOTIONS)),
        *("--architecture", "light-sernet-stream-half"),
    ]
    made = subprocess.run(
        [SCRIPT, "small", "corpora", *arguments], env=environment, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    model = tmp_path / "runs" / "small.tflite"
    contract = load(model).contract
    assert contract.labels == ("anger", "fear", "happiness", "neutral", "sadness", "none")
    assert licence(contract) == "ODbL-1.0"
    assert "of four emotions in other corpora" in trust(contract)
    assert model.with_suffix(".md").exists()
