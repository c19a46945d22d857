"""What augmentation does to a recording, measured on signals whose outcome is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sernet_edge.runtime.contract import Contract
from sernet_edge.train import augment
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.dataset import Recording, Windows
from sernet_edge.train.recipe import Recipe

RATE_HZ = 16_000
CONTRACT = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40)
DISGUISE = Recipe(
    copies=4,
    speed=0.1,
    reverb_s=0.3,
    equaliser_db=6,
    noise_snr_db=10,
    time_mask_frames=0,
    mfcc_mask=0,
)


def recording(seconds: float, name: str = "x.wav") -> Recording:
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 2000, int(RATE_HZ * seconds)).astype(np.int16)
    return Recording(Utterance(Path(name), "a", "1"), samples)


def test_a_faster_recording_is_as_much_shorter_and_higher() -> None:
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    faster = augment.faster(tone, RATE_HZ, 1.1)
    assert len(faster) == pytest.approx(RATE_HZ / 1.1, abs=2)
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


def test_silence_can_be_disguised() -> None:
    rng = np.random.default_rng(0)
    disguised = augment.disguised(np.zeros(RATE_HZ), RATE_HZ, DISGUISE, rng)
    assert np.isfinite(augment.noisy(disguised, 10, rng)).all()


def test_training_windows_come_from_as_many_copies_as_the_recipe_says() -> None:
    windows = Windows(CONTRACT, DISGUISE)
    # Of one window's length each, so that copies alone tell them apart.
    exact = recording(CONTRACT.window_s)
    copies = [windows._copy(exact, number) for number in range(4)]
    plain = Windows(CONTRACT, Recipe(copies=1))._copy(exact, 0)
    np.testing.assert_array_equal(copies[0], plain)
    for one, other in zip(copies, copies[1:], strict=False):
        assert one.shape != other.shape or np.abs(one - other).max() > 0.1


def test_the_same_file_has_the_same_copies_in_every_run() -> None:
    draws = []
    for _ in range(2):
        windows, rng = Windows(CONTRACT, DISGUISE), np.random.default_rng(5)
        windows.random_window(recording(2, "another.wav"), np.random.default_rng(0))
        draws.append([windows.random_window(recording(2), rng) for _ in range(8)])
    np.testing.assert_array_equal(draws[0], draws[1])


def test_a_short_recordings_silence_is_filled_by_the_noise_of_its_copy() -> None:
    noisy = Windows(CONTRACT, Recipe(copies=2, noise_snr_db=10, gain_db=0))
    silence, noise = noisy._copy(recording(1), 0)[0], noisy._copy(recording(1), 1)[0]
    # The first frame lies in what was added before the speech; c0 of digital silence is 0.
    assert silence[0] == 0 and noise[0] > 10
