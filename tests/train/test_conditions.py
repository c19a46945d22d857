"""The conditions of `evaluate`, and the events that it counts in noise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soxr
from support import Run, write_wav

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import Float32
from sernet_edge.train.evaluation.conditions import CONDITIONS, Conditions
from sernet_edge.train.evaluation.false_events import false_events
from sernet_edge.train.noise import NoiseClip

RATE_HZ = 16_000


def speech(seed: int = 0) -> np.ndarray:
    """Noise in bursts, like syllables."""
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    burst = np.random.default_rng(seed).normal(0, 2000, len(time_s)) * (time_s % 0.4 < 0.2)
    return burst.astype(np.int16)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_keeps_the_length_and_always_changes_a_recording_in_the_same_way(
    condition: str,
) -> None:
    conditions, samples = Conditions(RATE_HZ), speech()
    heard = conditions.heard(samples, condition, 3)
    assert heard.dtype == np.int16 and heard.shape == samples.shape
    np.testing.assert_array_equal(heard, Conditions(RATE_HZ).heard(samples, condition, 3))
    assert not np.array_equal(heard, samples)
    is_drawn = condition == "noise"
    other = Conditions(RATE_HZ, seed=2).heard(samples, condition, 3)
    assert np.array_equal(heard, other) is not is_drawn
    assert np.array_equal(heard, conditions.heard(samples, condition, 4)) is not is_drawn


def test_quiet_is_20_db_quieter() -> None:
    samples = speech()
    heard = Conditions(RATE_HZ).heard(samples, "quiet", 0)
    np.testing.assert_allclose(heard, samples / 10, atol=0.5)


def test_noise_is_10_db_below_the_speech_and_comes_from_the_clips() -> None:
    samples = speech()
    hum = (100 * np.sin(np.arange(9000))).astype(np.int16)
    for noise in ((), (NoiseClip("hum", hum),)):
        added = Conditions(RATE_HZ, 1, noise).heard(samples, "noise", 0) - samples.astype(float)
        spoken = samples[samples != 0].astype(float)
        ratio_db = 10 * np.log10((spoken**2).mean() / (added**2).mean())
        assert ratio_db == pytest.approx(10, abs=0.1)
    spectrum = np.abs(np.fft.rfft(added))
    assert spectrum.argmax() / 2 == pytest.approx(RATE_HZ / (2 * np.pi), rel=0.01)


def test_the_room_is_a_small_one() -> None:
    impulse = np.zeros(RATE_HZ, np.int16)
    impulse[100] = 30_000
    heard = Conditions(RATE_HZ).heard(impulse, "room", 0).astype(float)
    assert np.abs(heard[:90]).max() < 300  # there is no sound before the direct sound
    left = np.cumsum(heard[::-1] ** 2)[::-1]
    decay_db = 10 * np.log10(left / left[0] + 1e-12)
    fitted = np.flatnonzero((decay_db < -5) & (decay_db > -25))
    slope = np.polyfit(fitted / RATE_HZ, decay_db[fitted], 1)[0]
    assert 0.25 < -60 / slope < 0.6


def test_the_telephone_has_no_sound_above_4_khz() -> None:
    samples = speech()
    heard = Conditions(RATE_HZ).heard(samples, "telephone", 0).astype(float)
    narrow = soxr.resample(soxr.resample(heard, RATE_HZ, 8000), 8000, RATE_HZ)
    assert ((heard - narrow[: len(heard)]) ** 2).mean() < 1e-3 * (heard**2).mean()


def test_clipping_is_flat_at_full_scale() -> None:
    heard = Conditions(RATE_HZ).heard(speech(), "clipping", 0)
    assert (heard == 32767).sum() > 50 and (heard == -32768).sum() > 50


CONTRACT = Contract(
    labels=("anger", "neutral", "none"), mean=(0.0,), std=(20.0,), level="none", unsure_below=0.5,
    smoothing=0.0, hop_frames=25, window_frames=50,
)  # fmt: skip


class Loudness:
    """Labels a loud window anger and a quiet one none."""

    contract = CONTRACT

    def run(self, features: Float32) -> Float32:
        loud = features[:, 0].mean() > 0
        return np.array([0.9, 0, 0.1] if loud else [0.1, 0, 0.9], np.float32)


def test_events_in_noise_are_counted_by_the_hour() -> None:
    hiss = np.random.default_rng(0).normal(0, 3000, 30 * RATE_HZ).astype(np.int16)
    whisper = (hiss / 30_000).astype(np.int16)
    short = hiss[: RATE_HZ // 2]
    clips = [NoiseClip(str(i), some) for i, some in enumerate((hiss, whisper, short))]
    found = false_events(Loudness(), clips)
    assert found["clips"] == 3
    assert found["hours"] == pytest.approx(60.5 / 3600)
    # The loud clip has one event; the short one has a single window, which is not enough.
    assert (found["events"], found["event_labels"]) == (1, {"anger": 1})
    assert found["events_per_hour"] == pytest.approx(3600 / 60.5)
    window, step = CONTRACT.window_samples, 25 * 256
    each = (30 * RATE_HZ - window) // step + 1
    assert found["labels"] == {"anger": each + 1, "none": each}
    assert found["sure"] == pytest.approx((each + 1) / (2 * each + 1))


def test_evaluate_reports_the_cost_of_conditions_and_the_events_in_noise(
    small_corpus: Path, shipped_model: Path, tmp_path: Path, in_process: Run
) -> None:
    folder = tmp_path / "noise"
    folder.mkdir()
    for number in range(3):
        rng = np.random.default_rng(number)
        write_wav(folder / f"{number}.wav", rng.normal(0, 500, 64_000).astype(np.int16))
    speakers = ("--corpus", "emodb", small_corpus, "--speakers", "03")
    page = tmp_path / "page.html"
    result = in_process(
        "evaluate", shipped_model, *speakers, "--condition", "quiet", "--condition", "telephone",
        "--noise", folder, "--json", "--out", page,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    # The shipped model removes a window's level, so 20 dB cost hardly anything.
    assert abs(report["conditions"]["quiet"]["uar_lost"]) < 0.2
    for found in report["conditions"].values():
        assert found["uar"] + found["uar_lost"] == pytest.approx(report["uar"])
    assert report["noise"]["hours"] == pytest.approx(12 / 3600)
    assert "over a telephone" in page.read_text() and "min of noise" in page.read_text()

    result = in_process("evaluate", shipped_model, "--noise", folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("noise: 0.2 min in 3 clips, no gate: ")
    result = in_process("evaluate", shipped_model, *speakers, "--condition", "all")
    for name, what in CONDITIONS.items():
        assert any(
            line.startswith(name) and line.endswith(what) for line in result.stdout.splitlines()
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--corpus: name a corpus to test on, or a folder with --noise"),
        (["--noise", "gone"], "--noise: gone is not a folder"),
        (["--noise", ".", "--condition", "all"], "--condition: conditions change speech"),
        (["--noise", ".", "--out", "x.html"], "--out: the page is about speech"),
    ],
)
def test_an_evaluation_without_data_is_refused(
    arguments: list[str], message: str, shipped_model: Path, in_process: Run
) -> None:
    result = in_process("evaluate", shipped_model, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
