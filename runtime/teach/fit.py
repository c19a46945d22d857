"""Fits a head to the windows of labelled clips, and keeps it close to the old head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.frontend import Float64
from sernet_edge.runtime.teach.head import Head

PULL = 0.06
"""Weight of each squared change of a weight, relative to the loss of one clip."""

OFFSET_SHARE = 0.15
"""Share of the offset between a person's logits and usual ones that is corrected."""

# How far the label's logit is above the others in a window that is judged right. With seven labels,
# its score is 0.77.
_USUAL_MARGIN = 3.0

_PARTS = 6
_MOST_STEPS = 300
_STILL = 1e-7


@dataclass(frozen=True)
class TaughtClips:
    """Embeddings of labelled clips.

    Attributes:
        windows: Embeddings of each clip's windows, float64 (windows, features).
        labels: int64 (clips,), indices of the labels.
    """

    windows: tuple[Float64, ...]
    labels: NDArray[np.int64]

    def of(self, chosen: Sequence[int] | NDArray[np.int64]) -> TaughtClips:
        """Return the clips with these numbers."""
        return TaughtClips(tuple(self.windows[i] for i in chosen), self.labels[np.asarray(chosen)])

    @property
    def stacked(self) -> Float64:
        """The windows of all clips in order, float64 (all windows, features)."""
        return np.concatenate(self.windows)

    @property
    def weights(self) -> Float64:
        """Weights of the windows, float64 (all windows,); those of a clip add up to 1."""
        return np.concatenate([np.full(len(part), 1 / len(part)) for part in self.windows])

    def right(self, head: Head) -> int:
        """Return how many clips a head judges right, by the mean scores of their windows."""
        means = [softmax(head.logits(part)).mean(axis=0) for part in self.windows]
        return int((np.argmax(means, axis=1) == self.labels).sum())

    @property
    def window_labels(self) -> NDArray[np.int64]:
        """The label of each window's clip."""
        return np.repeat(self.labels, [len(part) for part in self.windows])


def teach_head(head: Head, clips: TaughtClips) -> Head:
    """Return a head for the person who recorded these clips.

    First the biases move. A person's logits have much the same offset in all emotions, so clips of
    one emotion are enough to measure it. Then the layer is fitted to tell the emotions apart.

    After a full fit, a label without clips would lose to the others. So only a part of the change
    is used: none with clips of one label, all of it with clips of every label. In between, the part
    grows as the square root of the number of labels with clips; it is made larger if the head
    judges fewer clips right than the full change.
    """
    start = Head(head.weights, head.bias - OFFSET_SHARE * logit_offset(head, clips))
    covered = np.sqrt((len(np.unique(clips.labels)) - 1) / (len(head.bias) - 1))
    if not covered:
        return start
    fitted = refit(start, clips)
    enough = clips.right(fitted)
    parts = (_between(start, fitted, part) for part in np.linspace(covered, 1.0, _PARTS))
    return next((part for part in parts if clips.right(part) >= enough), fitted)


def _between(start: Head, end: Head, part: float) -> Head:
    """Return the head a share `part`, 0..1, of the way from `start` to `end`."""
    return Head(
        start.weights + part * (end.weights - start.weights),
        start.bias + part * (end.bias - start.bias),
    )


def logit_offset(head: Head, clips: TaughtClips) -> Float64:
    """Return the offset between the clips' logits and usual ones, float64 (labels,).

    It is averaged over the clips of each label, then over the labels with clips. Its own mean is 0,
    since a number added to all logits changes no score.
    """
    logits = head.logits(clips.stacked)
    offsets = []
    for label in np.unique(clips.labels):
        own = clips.window_labels == label
        found = np.average(logits[own], axis=0, weights=clips.weights[own])
        found[label] -= _USUAL_MARGIN
        offsets.append(found - found.mean())
    offset: Float64 = np.mean(offsets, axis=0)
    return offset


def refit(head: Head, clips: TaughtClips, pull: float = PULL) -> Head:
    """Return a head that fits the clips' labels and stays close to the old head.

    It minimises the clips' summed cross-entropy, plus `pull` times the squared change of all
    weights and biases. Labels without clips keep their weights.

    The change is in the span of the clips' windows, so there is one unknown for each label and
    window. Each step goes to the minimum of a quadratic that is above the loss everywhere
    (Böhning, "Multinomial logistic regression algorithm", 1992): the loss never rises, and no step
    size has to be chosen.
    """
    # The bias is the weight of a feature that is always 1.
    features = np.hstack([clips.stacked, np.ones((len(clips.weights), 1))])
    similarity = features @ features.T
    weights = clips.weights[:, None]
    logits = head.logits(clips.stacked)
    truth = np.eye(len(head.bias))[clips.window_labels]
    taught = np.isin(np.arange(len(head.bias)), clips.labels)
    inverse = np.linalg.inv(0.5 * weights * similarity + 2 * pull * np.eye(len(features)))
    change = np.zeros_like(logits)
    for _ in range(_MOST_STEPS):
        error = (softmax(logits + similarity @ change) - truth) * weights
        step = inverse @ (error + 2 * pull * change) * taught
        change -= step
        if np.abs(step).max() < _STILL:
            break
    moved = change.T @ features
    return Head(head.weights + moved[:, :-1], head.bias + moved[:, -1])


def softmax(logits: Float64) -> Float64:
    """Convert logits (windows, labels) to scores, float64 of the same shape."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
