"""The front end against python_speech_features, and streamed against batch."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from numpy.typing import NDArray
from scipy.fft import dct
from support import quickly

from sernet_edge.runtime import frontend
from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.contract import Contract, Features, Level
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.frontend import (
    LOG_STEPS,
    FeatureStream,
    FrontEnd,
    feature_rows,
    mel_filter_bank,
)
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.frontend_check import check_front_end, reference_features
from sernet_edge.train.new_contract import new_contract, with_statistics
from sernet_edge.train.recordings import Recording, read_recordings

CONTRACT = Contract(labels=("a", "b"), mean=(0.0,), std=(1.0,), level="none")
FRONT_END = FrontEnd(CONTRACT)
RATE = CONTRACT.sample_rate_hz
FEATURES: tuple[Features, ...] = get_args(Features)

Samples = NDArray[np.int16]


def synthetic_signals() -> dict[str, Samples]:
    rng = np.random.default_rng(1)
    time = np.arange(2 * RATE)
    impulses = np.zeros(2 * RATE, np.int16)
    impulses[::3000] = 32767
    return {
        "silence": np.zeros(2 * RATE, np.int16),
        "white noise": rng.integers(-32768, 32768, 2 * RATE).astype(np.int16),
        "quiet noise": rng.integers(-2, 3, 2 * RATE).astype(np.int16),
        "full-scale square wave": np.where(time % 80 < 40, 32767, -32768).astype(np.int16),
        "all at the lowest value": np.full(2 * RATE, -32768, np.int16),
        "impulses": impulses,
        "one sample in silence": (impulses * (time == 3000)).astype(np.int16),
    }


def other_features(features: Features, level: Level = "none") -> Contract:
    return new_contract(("a", "b"), level, CONTRACT.window_frames, features)


def log_and_dct(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    floored = np.log(np.maximum(energies, CONTRACT.energy_floor))
    return dct(floored, type=2, axis=1, norm="ortho")[:, : CONTRACT.mfcc_count]


@pytest.mark.parametrize("name", synthetic_signals())
def test_synthetic_signals_give_the_librarys_energies_floored_then_log_and_dct(name: str) -> None:
    samples = synthetic_signals()[name]
    _, energies = reference_features(samples, CONTRACT)
    np.testing.assert_allclose(feature_rows(FRONT_END, samples), log_and_dct(energies), atol=1e-9)


@pytest.mark.parametrize("features", ["mel", "spectrogram"])
@pytest.mark.parametrize("name", synthetic_signals())
def test_logarithms_of_the_librarys_energies_are_features_to_the_nearest_step(
    name: str, features: Features
) -> None:
    contract = other_features(features)
    samples = synthetic_signals()[name]
    _, energies = reference_features(samples, contract)
    rows = feature_rows(FrontEnd(contract), samples)
    assert np.array_equal(rows * LOG_STEPS, np.rint(rows * LOG_STEPS))
    floored = np.log(np.maximum(energies, contract.energy_floor))
    np.testing.assert_allclose(rows, floored, atol=0.5001 / LOG_STEPS)


@pytest.mark.parametrize("features", ["mel", "spectrogram"])
def test_speech_gives_the_librarys_logarithms(features: Features, emodb: Path) -> None:
    contract = other_features(features)
    recordings = read_recordings(CORPORA["emodb"].read(emodb)[::50], contract)
    largest = check_front_end(recordings, contract)
    assert 0.4 / LOG_STEPS < largest < 0.5001 / LOG_STEPS


def test_a_tone_appears_in_its_own_bin_of_the_spectrogram() -> None:
    contract = other_features("spectrogram")
    time = np.arange(4096) / RATE
    # 80 Hz is between bins 5 and 6 of 15.625 Hz each; 4000 Hz is bin 256.
    assert contract.spectrum_bins == range(6, 257)
    for index, hz in ((0, 93.75), (10, 250.0), (250, 4000.0)):
        tone = (8000 * np.cos(2 * np.pi * hz * time)).astype(np.int16)
        rows = feature_rows(FrontEnd(contract), tone)
        assert set(rows.argmax(axis=1)) == {index}
        # A tone at a bin's centre has the power (amplitude * sum of the window / 2)^2 / size.
        np.testing.assert_allclose(rows[:, index], np.log((8000 * 256) ** 2 / 1024), atol=1e-3)


@pytest.mark.parametrize("step", quickly([16, 1], 1))
def test_speech_gives_the_librarys_mfccs(step: int, emodb: Path) -> None:
    paths = sorted((emodb / "wav").iterdir())[::step]
    assert len(paths) == -(-535 // step)
    largest, compared = 0.0, 0
    for path in paths:
        samples = read_recording(path, RATE)
        mfcc, energies = reference_features(samples, CONTRACT)
        ours = feature_rows(FRONT_END, samples)
        np.testing.assert_allclose(ours, log_and_dct(energies), atol=1e-9)
        heard = energies.min(axis=1) >= CONTRACT.energy_floor
        compared += int(heard.sum())
        largest = max(largest, float(np.abs(ours - mfcc)[heard].max()))
    print(f"largest difference {largest:.2e} over {compared} frames")
    assert compared > 50_000 / step
    # The requirement is 1e-3. Both sides compute in float64, so the difference is far smaller.
    assert largest < 1e-9


@pytest.mark.parametrize("scale", ["int16", "unit"])
def test_other_contracts_match_the_library_too(scale: str) -> None:
    samples = synthetic_signals()["white noise"]
    contract = CONTRACT.replace(
        sample_scale=scale,
        energy_floor=1e-12,
        frame_length_samples=400,
        frame_step_samples=160,
        fft_size=512,
        mel_bands=26,
        mfcc_count=13,
        mean=(0.0,),
        std=(1.0,),
        mel_low_hz=0.0,
        mel_high_hz=8000.0,
    )
    mfcc, _ = reference_features(samples, contract)
    np.testing.assert_allclose(feature_rows(FrontEnd(contract), samples), mfcc, atol=1e-9)


def test_the_check_before_training_catches_a_front_end_that_differs(
    emodb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = read_recordings(CORPORA["emodb"].read(emodb)[:2], CONTRACT)
    assert check_front_end(recordings, CONTRACT) < 1e-9
    correct = frontend.dct_matrix(CONTRACT)
    monkeypatch.setattr(frontend, "dct_matrix", lambda _: correct * 1.0001)
    with pytest.raises(SernetError, match="differs from python_speech_features"):
        check_front_end(recordings, CONTRACT)


def chunks(samples: Samples, sizes: list[int]) -> list[Samples]:
    pieces, start = [], 0
    for size in itertools.cycle(sizes):
        if start >= len(samples):
            return pieces
        pieces.append(samples[start : start + size])
        start += size
    raise AssertionError


@settings(max_examples=60, deadline=None)
@given(
    sizes=strategies.lists(
        strategies.one_of(strategies.integers(1, 600), strategies.integers(1000, 60_000)),
        min_size=1,
        max_size=30,
    ),
    level=strategies.sampled_from(["none", "running", "window"]),
    features=strategies.sampled_from(FEATURES),
    seed=strategies.integers(0, 1000),
)
def test_chunks_of_any_size_give_the_same_bits(
    sizes: list[int], level: Level, features: Features, seed: int
) -> None:
    if max(sizes) < 50:
        sizes = [*sizes, 1000]
    rng = np.random.default_rng(seed)
    samples = (rng.normal(0, 3000, 4 * RATE) * rng.random(4 * RATE)).astype(np.int16)
    front_end = FrontEnd(other_features(features, level))
    batch = feature_rows(front_end, samples)
    stream = FeatureStream(front_end)
    streamed = np.concatenate([stream.push(piece) for piece in chunks(samples, sizes)])
    assert streamed.tobytes() == batch.tobytes()
    # A listener's window of rows that it has stored one by one.
    window = front_end.window_features(np.stack(list(streamed[7:191])))
    assert window.tobytes() == front_end.window_features(batch[7:191]).tobytes()


def test_one_sample_at_a_time_gives_the_same_bits() -> None:
    samples = synthetic_signals()["white noise"][:3000]
    stream = FeatureStream(FRONT_END)
    streamed = np.concatenate([stream.push(samples[i : i + 1]) for i in range(len(samples))])
    assert streamed.tobytes() == feature_rows(FRONT_END, samples).tobytes()


@settings(max_examples=60, deadline=None)
@given(
    values=strategies.lists(strategies.integers(-32768, 32767), min_size=1, max_size=40),
    level=strategies.sampled_from(["none", "running", "window", "clip"]),
    scale=strategies.sampled_from(["int16", "unit"]),
    features=strategies.sampled_from(FEATURES),
)
def test_features_are_finite_and_clipped_for_any_int16_input(
    values: list[int], level: Level, scale: str, features: Features
) -> None:
    contract = other_features(features, level).replace(sample_scale=scale, energy_floor=1e-9)
    samples = np.resize(np.array(values, np.int16), 4096)
    front_end = FrontEnd(contract)
    features = front_end.window_features(feature_rows(front_end, samples))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.abs(features).max() <= contract.clip


@pytest.mark.parametrize("features", FEATURES)
def test_digital_silence_gives_zeros_at_int16_scale(features: Features) -> None:
    assert not feature_rows(FrontEnd(other_features(features)), np.zeros(RATE, np.int16)).any()


def test_audio_shorter_than_a_frame_gives_no_row() -> None:
    assert feature_rows(FRONT_END, np.zeros(1023, np.int16)).shape == (0, 40)
    assert feature_rows(FRONT_END, np.zeros(1024, np.int16)).shape == (1, 40)


@pytest.mark.parametrize("level", ["window", "running"])
@pytest.mark.parametrize("features", FEATURES)
def test_a_gain_does_not_change_features_without_their_level(
    features: Features, level: Level, emodb: Path
) -> None:
    samples = read_recording(emodb / "wav" / "03a01Wa.wav", RATE) // 4
    contract = other_features(features, level).replace(energy_floor=1e-9)
    front_end = FrontEnd(contract)
    loud = front_end.window_features(feature_rows(front_end, samples * 4))
    quiet = front_end.window_features(feature_rows(front_end, samples))
    # ln 16 is not a multiple of the other features' steps.
    np.testing.assert_allclose(loud, quiet, atol=1e-4 if features == "mfcc" else 1.5 / LOG_STEPS)


@pytest.mark.parametrize("level", ["window", "running"])
def test_the_level_of_mel_energies_is_that_of_their_mfccs(level: Level) -> None:
    samples = synthetic_signals()["white noise"]
    mfcc, mel = (
        front_end.window_features(feature_rows(front_end, samples))
        for features in FEATURES[:2]
        for front_end in [FrontEnd(other_features(features, level).replace(clip=1000.0))]
    )
    cepstra = dct(mel.astype(float), type=2, axis=1, norm="ortho")[:, : CONTRACT.mfcc_count]
    np.testing.assert_allclose(mfcc, cepstra, atol=4 / LOG_STEPS)


@pytest.mark.parametrize("level", ["none", "running", "window"])
@pytest.mark.parametrize("features", FEATURES)
def test_statistics_leave_features_with_mean_0_and_deviation_1(
    features: Features, level: Level
) -> None:
    rng = np.random.default_rng(3)
    samples = (rng.normal(0, 1000, 184 * 256 + 768) * rng.random(184 * 256 + 768)).astype(np.int16)
    recording = Recording(Utterance(Path("a.wav"), "a", "1"), samples)
    contract = with_statistics(other_features(features, level).replace(clip=1000.0), [recording])
    assert len(contract.mean) == contract.feature_count
    front_end = FrontEnd(contract)
    window = front_end.window_features(feature_rows(front_end, samples))
    np.testing.assert_allclose(window.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(window.std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize("features", FEATURES)
def test_the_running_level_depends_only_on_the_past(features: Features) -> None:
    front_end = FrontEnd(other_features(features, "running"))
    samples = synthetic_signals()["white noise"]
    whole = feature_rows(front_end, samples)
    start = feature_rows(front_end, samples[:RATE])
    assert start.tobytes() == whole[: len(start)].tobytes()


def test_a_stream_refuses_a_level_that_needs_the_whole_recording() -> None:
    with pytest.raises(SernetError, match="whole recording"):
        FeatureStream(FrontEnd(CONTRACT.replace(level="clip")))


def test_more_bands_than_fft_bins_are_refused() -> None:
    with pytest.raises(SernetError, match=r"mel bands \[\d+.*fewer mel bands"):
        mel_filter_bank(CONTRACT.replace(mel_bands=128))
