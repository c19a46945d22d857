"""The drift limit: it separates the training speech from other sounds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sernet_edge.convert.drift_limit import drift_limit
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.drift import drift
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.new_contract import with_statistics
from sernet_edge.train.noise import Noise, NoiseClip
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import Recording


def test_the_limit_is_the_99th_percentile_over_the_windows_that_listen_would_score() -> None:
    rng = np.random.default_rng(1)
    contract = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40)
    counts = (contract.sample_rate_hz // 2, contract.sample_rate_hz * 42 // 10)
    short, long = (rng.normal(0, 2000, count).astype(np.int16) for count in counts)
    front_end = FrontEnd(contract)
    followed_by_silence = np.concatenate([short, np.zeros(contract.window_samples, np.int16)])
    drifts = [
        drift(front_end.standardise(feature_rows(front_end, heard[: contract.window_samples])))
        # A window each half second, 31 frames: the long recording has three whole windows.
        for heard in (followed_by_silence, *(long[31 * 256 * hop :] for hop in range(3)))
    ]
    recordings = [Recording(Utterance(Path("x.wav"), "a", "1"), s) for s in (short, long)]
    assert len(set(drifts)) == 4
    assert drift_limit(contract, recordings) == pytest.approx(np.percentile(drifts, 99), rel=5e-3)


def test_a_level_that_is_impossible_live_gives_no_limit() -> None:
    contract = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40, level="clip")
    silence = Recording(Utterance(Path("x.wav"), "a", "1"), np.zeros(50_000, np.int16))
    assert drift_limit(contract, [silence]) == 0


def test_speech_in_noise_is_within_the_limit_of_a_model_that_was_trained_on_it() -> None:
    rng = np.random.default_rng(2)
    contract = Contract(labels=("a", "b"), mean=(0.0,), std=(1.0,), level="none", window_frames=60)
    # A voice that comes and goes in digital silence, and noise in the pauses.
    beats = np.repeat(rng.random(60) < 0.5, 512)
    voices = [
        (rng.normal(0, 3000, len(beats)) * np.roll(beats, 512 * i)).astype(np.int16)
        for i in range(40)
    ]
    recordings = [Recording(Utterance(Path(f"{i}.wav"), "a", "1"), v) for i, v in enumerate(voices)]
    hiss = Noise((NoiseClip("hiss.wav", rng.normal(0, 1000, 64_000).astype(np.int16)),), ())
    contract = with_statistics(contract, recordings)
    plain = Recipe(gain_db=0.0)
    noisy = dataclasses.replace(plain, noise_share=1.0)
    front_end = FrontEnd(contract)
    in_noise = [
        drift(
            front_end.standardise(
                feature_rows(front_end, (v + rng.normal(0, 1000, len(v))).astype(np.int16))[:60]
            )
        )
        for v in voices
    ]

    assert min(in_noise) > drift_limit(contract, recordings, plain)
    assert np.mean(in_noise < np.float64(drift_limit(contract, recordings, noisy, hiss))) > 0.9
