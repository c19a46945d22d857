"""Cuts recordings into the windows that a model is trained on, and changes them at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.audio.sources import to_int16
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import Float32
from sernet_edge.train import augment
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import Recording
from sernet_edge.train.windows import Windows


class TrainingWindows(Windows):
    """Cuts recordings into windows as a recipe says, to train on and to test on.

    Attributes:
        recipe: How the windows to train on are cut and changed.
    """

    def __init__(self, contract: Contract, recipe: Recipe) -> None:
        """Prepare the front end of `contract` and the augmentation of `recipe`."""
        super().__init__(contract, recipe.test_segments)
        self.recipe = recipe

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
        if recipe.segments == "random":
            cut = self._cut_anywhere(recording, count, rng)
        else:
            cut = self._cut_segment(recording, count, segment, self.segments(recording))
        changed = cut.astype(np.float64)
        if recipe.speed:
            changed = augment.faster(changed, rate_hz, factor, contract.window_samples)
        if recipe.reverb_s:
            changed = augment.reverberant(changed, rate_hz, rng.uniform(0, recipe.reverb_s), rng)
        if recipe.equaliser_db:
            changed = augment.equalised(changed, rate_hz, recipe.equaliser_db, rng)
        if recipe.noise_snr_db:
            changed = augment.noisy(changed, recipe.noise_snr_db, rng)
        if recipe.gain_db:
            changed *= 10 ** (rng.uniform(-recipe.gain_db, recipe.gain_db) / 20)
        return self._features(to_int16(changed))

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
