"""Estimates a taught model's accuracy: each clip is judged by a head taught with the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.frontend import Float64
from sernet_edge.runtime.teach.fit import TaughtClips, softmax, teach_head
from sernet_edge.runtime.teach.head import Head

ENOUGH_CLIPS = 10
"""With this many judged clips the threshold is fitted; with fewer the old one stays."""

SURE_PRECISION = 0.9
"""Share of right results that is required of those above the threshold."""

# More clips than this are left out in this number of groups, and not one by one.
_MOST_GROUPS = 30

# Prior spread of the temperature's logarithm.
_TEMPERATURE_SPREAD = 0.5
_CONTRADICTS = 0.05


@dataclass(frozen=True)
class Estimate:
    """Logits of the clips that could be judged.

    Each clip is judged by a head that was taught with the others. A clip that is the only one of
    its emotion cannot be judged: that head was not taught the emotion.

    Attributes:
        clips: Numbers of the judged clips, int64 (judged,).
        labels: Their labels, int64 (judged,).
        logits: Logits of each clip's windows, float64 (windows, labels), from the taught heads.
        before: The same from the old head.
    """

    clips: NDArray[np.int64]
    labels: NDArray[np.int64]
    logits: tuple[Float64, ...]
    before: tuple[Float64, ...]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the taught heads judge each clip right, bool (judged,)."""
        return _scores(self.logits, 1.0).argmax(axis=1) == self.labels

    @property
    def right_before(self) -> NDArray[np.bool_]:
        """Whether the old head judges each clip right, bool (judged,)."""
        return _scores(self.before, 1.0).argmax(axis=1) == self.labels

    def uar(self, right: NDArray[np.bool_]) -> float:
        """Return the share of right clips of each emotion, averaged over emotions."""
        return float(np.mean([right[self.labels == c].mean() for c in np.unique(self.labels)]))

    def temperature(self) -> float:
        """Return the number to divide logits by, so that scores are probabilities.

        It is the most likely temperature, with a normal prior around 0 for its logarithm: a few
        clips change it only a little.
        """
        if not len(self.labels):
            return 1.0
        candidates = np.geomspace(0.2, 5.0, 161)
        rows = np.arange(len(self.labels))

        def cost(temperature: float) -> float:
            right = _scores(self.logits, temperature)[rows, self.labels]
            prior = np.log(temperature) ** 2 / (2 * _TEMPERATURE_SPREAD**2)
            return float(prior - np.log(np.maximum(right, 1e-12)).sum())

        return float(candidates[np.argmin([cost(t) for t in candidates])])

    def unsure_below(self, temperature: float, before: float) -> float:
        """Return the lowest top score above which nine clips in ten are right.

        If no score keeps a tenth of the clips that way, return one above the scores of all wrong
        clips.

        Args:
            temperature: Number that the logits are divided by.
            before: The old threshold, returned if too few clips were judged.
        """
        if len(self.labels) < ENOUGH_CLIPS:
            return before
        top, right = _scores(self.logits, temperature).max(axis=1), self.right
        if right.mean() >= SURE_PRECISION:
            return 0.0
        for candidate in np.unique(np.ceil(top * 1000) / 1000):
            kept = right[top >= candidate]
            if len(kept) < len(top) / 10:
                break
            if kept.mean() >= SURE_PRECISION:
                return float(min(candidate, 1.0))
        return float(min(1.0, np.floor(top[~right].max() * 1000 + 1) / 1000))

    def contradicting(self) -> list[tuple[int, int]]:
        """Return the clips whose label the other clips contradict, with the label they suggest."""
        scores = _scores(self.logits, 1.0)
        rows = np.arange(len(self.labels))
        against = np.flatnonzero(scores[rows, self.labels] < _CONTRADICTS)
        return [(int(self.clips[i]), int(scores[i].argmax())) for i in against]


def estimate(head: Head, clips: TaughtClips) -> Estimate:
    """Judge each clip with a head that was taught with the others.

    Many clips are left out in groups; each group has a share of the clips of each emotion.
    """
    counts = np.bincount(clips.labels, minlength=len(head.bias))
    order = np.argsort(clips.labels, kind="stable")
    order = order[counts[clips.labels[order]] > 1]
    groups = np.arange(len(order)) % min(max(len(order), 1), _MOST_GROUPS)
    everything = np.arange(len(clips.labels))
    logits: dict[int, Float64] = {}
    for group in np.unique(groups):
        left_out = order[groups == group]
        taught = teach_head(head, clips.of(np.delete(everything, left_out)))
        logits |= {int(number): taught.logits(clips.windows[number]) for number in left_out}
    judged = np.array(sorted(logits), np.int64)
    before = tuple(head.logits(clips.windows[number]) for number in judged)
    return Estimate(judged, clips.labels[judged], tuple(logits[n] for n in judged), before)


def _scores(logits: tuple[Float64, ...], temperature: float) -> Float64:
    """Return scores, averaged over each clip's windows, float64 (clips, labels)."""
    if not logits:
        return np.zeros((0, 1))
    return np.stack([softmax(part / temperature).mean(axis=0) for part in logits])
