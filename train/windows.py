"""Cuts recordings into windows: unchanged for tests, randomly changed for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sernet_edge.runtime.audio.sources import to_int16
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError, SettingError
from sernet_edge.runtime.frontend import (
    Float32,
    FrontEnd,
    feature_rows,
    recording_windows,
    scale_to_clip,
)
from sernet_edge.train import augment
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.fast_features import FastFrontEnd
from sernet_edge.train.noise import Noise, excerpt
from sernet_edge.train.recipe import Recipe, TestSegments, check_noise
from sernet_edge.train.recordings import Recording

# For `Recipe.short_share`: the length of a word, and of the pause before its repetition, in s.
_WORD_S = (0.4, 1.5)
_PAUSE_S = (0.1, 1.0)
_TRIES = 3

# For `Recipe.none_share`: the shares of clips and of coloured noise (the rest is digital silence),
# and the level of each in dB relative to full scale. -90 is one bit of dither. Some clips are cut
# to a moment, like a knock or a cough.
_CLIPS, _COLOURED = 0.7, 0.2
_BURSTS = 0.2
_NONE_DBFS = (-70.0, -10.0)
_COLOURED_DBFS = (-95.0, -15.0)

# For `Recipe.noise_share` and `Recipe.clip_share`.
_SNR_DB = (3.0, 30.0)
_OVERLOAD_DB = (3.0, 20.0)


class Windows:
    """Cuts recordings into windows for tests.

    Attributes:
        contract: The model's contract.
    """

    def __init__(self, contract: Contract, test_segments: TestSegments = "listen") -> None:
        """Prepare the front end of `contract`.

        Args:
            contract: The model's contract.
            test_segments: The windows of a recording to score; see `Recipe.test_segments`.
        """
        self.contract = contract
        self._test_segments = test_segments
        self._segment_samples = contract.window_samples
        # The level "clip" is computed from whole recordings, before windows are cut.
        self._whole_clip = contract.level == "clip"
        self._front_end = FrontEnd(contract.replace(level="none") if self._whole_clip else contract)

    def test_windows(self, recording: Recording) -> Float32:
        """Return the windows to score, float32 (windows, window_frames, features).

        See `Recipe.test_segments`. With "listen" there is one window each hop; a recording that
        is shorter than a window is padded with digital silence.
        """
        if self._test_segments == "middle":
            middle = self._cut_segment(recording, self.contract.window_samples)
            return self._features(middle)[None]
        return recording_windows(self._front_end, self._samples(recording))

    def _features(self, samples: NDArray[np.int16]) -> Float32:
        """Return a window's features, float32 (window_frames, features), from its samples."""
        return self._front_end.window_features(feature_rows(self._front_end, samples))

    def _samples(self, recording: Recording) -> NDArray[np.int16]:
        return scale_to_clip(recording.samples) if self._whole_clip else recording.samples

    def _cut_segment(
        self, recording: Recording, count: int, segment: int = 0, segments: int = 1
    ) -> NDArray[np.int16]:
        """Return `count` samples of one of the segments side by side around the middle.

        As many samples are left before the segments as after them. A shorter recording is padded
        with silence.
        """
        samples = self._samples(recording)
        spare = len(samples) - count
        if spare < 0:
            return self._in_silence(samples, count, -spare // 2)
        # If the speed changes, `count` is not a segment's length, but the middle is the same.
        length = self._segment_samples
        start = (spare - (segments - 1) * length) // 2 + segment * length
        start = min(max(start, 0), spare)
        return samples[start : start + count]

    def _in_silence(self, samples: NDArray[np.int16], count: int, before: int) -> NDArray[np.int16]:
        """Return `count` samples: `before` of digital silence, the recording, silence again."""
        if self.contract.level == "running":
            before = 0  # the running level starts with the speech, as in a file
        return np.pad(samples, (before, count - len(samples) - before))


class TrainingWindows(Windows):
    """Cuts recordings into windows as a recipe says, for training and tests.

    Attributes:
        recipe: How to cut and change the training windows.
        training_contract: The model's contract with the length of a training window.
        noise: The noise for `Recipe.noise_share`.
        are_fixed: Whether a window is the same in every epoch, except for masks.
    """

    def __init__(self, contract: Contract, recipe: Recipe, noise: Noise | None = None) -> None:
        """Prepare the front end of `contract` and the augmentation of `recipe`.

        Raises:
            SettingError: See `check_noise` and `rooms`; or `Recipe.training_frames` is not a valid
                window length of the network.
        """
        super().__init__(contract, recipe.test_segments)
        self.training_contract = _training_contract(contract, recipe)
        self._segment_samples = self.training_contract.window_samples
        self.recipe, self.noise = recipe, noise
        self.are_fixed = recipe.has_fixed_features
        check_noise(recipe, noise is not None)
        self._rooms = None
        if recipe.room_share:
            from sernet_edge.train.rooms import rooms

            self._rooms = rooms(contract.sample_rate_hz)
        # Windows that are changed at random don't need the exact front end.
        self._training_front_end = (
            FastFrontEnd(self._front_end.contract) if recipe.is_robust else self._front_end
        )

    def segments(self, recording: Recording) -> int:
        """Return the number of a recording's windows in an epoch; see `Recipe.segments`."""
        if self.recipe.segments != "all":
            return 1
        return max(1, len(recording.samples) // self._segment_samples)

    def training_window(
        self, recording: Recording, rng: np.random.Generator, segment: int = 0
    ) -> Float32:
        """Return one training window, float32 (frames, features), without masks.

        Its length is the training contract's.

        Args:
            recording: The recording; see `Recipe.segments`.
            rng: Source of the window's random changes.
            segment: Index of one of the recording's `segments`.
        """
        recipe, samples = self.recipe, self.training_contract.window_samples
        factor = 1 + rng.uniform(-recipe.speed, recipe.speed) if recipe.speed else 1.0
        count = round(samples * factor)
        if recipe.speed:
            count = scipy.fft.next_fast_len(count, real=True)
        if self._drawn(recipe.short_share, rng):
            cut = self._word(self._samples(recording), count, rng)
        elif recipe.segments == "random":
            cut = self._cut_anywhere(recording, count, rng)
        else:
            cut = self._cut_segment(recording, count, segment, self.segments(recording))
        changed = cut.astype(np.float64)
        if recipe.speed:
            changed = augment.faster(changed, samples)
        return self._heard(changed, rng, is_speech=True)

    def none_window(self, rng: np.random.Generator) -> Float32:
        """Return one window without speech, float32 (frames, features).

        It comes from the training clips of `noise`, from coloured noise or from digital silence,
        with the same rooms, microphones and lines as speech. See `Recipe.none_share`.

        Args:
            rng: Source of the window's random changes.
        """
        count, kind = self.training_contract.window_samples, rng.random()
        clips = self.noise.training if self.noise is not None else ()
        sound = np.zeros(count)
        if kind < _CLIPS and clips:
            clip = excerpt(clips, count, rng)
            if rng.random() < _BURSTS:
                clip = self._word(clip, count, rng)
            sound = augment.at_level(clip.astype(np.float64), rng.uniform(*_NONE_DBFS))
        elif kind < _CLIPS + _COLOURED:
            level_dbfs = rng.uniform(*_COLOURED_DBFS)
            sound = augment.at_level(augment.coloured_noise(count, rng), level_dbfs)
        if self._whole_clip:
            sound = scale_to_clip(to_int16(sound)).astype(np.float64)
        return self._heard(sound, rng, is_speech=False)

    def _heard(
        self, samples: augment.Samples, rng: np.random.Generator, is_speech: bool
    ) -> Float32:
        """Return the features of a window's sound after rooms, noise, lines and gain.

        Args:
            samples: float64 (window_samples,).
            rng: Source of the random changes.
            is_speech: Whether to add noise, at a level relative to the speech.
        """
        recipe, rate_hz, changed = self.recipe, self.contract.sample_rate_hz, samples
        if recipe.reverb_s:
            changed = augment.reverberant(changed, rate_hz, rng.uniform(0, recipe.reverb_s), rng)
        if self._rooms is not None and self._drawn(recipe.room_share, rng):
            changed = self._rooms.heard(changed, rng)
        if is_speech and self.noise is not None and self._drawn(recipe.noise_share, rng):
            noise = excerpt(self.noise.training, len(changed), rng)
            changed = augment.with_noise(changed, noise, rate_hz, rng.uniform(*_SNR_DB))
        if recipe.equaliser_db:
            changed = augment.equalised(changed, rate_hz, recipe.equaliser_db, rng)
        if is_speech and recipe.noise_snr_db:
            changed = augment.noisy(changed, recipe.noise_snr_db, rng)
        if self._drawn(recipe.telephone_share, rng):
            changed = augment.telephone(changed, rate_hz)
        if is_speech and self._drawn(recipe.clip_share, rng):
            changed = augment.overloaded(changed, rng.uniform(*_OVERLOAD_DB))
        if recipe.gain_db or recipe.quiet_db:
            lowest_db = -recipe.gain_db - recipe.quiet_db
            changed = changed * 10 ** (rng.uniform(lowest_db, recipe.gain_db) / 20)
        front_end = self._training_front_end
        return front_end.window_features(feature_rows(front_end, to_int16(changed)))

    @staticmethod
    def _drawn(share: float, rng: np.random.Generator) -> bool:
        """Return true with probability `share`; a share of 0 draws no random number."""
        return bool(share) and rng.random() < share

    def _word(
        self, samples: NDArray[np.int16], count: int, rng: np.random.Generator
    ) -> NDArray[np.int16]:
        """Return `count` samples with a word's length of a sound; see `Recipe.short_share`.

        It takes the loudest of some random parts, so that it is hardly ever a pause.
        """
        rate_hz = self.contract.sample_rate_hz
        length = min(len(samples), int(rng.uniform(*_WORD_S) * rate_hz), count)
        starts = rng.integers(len(samples) - length + 1, size=_TRIES).tolist()
        parts = [samples[start : start + length] for start in starts]
        word = max(parts, key=lambda part: float(np.square(part, dtype=np.float64).sum()))
        if rng.random() < 0.5:
            return augment.repeated(word, count, int(rng.uniform(*_PAUSE_S) * rate_hz))
        return self._in_silence(word, count, int(rng.integers(count - length + 1)))

    def _cut_anywhere(
        self, recording: Recording, count: int, rng: np.random.Generator
    ) -> NDArray[np.int16]:
        """Return `count` samples from a random place; a shorter recording is put in silence."""
        samples = self._samples(recording)
        spare = len(samples) - count
        start = int(rng.integers(abs(spare) + 1))
        if spare < 0:
            return self._in_silence(samples, count, start)
        return samples[start : start + count]


def _training_contract(contract: Contract, recipe: Recipe) -> Contract:
    """Return `contract` with the length of a training window; see `Recipe.training_frames`.

    Raises:
        SettingError: The length is not valid for the network.
    """
    if recipe.training_frames in (0, contract.window_frames):
        return contract
    if not contract.stride_frames:
        raise SettingError(
            "set",
            f"training_frames={recipe.training_frames}: what this architecture computes depends "
            f"on the ends of its window, so it trains on the {contract.window_frames} frames that "
            "it is tested on",
        )
    try:
        return contract.replace(window_frames=recipe.training_frames)
    except ContractError as error:
        raise SettingError("set", f"training_frames: {error.message}; {error.hint}") from error


class TrainingSet:
    """The windows of an epoch, by number: one or more of each recording."""

    def __init__(self, windows: TrainingWindows, recordings: Sequence[Recording]) -> None:
        """Prepare the windows of `recordings`, which `windows` cuts."""
        self._windows = windows
        self._segments = [
            (recording, segment)
            for recording in recordings
            for segment in range(windows.segments(recording))
        ]
        self._kept: dict[int, Float32] = {}

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._segments)

    def windows(
        self, indices: Sequence[int], rng: np.random.Generator
    ) -> tuple[Float32, NDArray[np.bool_]]:
        """Return a batch of augmented windows.

        Args:
            indices: The windows wanted. Some are replaced by windows without speech; see
                `Recipe.none_share`.
            rng: Source of the random changes.

        Returns:
            float32 (windows, frames, features), and bool (windows,), true for windows without
            speech.
        """
        share = self._windows.recipe.none_share
        is_none = rng.random(len(indices)) < share if share else np.zeros(len(indices), bool)
        made = [
            self._masked(self._windows.none_window(rng), rng) if none else self.window(index, rng)
            for index, none in zip(indices, is_none.tolist(), strict=True)
        ]
        return np.stack(made), is_none

    @property
    def utterances(self) -> list[Utterance]:
        """The utterance of each window."""
        return [recording.utterance for recording, _ in self._segments]

    def window(self, index: int, rng: np.random.Generator) -> Float32:
        """Return one augmented window, float32 (frames, features)."""
        window = self._kept.get(index)
        if window is None:
            recording, segment = self._segments[index]
            window = self._windows.training_window(recording, rng, segment)
            if self._windows.are_fixed:
                self._kept[index] = window
        return self._masked(window, rng)

    def _masked(self, window: Float32, rng: np.random.Generator) -> Float32:
        """Return a copy of a window with random runs of frames and of coefficients masked."""
        recipe, masked = self._windows.recipe, window.copy()
        if recipe.time_mask_frames:
            augment.mask(masked, recipe.time_mask_frames, rng)
        if recipe.mfcc_mask:
            augment.mask(masked.T, recipe.mfcc_mask, rng)
        return masked


def mean_by_recording(scores: NDArray[Any], cut: Sequence[Float32]) -> NDArray[Any]:
    """Return the mean scores of recordings (recordings, labels) from scores (windows, labels).

    Args:
        scores: Scores of all windows of all recordings, in order.
        cut: Each recording's windows, for their number.
    """
    ends = np.cumsum([len(windows) for windows in cut])[:-1]
    return np.stack([part.mean(axis=0) for part in np.split(scores, ends)])
