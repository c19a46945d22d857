"""Adapts a head to a stream without labels: mean scores are matched to shares stated beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.teach.fit import softmax
from sernet_edge.runtime.teach.head import Head

Floats = NDArray[np.float64]

_MEMORY = 0.95
"""Of the running mean of scores, each clip's share in it is the rest."""
_RATE = 0.1
"""Of the distance between the mean's logarithm and the shares', taken out with each clip."""
_LEAST_SHARE = 0.01

CLIPS = 200
"""In a stream, as many as half an hour with an utterance every ten seconds; the second half is
judged."""


def guesses(head: Head, stream: Sequence[Floats], shares: Floats) -> NDArray[np.int64]:
    """Return the label of each clip of a stream, int64 (clips,), while the head adapts.

    Args:
        head: As it is at the start.
        stream: Of each clip its windows, float64 (windows, features).
        shares: How much of the stream each label is thought to have, float64 (labels,).
    """
    shares = np.maximum(shares, _LEAST_SHARE)
    shares /= shares.sum()
    offset, mean, found = np.zeros(len(shares)), shares.copy(), []
    for windows in stream:
        scores = softmax(head.logits(windows) + offset).mean(axis=0)
        found.append(int(scores.argmax()))
        mean = _MEMORY * mean + (1 - _MEMORY) * scores
        offset += _RATE * np.log(shares / np.maximum(mean, 1e-6))
    return np.array(found)


def stream_of(
    truth: NDArray[np.int64], shares: Floats, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return which of a speaker's recordings follow each other in a stream, int64 (CLIPS,).

    Args:
        truth: Of the recordings, index of the label.
        shares: Of each label in the stream.
        rng: Chooses labels and recordings.
    """
    present = np.unique(truth)
    likely = shares[present] / shares[present].sum()
    labels = rng.choice(present, CLIPS, p=likely)
    return np.array([rng.choice(np.flatnonzero(truth == label)) for label in labels])


def uar_of_the_end(guess: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Return the UAR of a stream's second half."""
    half = len(truth) // 2
    right, later = guess[half:] == truth[half:], truth[half:]
    return float(np.mean([right[later == c].mean() for c in np.unique(later)]))
