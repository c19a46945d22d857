"""Cuts recordings into the windows that a model scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import (
    Float32,
    FrontEnd,
    feature_rows,
    recording_windows,
    scale_to_clip,
)
from sernet_edge.train.recipe import TestSegments
from sernet_edge.train.recordings import Recording


class Windows:
    """Cuts recordings into the windows that a model is tested on.

    Attributes:
        contract: The model's.
    """

    def __init__(self, contract: Contract, test_segments: TestSegments = "listen") -> None:
        """Prepare the front end of `contract`.

        Args:
            contract: The model's.
            test_segments: Which windows of a recording are scored; see `Recipe.test_segments`.
        """
        self.contract = contract
        self._test_segments = test_segments
        self._segment_samples = contract.window_samples
        # The "clip" level belongs to whole recordings; windows of scaled ones have none.
        self._whole_clip = contract.level == "clip"
        self._front_end = FrontEnd(contract.replace(level="none") if self._whole_clip else contract)

    def test_windows(self, recording: Recording) -> Float32:
        """Return the windows to score, float32 (windows, window_frames, features).

        See `Recipe.test_segments`. "listen" gives one window each hop; digital silence follows a
        recording that is shorter than a window.
        """
        if self._test_segments == "middle":
            middle = self._cut_segment(recording, self.contract.window_samples)
            return self._features(middle)[None]
        return recording_windows(self._front_end, self._samples(recording))

    def _features(self, samples: NDArray[np.int16]) -> Float32:
        """Return the window, float32 (window_frames, features), of a window's samples."""
        return self._front_end.window_features(feature_rows(self._front_end, samples))

    def _samples(self, recording: Recording) -> NDArray[np.int16]:
        return scale_to_clip(recording.samples) if self._whole_clip else recording.samples

    def _cut_segment(
        self, recording: Recording, count: int, segment: int = 0, segments: int = 1
    ) -> NDArray[np.int16]:
        """Return `count` samples of one of the segments that lie side by side around the middle.

        As many samples are over before them as after them. A shorter recording stands in silence.
        """
        samples = self._samples(recording)
        spare = len(samples) - count
        if spare < 0:
            return self._in_silence(samples, count, -spare // 2)
        # `count` is not quite a segment where the speed changes: it has the same middle.
        length = self._segment_samples
        start = (spare - (segments - 1) * length) // 2 + segment * length
        start = min(max(start, 0), spare)
        return samples[start : start + count]

    def _in_silence(self, samples: NDArray[np.int16], count: int, before: int) -> NDArray[np.int16]:
        """Return `count` samples: `before` of digital silence, a recording, silence again."""
        if self.contract.level == "running":
            before = 0  # It starts with the speech, as it does in a file.
        return np.pad(samples, (before, count - len(samples) - before))


def mean_by_recording(scores: NDArray[Any], cut: Sequence[Float32]) -> NDArray[Any]:
    """Return the mean scores (recordings, labels) of scores (windows, labels).

    Args:
        scores: Of all windows of all recordings, one after the other.
        cut: Each recording's windows, for their number.
    """
    ends = np.cumsum([len(windows) for windows in cut])[:-1]
    return np.stack([part.mean(axis=0) for part in np.split(scores, ends)])
