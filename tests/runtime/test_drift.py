"""Drift: near zero for features like those in training, higher for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from sernet_edge.runtime import FrontEnd, interpreter
from sernet_edge.runtime.drift import drift
from sernet_edge.runtime.frontend import feature_rows


def test_features_like_those_in_training_have_no_drift() -> None:
    features = np.random.default_rng(1).normal(0, 1, (100_000, 40))
    assert drift(features) < 0.01


def test_drift_is_the_deviation_of_means_and_spreads() -> None:
    features = np.random.default_rng(1).normal(0, 1, (100_000, 2))
    # By hand: of two features, one mean is off by 2, and one spread is e times too large.
    features[:, 0] += 2
    features[:, 1] *= np.e
    assert drift(features) == pytest.approx((2 + 1) / 2, abs=0.02)


def test_features_that_do_not_move_have_a_finite_drift() -> None:
    assert 2 < drift(np.zeros((184, 40))) < 4


def test_silence_noise_and_twice_the_rate_drift_further_than_speech(
    emodb: Path, shipped_model: Path
) -> None:
    contract = interpreter.load(shipped_model).contract
    front_end = FrontEnd(contract)

    def drifts(samples: NDArray[Any]) -> float:
        rows = feature_rows(front_end, samples.astype(np.int16))[: contract.window_frames]
        return drift(front_end.standardise(rows))

    speech = []
    at_twice_the_rate = []
    for path in sorted((emodb / "wav").glob("*.wav"))[::50]:
        once = np.frombuffer(path.read_bytes()[44:], "<i2")
        samples = np.resize(once, 2 * contract.window_samples)  # said again and again
        speech.append(drifts(samples))
        at_twice_the_rate.append(drifts(soxr.resample(samples, 16_000, 32_000)))
    noise = np.random.default_rng(1).normal(0, 500, contract.window_samples)
    highest = max(speech)
    assert 0.2 < np.median(speech) < highest < 1
    assert np.median(at_twice_the_rate) > highest
    assert drifts(noise) > highest
    assert drifts(0 * noise) > highest
