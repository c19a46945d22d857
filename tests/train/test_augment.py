"""The effects of augmentation, measured on signals with known results."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.train import augment
from sernet_edge.train.augment import mask
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.fast_features import FastFrontEnd
from sernet_edge.train.noise import Noise, NoiseClip
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import Recording
from sernet_edge.train.windows import TrainingSet, TrainingWindows

RATE_HZ = 16_000
NOISE = Noise(
    (NoiseClip("hum.wav", (500 * np.sin(np.arange(9000) ** 2 / 5e4)).astype(np.int16)),), ()
)
CONTRACT = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40)


def recording(seconds: float, name: str = "x.wav") -> Recording:
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 2000, int(RATE_HZ * seconds)).astype(np.int16)
    return Recording(Utterance(Path(name), "a", "1"), samples)


def test_a_faster_recording_is_shorter_and_higher_by_the_same_factor() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    tone = 8000 * np.sin(2 * np.pi * 440 * time_s) * np.hanning(RATE_HZ)
    for count in (14_545, 17_777):
        changed = augment.faster(tone, count)
        expected = soxr.resample(tone, RATE_HZ, RATE_HZ * count / RATE_HZ)
        assert len(changed) == count
        np.testing.assert_allclose(changed, expected[:count], atol=8)  # 0.1 % of the tone


def test_frequencies_beyond_the_rate_of_a_faster_recording_are_cut_off() -> None:
    tone = 8000 * np.sin(2 * np.pi * 7600 * np.arange(RATE_HZ) / RATE_HZ)  # 8360 Hz when faster
    assert np.abs(augment.faster(tone, 14_545)).max() < 80


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


def test_noise_is_below_the_speech_by_the_given_ratio() -> None:
    speech = recording(2).samples.astype(float)
    ratios = []
    for seed in range(50):
        noise = augment.noisy(speech, 10, np.random.default_rng(seed)) - speech
        ratios.append(10 * np.log10((speech**2).mean() / (noise**2).mean()))
    assert min(ratios) > 10 and max(ratios) < 35
    assert max(ratios) - min(ratios) > 15


@pytest.mark.parametrize("snr_db", [3.0, 30.0])
def test_the_level_of_a_noise_clip_depends_on_the_speech_and_not_on_the_silence(
    snr_db: float,
) -> None:
    word = recording(1).samples.astype(float)
    clip = np.random.default_rng(5).normal(0, 300, 3 * RATE_HZ).astype(np.int16)
    alone = augment.with_noise(np.tile(word, 3), clip, RATE_HZ, snr_db) - np.tile(word, 3)
    padded = np.pad(word, RATE_HZ)
    in_silence = augment.with_noise(padded, clip, RATE_HZ, snr_db) - padded
    for noise in (alone, in_silence):
        ratio_db = 10 * np.log10((word**2).mean() / (noise**2).mean())
        assert ratio_db == pytest.approx(snr_db, abs=0.1)
    np.testing.assert_array_equal(augment.with_noise(padded, clip * 0, RATE_HZ, snr_db), padded)


@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_a_telephone_passes_300_to_3400_hz_in_8_bits(rate_hz: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 3000, rate_hz)
    heard = augment.telephone(noise, rate_hz)
    assert len(heard) == rate_hz  # so that bins are Hz
    before, after = np.abs(np.fft.rfft(noise)), np.abs(np.fft.rfft(heard))
    gain_db = 10 * np.log10(
        [(after[low:high] ** 2).sum() / (before[low:high] ** 2).sum() for low, high in BANDS_HZ]
    )
    assert abs(gain_db[1]) < 0.2 and max(gain_db[0], gain_db[2]) < -25
    # The line has at most 255 different samples; its error is that of G.711, about -37 dB.
    narrow = soxr.resample(heard, rate_hz, 8000)
    clean = np.fft.irfft(
        np.fft.rfft(noise)[:4001]
        * np.interp(np.arange(4001), (200, 300, 3400, 3800), (0, 1, 1, 0)),
        8000,
    ) * (8000 / rate_hz)
    error_db = 10 * np.log10(((narrow - clean)[100:-100] ** 2).mean() / (clean**2).mean())
    assert -42 < error_db < -32


BANDS_HZ = ((50, 190), (320, 3380), (4050, 7500))


def test_an_overloaded_recording_is_flat_at_full_scale() -> None:
    tone = 100 * np.sin(np.arange(RATE_HZ) / 10)
    clipped = augment.overloaded(tone, 6.0206)  # twice the size of full scale
    assert clipped.max() == 32767 and clipped.min() == -32768
    # Of a sine, |sin| > 1/2 in two thirds of the time.
    assert np.mean(np.abs(clipped) >= 32767) == pytest.approx(2 / 3, abs=0.01)
    np.testing.assert_array_equal(augment.overloaded(np.zeros(9), 6), np.zeros(9))


@pytest.mark.parametrize("level_dbfs", [-90.0, -20.0])
def test_coloured_noise_has_the_given_level_and_a_falling_spectrum(level_dbfs: float) -> None:
    slopes = []
    for seed in range(30):
        drawn = augment.coloured_noise(RATE_HZ, np.random.default_rng(seed))
        noise = augment.at_level(drawn, level_dbfs)
        rms = 32768 * 10 ** (level_dbfs / 20)
        assert np.sqrt((noise**2).mean()) == pytest.approx(rms, rel=1e-9)
        power = np.abs(np.fft.rfft(noise)) ** 2
        octaves = 10 * np.log10([power[2**k : 2 ** (k + 1)].mean() for k in range(5, 12)])
        slopes.append(np.polyfit(range(7), octaves, 1)[0])
    assert -7 < min(slopes) < -4 and -2 < max(slopes) < 1
    np.testing.assert_array_equal(augment.at_level(np.zeros(9), level_dbfs), np.zeros(9))


def test_a_share_of_the_windows_has_no_speech() -> None:
    recipe = dataclasses.replace(PLAIN, none_share=0.25)
    contract = CONTRACT.replace(labels=("a", "b", "none"))
    training = TrainingSet(TrainingWindows(contract, recipe, NOISE), [recording(3)] * 4)
    shares, heard = [], []
    for seed in range(50):
        windows, is_none = training.windows([0, 1, 2, 3] * 2, np.random.default_rng(seed))
        again, _ = training.windows([0, 1, 2, 3] * 2, np.random.default_rng(seed))
        np.testing.assert_array_equal(windows, again)
        shares.append(is_none.mean())
        heard += list(windows[is_none])
    assert np.mean(shares) == pytest.approx(0.25, abs=0.07)  # 400 windows: 3.3 deviations
    silent = [np.ptp(window, axis=0).max() == 0 for window in heard]
    assert 0.02 < np.mean(silent) < 0.25  # a tenth is digital silence
    assert len({window.tobytes() for window in heard}) > 0.7 * len(heard)


def test_without_a_folder_of_noise_coloured_noise_is_used() -> None:
    recipe = dataclasses.replace(PLAIN, none_share=0.5)
    contract = CONTRACT.replace(labels=("a", "b", "none"), level="clip")
    windows = TrainingWindows(contract, recipe)
    drawn = [windows.none_window(np.random.default_rng(seed)) for seed in range(20)]
    assert np.isfinite(drawn).all()
    assert len({window.tobytes() for window in drawn}) > 10


def test_a_word_is_repeated_with_pauses() -> None:
    said = augment.repeated(np.array([1, 2, 3], np.int16), 11, 2)
    assert said.tolist() == [1, 2, 3, 0, 0, 1, 2, 3, 0, 0, 1]


@pytest.mark.parametrize("seconds", [0.2, 2.0, 5.0])
def test_a_short_window_holds_a_word_in_silence_or_repeated(seconds: float) -> None:
    recipe = dataclasses.replace(PLAIN, short_share=1.0)
    windows = TrainingWindows(CONTRACT, recipe)
    speech, rng = recording(seconds), np.random.default_rng(0)
    shares = []
    for _ in range(40):
        cut = windows._word(speech.samples, CONTRACT.window_samples, rng)
        assert len(cut) == CONTRACT.window_samples
        shares.append(np.count_nonzero(cut) / len(cut))
    one_word = min(seconds, 1.5) / CONTRACT.window_s
    assert min(shares) <= one_word * 1.01
    assert max(shares) > min(shares) * 1.3


def test_the_fast_front_end_computes_the_runtimes_features() -> None:
    speech = recording(3).samples
    for features in ("mfcc", "mel", "spectrogram"):
        for level in ("none", "running", "window"):
            contract = Contract(
                labels=("a", "b"), mean=(0.0,), std=(1.0,), features=features, level=level
            )
            exact, fast = (
                feature_rows(kind(contract), speech) for kind in (FrontEnd, FastFrontEnd)
            )
            np.testing.assert_allclose(fast, exact, atol=2e-3)


PLAIN = Recipe(gain_db=0, time_mask_frames=0, mfcc_mask=0)
"""A recipe that changes nothing except the position of a window."""


def window(recipe: Recipe, seconds: float, seed: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    noise = NOISE if recipe.noise_share else None
    return TrainingWindows(CONTRACT, recipe, noise).training_window(recording(seconds), rng)


@pytest.mark.parametrize(
    "change",
    [
        {"speed": 0.1},
        {"reverb_s": 0.3},
        {"equaliser_db": 6.0},
        {"noise_snr_db": 10.0},
        {"short_share": 1.0},
        {"room_share": 1.0},
        {"noise_share": 1.0},
        {"clip_share": 1.0},
    ],
)
def test_each_window_gets_new_random_changes_that_depend_on_the_seed(
    change: dict[str, float],
) -> None:
    recipe = dataclasses.replace(PLAIN, **change)
    # Exactly as long as a window, so that only the change differs.
    plain = window(PLAIN, CONTRACT.window_s, 1)
    one, again, other = (window(recipe, CONTRACT.window_s, seed) for seed in (1, 1, 2))
    assert one.shape == plain.shape
    np.testing.assert_array_equal(one, again)
    for unlike in (plain, other):
        assert np.abs(one - unlike).mean() > 0.01


def test_a_mask_longer_than_the_window_covers_the_window_only() -> None:
    rng = np.random.default_rng(0)
    masked = []
    for _ in range(50):
        rows = np.ones((4, 3), np.float32)
        mask(rows, 100, rng)
        masked.append(int((rows == 0).all(axis=1).sum()))
    assert set(masked) <= set(range(5)) and max(masked) == 4


def test_features_of_silence_stay_finite_after_every_change() -> None:
    silence = Recording(Utterance(Path("s.wav"), "a", "1"), np.zeros(RATE_HZ, np.int16))
    recipe = Recipe(speed=0.1, reverb_s=0.3, equaliser_db=6, noise_snr_db=10)
    features = TrainingWindows(CONTRACT, recipe).training_window(silence, np.random.default_rng(0))
    assert np.isfinite(features).all()


def test_noise_fills_the_silence_around_a_short_recording() -> None:
    noisy = dataclasses.replace(PLAIN, noise_snr_db=10)
    # Frames of digital silence are all equal.
    assert len(np.unique(window(PLAIN, 0.5, 1)[:, 20])) < 60
    assert len(np.unique(window(noisy, 0.5, 1)[:, 20])) > 150
