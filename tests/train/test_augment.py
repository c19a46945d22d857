"""What augmentation does to a recording, measured on signals whose outcome is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sernet_edge.runtime.contract import Contract
from sernet_edge.train import augment
from sernet_edge.train.augment import mask
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import Recording
from sernet_edge.train.training_windows import TrainingWindows

RATE_HZ = 16_000
CONTRACT = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40)


def recording(seconds: float, name: str = "x.wav") -> Recording:
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 2000, int(RATE_HZ * seconds)).astype(np.int16)
    return Recording(Utterance(Path(name), "a", "1"), samples)


def test_a_faster_recording_is_as_much_shorter_and_higher() -> None:
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    faster = augment.faster(tone, RATE_HZ, 1.1, 14_000)
    assert len(faster) == 14_000  # of the 14,545 that there are
    peak = np.abs(np.fft.rfft(faster)).argmax() * RATE_HZ / len(faster)
    assert peak == pytest.approx(484, abs=1.5)


def test_a_rooms_echo_falls_by_60_db_in_its_reverberation_time() -> None:
    impulse = np.zeros(RATE_HZ)
    impulse[0] = 10_000
    wet = augment.reverberant(impulse, RATE_HZ, 0.5, np.random.default_rng(0))
    assert len(wet) == RATE_HZ
    # Schroeder's backward integration, fitted between -5 and -25 dB as ISO 3382 has it.
    left = np.cumsum(wet[:0:-1] ** 2)[::-1]
    decay_db = 10 * np.log10(left / left[0] + 1e-12)
    fitted = np.flatnonzero((decay_db < -5) & (decay_db > -25))
    slope = np.polyfit(fitted / RATE_HZ, decay_db[fitted], 1)[0]
    assert -60 / slope == pytest.approx(0.5, rel=0.1)


def test_an_equaliser_stays_within_its_range_at_every_frequency() -> None:
    impulse = np.zeros(RATE_HZ)
    impulse[0] = 10_000
    equalised = augment.equalised(impulse, RATE_HZ, 6, np.random.default_rng(0))
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(equalised)) / 10_000)
    assert gain_db.min() >= -6.001 and gain_db.max() <= 6.001
    assert gain_db.max() - gain_db.min() > 3


def test_noise_lies_below_the_speech_by_the_ratio_asked_for() -> None:
    speech = recording(2).samples.astype(float)
    ratios = []
    for seed in range(50):
        noise = augment.noisy(speech, 10, np.random.default_rng(seed)) - speech
        ratios.append(10 * np.log10((speech**2).mean() / (noise**2).mean()))
    assert min(ratios) > 10 and max(ratios) < 35
    assert max(ratios) - min(ratios) > 15


PLAIN = Recipe(gain_db=0, time_mask_frames=0, mfcc_mask=0)
"""Nothing is changed but where a window is cut."""


def window(recipe: Recipe, seconds: float, seed: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    return TrainingWindows(CONTRACT, recipe).training_window(recording(seconds), rng)


@pytest.mark.parametrize(
    "change",
    [{"speed": 0.1}, {"reverb_s": 0.3}, {"equaliser_db": 6.0}, {"noise_snr_db": 10.0}],
)
def test_each_change_is_drawn_anew_for_each_window_and_repeats_with_its_seed(
    change: dict[str, float],
) -> None:
    recipe = dataclasses.replace(PLAIN, **change)
    # Exactly as long as a window, so that nothing but the change differs.
    plain = window(PLAIN, CONTRACT.window_s, 1)
    one, again, other = (window(recipe, CONTRACT.window_s, seed) for seed in (1, 1, 2))
    assert one.shape == plain.shape
    np.testing.assert_array_equal(one, again)
    for unlike in (plain, other):
        assert np.abs(one - unlike).mean() > 0.01


def test_a_mask_longer_than_the_window_covers_no_more_than_it() -> None:
    rng = np.random.default_rng(0)
    masked = []
    for _ in range(50):
        rows = np.ones((4, 3), np.float32)
        mask(rows, 100, rng)
        masked.append(int((rows == 0).all(axis=1).sum()))
    assert set(masked) <= set(range(5)) and max(masked) == 4


def test_silence_stays_finite_through_every_change() -> None:
    silence = Recording(Utterance(Path("s.wav"), "a", "1"), np.zeros(RATE_HZ, np.int16))
    recipe = Recipe(speed=0.1, reverb_s=0.3, equaliser_db=6, noise_snr_db=10)
    features = TrainingWindows(CONTRACT, recipe).training_window(silence, np.random.default_rng(0))
    assert np.isfinite(features).all()


def test_noise_fills_the_silence_around_a_short_recording() -> None:
    noisy = dataclasses.replace(PLAIN, noise_snr_db=10)
    # Frames of digital silence are all alike.
    assert len(np.unique(window(PLAIN, 0.5, 1)[:, 20])) < 60
    assert len(np.unique(window(noisy, 0.5, 1)[:, 20])) > 150
