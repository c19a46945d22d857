"""The windows that set the ranges of an int8 model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from sernet_edge.convert.calibrate import calibration_windows
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import FrontEnd, padded_rows
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.recipe import RECIPES, Recipe
from sernet_edge.train.recordings import Recording

CONTRACT = Contract(
    labels=("a", "b", "none"), mean=(0.0,), std=(30.0,), clip=50.0, level="none", window_frames=60
)


def recordings(count: int) -> list[Recording]:
    """Noise of one level, exactly as long as a window."""
    rng = np.random.default_rng(1)
    return [
        Recording(
            Utterance(Path(f"{i}.wav"), "a", "1"),
            rng.normal(0, 1000, CONTRACT.window_samples).astype(np.int16),
        )
        for i in range(count)
    ]


def loudness(windows: np.ndarray) -> np.ndarray:
    """Return the mean c0 of each window, converted to dB: c0 is 8 times ln(power)."""
    return windows[:, :, 0].mean(axis=1) * 30 / 8 * 10 / np.log(10)


def test_without_a_robust_recipe_windows_are_the_unchanged_recordings() -> None:
    some = recordings(30)
    for recipe in (None, Recipe(), RECIPES["paper"]):
        windows, chosen = calibration_windows(CONTRACT, some, 20, 3, recipe)
        front_end = FrontEnd(CONTRACT)
        for window, index in zip(windows, chosen, strict=True):
            expected = front_end.window_features(padded_rows(front_end, some[index].samples))
            np.testing.assert_array_equal(window, expected)


def test_a_robust_recipe_s_gains_and_noise_are_within_the_ranges() -> None:
    some = recordings(200)
    recipe = dataclasses.replace(RECIPES["robust"], none_share=0.0)
    plain, _ = calibration_windows(CONTRACT, some, 200, 3)
    windows, _ = calibration_windows(CONTRACT, some, 200, 3, recipe)
    gains_db = loudness(windows) - loudness(plain).mean()
    assert -16 < gains_db.min() < -12 and 12 < gains_db.max() < 16
    with_none, _ = calibration_windows(CONTRACT, some, 200, 3, RECIPES["robust"])
    still = np.ptp(with_none, axis=1).max(axis=1) == 0
    assert 1 <= still.sum() <= 15  # an eighth has no speech; a part of that is digital silence
