"""Folders of noise: reading, the clips for tests, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sernet_edge.runtime.errors import AudioError, SettingError
from sernet_edge.train.noise import Noise, NoiseClip, excerpt, is_test_clip, noise_files

RATE_HZ = 16_000


def written(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples.astype(np.int16), rate_hz)
    return path


def sound(seed: int, count: int = 4000) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, count) | 1  # no sample is 0


def test_every_clip_is_always_either_for_training_or_for_tests(tmp_path: Path) -> None:
    for number in range(60):
        written(tmp_path / f"{number % 3}" / f"{number}.wav", sound(number))
    noise = Noise.read(tmp_path, RATE_HZ)
    names = [clip.name for clip in (*noise.training, *noise.testing)]
    assert len(names) == len(set(names)) == 60
    assert 4 <= len(noise.testing) <= 20  # 12 expected; 3 standard deviations are 9
    assert all(is_test_clip(clip.name) for clip in noise.testing)
    written(tmp_path / "more.wav", sound(99))
    again = Noise.read(tmp_path, RATE_HZ)
    assert {clip.name for clip in noise.testing} <= {clip.name for clip in again.testing}
    assert again.digest != noise.digest or is_test_clip("more.wav")


def test_parts_of_one_recording_stay_together() -> None:
    assert any(is_test_clip(f"rain/1-{number}-A.ogg") for number in range(50))
    for number in range(50):
        together = {is_test_clip(f"rain/1-{number}-{part}.ogg") for part in "ABC"}
        assert len(together) == 1


def test_a_clip_comes_at_the_models_rate_without_the_silence_that_pads_it(tmp_path: Path) -> None:
    samples = sound(1, 8000)
    padded = np.concatenate([np.zeros(500), samples[:5000], np.zeros(50), samples[5000:], [0, 0]])
    for number in range(6):
        written(tmp_path / f"{number}.wav", padded)
    noise = Noise.read(tmp_path, RATE_HZ)
    np.testing.assert_array_equal(noise.training[0].samples, padded[500:-2])
    assert len(Noise.read(tmp_path, 8_000).training[0].samples) == pytest.approx(4025, abs=100)


def test_an_excerpt_begins_anywhere_and_a_short_clip_is_repeated() -> None:
    samples = np.arange(1, 1001, dtype=np.int16)
    rng = np.random.default_rng(0)
    drawn = [excerpt([NoiseClip("a", samples)], 300, rng) for _ in range(200)]
    assert min(one[0] for one in drawn) < 100 and max(one[-1] for one in drawn) > 900
    assert all((np.diff(one) == 1).all() for one in drawn)
    long = excerpt([NoiseClip("a", samples)], 2500, rng)
    np.testing.assert_array_equal(long[1:] - long[:-1] == 1, long[:-1] != 1000)
    assert len(long) == 2500
    assert len(excerpt([NoiseClip("a", samples)], 1000, rng)) == 1000


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no audio file"),
        ({"notes.txt": b"rain"}, "holds no audio file"),
        ({"a.wav": np.zeros(1000), "b/c.wav": np.zeros(10)}, "nothing but silence"),
    ],
)
def test_a_folder_without_sound_is_refused(
    files: dict[str, object], message: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        if isinstance(content, bytes):
            (tmp_path / name).write_bytes(content)
        else:
            written(tmp_path / name, np.asarray(content))
    with pytest.raises(SettingError, match=message):
        Noise.read(tmp_path, RATE_HZ)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="gone is not a folder"):
        noise_files(tmp_path / "gone")


def test_a_damaged_file_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    for number in range(6):
        written(tmp_path / f"{number}.wav", sound(number))
    (tmp_path / "broken.ogg").write_bytes(b"OggS and no more")
    with pytest.raises(AudioError, match="broken.ogg") as caught:
        Noise.read(tmp_path, RATE_HZ)
    assert "--skip-bad" in caught.value.hint
    noise = Noise.read(tmp_path, RATE_HZ, skip_bad=True)
    assert len(noise.training) + len(noise.testing) == 6
    assert len(noise.skipped) == 1 and "broken.ogg" in noise.skipped[0]
