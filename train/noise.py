"""Sounds of a folder without speech, for training and testing."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.errors import AudioError, SettingError
from sernet_edge.train.progress import QUIET, Progress

Int16 = NDArray[np.int16]

# Endings of audio files.
_AUDIO = frozenset(
    (".wav", ".ogg", ".oga", ".opus", ".flac", ".mp3", ".aif", ".aiff", ".au", ".w64", ".rf64")
)

# One in this number of clips is kept for tests.
_TEST_ONE_IN = 5

# ESC and similar datasets name the parts of a recording by its number and a letter: 1-17150-A.
_PART = re.compile(r"[-_][A-Z]$")


@dataclass(frozen=True)
class NoiseClip:
    """A sound without speech.

    Attributes:
        name: Its path in the folder, with slashes.
        samples: int16 (samples,) at the contract's rate, without digital silence at its ends.
    """

    name: str
    samples: Int16


@dataclass(frozen=True)
class Noise:
    """The sounds of a folder.

    Attributes:
        training: Clips to train with.
        testing: Clips that are never used in training, about one in five. The choice depends only
            on the names, so every run keeps the same clips for tests. Parts of one recording,
            which differ in a last letter (1-17150-A, 1-17150-B), stay together.
        skipped: A line on each file that was left out.
    """

    training: tuple[NoiseClip, ...]
    testing: tuple[NoiseClip, ...]
    skipped: tuple[str, ...] = ()

    @staticmethod
    def read(
        folder: Path, rate_hz: int, skip_bad: bool = False, progress: Progress = QUIET
    ) -> Noise:
        """Read the audio files in `folder` and in the folders below it.

        Args:
            folder: The folder.
            rate_hz: The rate wanted.
            skip_bad: Whether to leave out files that cannot be read.
            progress: Receives a message.

        Raises:
            SettingError: `folder` is not a folder, contains only silence, or has too few clips to
                train with.
            AudioError: A file cannot be read, and `skip_bad` is not set.
        """
        paths = noise_files(folder)
        progress.say(f"reading {len(paths)} files of noise")
        clips, skipped = [], []
        for path in paths:
            try:
                samples = _without_silent_ends(read_recording(path, rate_hz))
            except AudioError as error:
                if not skip_bad:
                    raise AudioError(
                        error.message, f"{error.hint}; or leave it out with --skip-bad".lstrip("; ")
                    ) from error
                skipped.append(error.message)
                continue
            if len(samples):
                clips.append(NoiseClip(path.relative_to(folder).as_posix(), samples))
        for line in skipped:
            progress.say(f"skipped: {line}")
        training = tuple(clip for clip in clips if not is_test_clip(clip.name))
        if not training:
            held = f"{len(clips)} clips, all kept for tests" if clips else "nothing but silence"
            raise SettingError("noise", f"{folder} holds {held}: add clips of noise to it")
        testing = tuple(clip for clip in clips if is_test_clip(clip.name))
        return Noise(training, testing, tuple(skipped))

    @property
    def provenance(self) -> dict[str, Any]:
        """The contract's entry about the noise that a model was trained with."""
        return {
            "clips": len(self.training),
            "clips_for_tests": len(self.testing),
            "skipped": len(self.skipped),
            "digest": self.digest,
        }

    @property
    def digest(self) -> str:
        """16 hex digits that change with the names and the sounds of the training clips."""
        total = hashlib.sha256()
        for clip in self.training:
            total.update(clip.name.encode("utf-8", "surrogateescape") + b"\0")
            total.update(clip.samples.tobytes())
        return total.hexdigest()[:16]


def noise_files(folder: Path) -> list[Path]:
    """Return the audio files in `folder` and below it, sorted by name.

    Raises:
        SettingError: It is not a folder, or contains no audio file.
    """
    if not folder.is_dir():
        raise SettingError("noise", f"{folder} is not a folder")
    found = (
        Path(where, name)
        for where, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in _AUDIO
    )
    paths = sorted(found, key=lambda path: path.relative_to(folder).as_posix())
    if not paths:
        raise SettingError("noise", f"{folder} holds no audio file ({', '.join(sorted(_AUDIO))})")
    return paths


def is_test_clip(name: str) -> bool:
    """Whether a clip is kept for tests; see `Noise.testing`.

    Args:
        name: Its path in the folder, with slashes.
    """
    recording = _PART.sub("", name.rpartition(".")[0])
    digest = hashlib.sha256(recording.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") % _TEST_ONE_IN == 0


def excerpt(clips: Sequence[NoiseClip], count: int, rng: np.random.Generator) -> Int16:
    """Return a random part of a random clip, int16 (count,); a shorter clip is repeated.

    Args:
        clips: One or more clips.
        count: Number of samples.
        rng: Chooses the clip, all with the same probability, and the part.
    """
    samples = clips[int(rng.integers(len(clips)))].samples
    start = int(rng.integers(len(samples) if len(samples) < count else len(samples) - count + 1))
    if len(samples) - start >= count:
        return samples[start : start + count]
    return np.take(samples, np.arange(start, start + count), mode="wrap")


def _without_silent_ends(samples: Int16) -> Int16:
    """Return the samples from the first to the last one that is not 0."""
    heard = np.flatnonzero(samples)
    return samples[heard[0] : heard[-1] + 1].copy() if len(heard) else samples[:0]
