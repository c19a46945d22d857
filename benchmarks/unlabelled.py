"""Adapts a head to a stream without labels: it matches the mean scores to given shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.teach.fit import softmax
from sernet_edge.runtime.teach.head import Head

Floats = NDArray[np.float64]

_MEMORY = 0.95
"""Weight of the old mean in the running mean of scores; a new clip has the rest."""
_RATE = 0.1
"""Share of the difference between the mean's and the given shares' logarithms that each clip
corrects."""
_LEAST_SHARE = 0.01

CLIPS = 200
"""Number of clips in a stream, as in half an hour with an utterance every ten seconds. The second
half is tested."""


def guesses(head: Head, stream: Sequence[Floats], shares: Floats) -> NDArray[np.int64]:
    """Return the label of each clip of a stream, int64 (clips,), while the head adapts.

    Args:
        head: The head at the start.
        stream: The windows of each clip, float64 (windows, features).
        shares: The assumed share of each label in the stream, float64 (labels,).
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
    """Return a speaker's recordings in the order of a stream, int64 (CLIPS,).

    Args:
        truth: Label of each recording, as an index.
        shares: Share of each label in the stream.
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
