"""Cuts recordings into the windows that a model is trained on, and changes them at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sernet_edge.runtime.audio.sources import to_int16
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import Float32, feature_rows
from sernet_edge.train import augment
from sernet_edge.train.fast_features import FastFrontEnd
from sernet_edge.train.noise import Noise, excerpt
from sernet_edge.train.recipe import Recipe, check_noise
from sernet_edge.train.recordings import Recording
from sernet_edge.train.windows import Windows

# Of `Recipe.short_share`: how long a word is, and the pause after it where it is repeated, in s.
_WORD_S = (0.4, 1.5)
_PAUSE_S = (0.1, 1.0)
_TRIES = 3

# Of `Recipe.noise_share` and `Recipe.clip_share`.
_SNR_DB = (3.0, 30.0)
_OVERLOAD_DB = (3.0, 20.0)


class TrainingWindows(Windows):
    """Cuts recordings into windows as a recipe says, to train on and to test on.

    Attributes:
        recipe: How the windows to train on are cut and changed.
        noise: What `Recipe.noise_share` adds.
    """

    def __init__(self, contract: Contract, recipe: Recipe, noise: Noise | None = None) -> None:
        """Prepare the front end of `contract` and the augmentation of `recipe`.

        Raises:
            SettingError: See `check_noise` and `rooms`.
        """
        super().__init__(contract, recipe.test_segments)
        self.recipe, self.noise = recipe, noise
        check_noise(recipe, noise is not None)
        self._rooms = None
        if recipe.room_share:
            from sernet_edge.train.rooms import rooms

            self._rooms = rooms(contract.sample_rate_hz)
        # What is changed so much needs no more digits.
        self._training_front_end = (
            FastFrontEnd(self._front_end.contract) if recipe.is_robust else self._front_end
        )

    def segments(self, recording: Recording) -> int:
        """Return how many windows of a recording an epoch trains on; see `Recipe.segments`."""
        if self.recipe.segments != "all":
            return 1
        return max(1, len(recording.samples) // self.contract.window_samples)

    def training_window(
        self, recording: Recording, rng: np.random.Generator, segment: int = 0
    ) -> Float32:
        """Return one window to train on, float32 (window_frames, features), not masked yet.

        Args:
            recording: What to cut it from; see `Recipe.segments`.
            rng: Source of the window's random changes.
            segment: Which of the recording's `segments`.
        """
        contract, recipe = self.contract, self.recipe
        rate_hz = contract.sample_rate_hz
        factor = 1 + rng.uniform(-recipe.speed, recipe.speed) if recipe.speed else 1.0
        count = round(contract.window_samples * factor)
        if recipe.speed:
            count = scipy.fft.next_fast_len(count, real=True)
        if self._drawn(recipe.short_share, rng):
            cut = self._cut_word(recording, count, rng)
        elif recipe.segments == "random":
            cut = self._cut_anywhere(recording, count, rng)
        else:
            cut = self._cut_segment(recording, count, segment, self.segments(recording))
        changed = cut.astype(np.float64)
        if recipe.speed:
            changed = augment.faster(changed, contract.window_samples)
        if recipe.reverb_s:
            changed = augment.reverberant(changed, rate_hz, rng.uniform(0, recipe.reverb_s), rng)
        if self._rooms is not None and self._drawn(recipe.room_share, rng):
            changed = self._rooms.heard(changed, rng)
        if self.noise is not None and self._drawn(recipe.noise_share, rng):
            noise = excerpt(self.noise.training, len(changed), rng)
            changed = augment.with_noise(changed, noise, rate_hz, rng.uniform(*_SNR_DB))
        if recipe.equaliser_db:
            changed = augment.equalised(changed, rate_hz, recipe.equaliser_db, rng)
        if recipe.noise_snr_db:
            changed = augment.noisy(changed, recipe.noise_snr_db, rng)
        if self._drawn(recipe.telephone_share, rng):
            changed = augment.telephone(changed, rate_hz)
        if self._drawn(recipe.clip_share, rng):
            changed = augment.overloaded(changed, rng.uniform(*_OVERLOAD_DB))
        if recipe.gain_db:
            changed *= 10 ** (rng.uniform(-recipe.gain_db, recipe.gain_db) / 20)
        front_end = self._training_front_end
        return front_end.window_features(feature_rows(front_end, to_int16(changed)))

    @staticmethod
    def _drawn(share: float, rng: np.random.Generator) -> bool:
        """Return whether a window is among a random share of them; 0 draws no number."""
        return bool(share) and rng.random() < share

    def _cut_word(
        self, recording: Recording, count: int, rng: np.random.Generator
    ) -> NDArray[np.int16]:
        """Return `count` samples with a word's length of the recording; see `Recipe.short_share`.

        It is the loudest of some random parts, so that it is hardly ever a pause.
        """
        samples, rate_hz = self._samples(recording), self.contract.sample_rate_hz
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
        """Return `count` samples from a random place; a shorter recording stands in silence."""
        samples = self._samples(recording)
        spare = len(samples) - count
        start = int(rng.integers(abs(spare) + 1))
        if spare < 0:
            return self._in_silence(samples, count, start)
        return samples[start : start + count]


class TrainingSet:
    """The windows that an epoch goes through, by number: one or several of each recording."""

    def __init__(self, windows: TrainingWindows, recordings: Sequence[Recording]) -> None:
        """Prepare the windows that `windows` cuts out of `recordings`."""
        self._windows = windows
        self._segments = [
            (recording, segment)
            for recording in recordings
            for segment in range(windows.segments(recording))
        ]
        self._kept: dict[int, Float32] = {}

    def __len__(self) -> int:
        """Return how many windows there are."""
        return len(self._segments)

    @property
    def labels(self) -> list[str]:
        """The label of each window."""
        return [recording.utterance.label for recording, _ in self._segments]

    def window(self, index: int, rng: np.random.Generator) -> Float32:
        """Return one augmented window, float32 (window_frames, features).

        Features that are the same in every epoch are computed in the first one alone.
        """
        recipe, window = self._windows.recipe, self._kept.get(index)
        if window is None:
            recording, segment = self._segments[index]
            window = self._windows.training_window(recording, rng, segment)
            if recipe.has_fixed_features:
                self._kept[index] = window
        masked = window.copy()
        if recipe.time_mask_frames:
            augment.mask(masked, recipe.time_mask_frames, rng)
        if recipe.mfcc_mask:
            augment.mask(masked.T, recipe.mfcc_mask, rng)
        return masked
