"""Figures of models on corpora that they were not trained on.

Corpora have different labels, so their figures are compared on four emotions that nearly all of
them have, where any other answer counts as wrong, and on arousal, which is computed from the
scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.contract import AROUSED, CALM
from sernet_edge.runtime.frontend import Float64
from sernet_edge.train.evaluation import metrics

_HIGH = ("anger", "happiness")
_LOW = ("neutral", "sadness")
FOUR = (*_HIGH, *_LOW)
"""The emotions that are compared across corpora: those of high arousal, then those of low."""

_RESAMPLES = 2000

Ints = NDArray[np.int64]


def arousal(scores: Float64, labels: Sequence[str]) -> Float64:
    """Return `runtime.arousal.arousal` for many utterances, float64 (utterances,).

    Args:
        scores: float64 (utterances, labels).
        labels: Their names.
    """
    high, low = (
        scores[:, [i for i, label in enumerate(labels) if label in some]].sum(axis=1)
        for some in (AROUSED, CALM)
    )
    both = high + low
    return np.where(both > 0, high / np.where(both > 0, both, 1), 0.5)


def by_corpus(
    truth: Ints,
    scores: Float64,
    speakers: NDArray[np.str_],
    corpora: NDArray[np.str_],
    labels: Sequence[str],
) -> dict[str, Any]:
    """Return the figures of each corpus and of each of its speakers, and their means.

    Args:
        truth: int64 (utterances,), index of the label.
        scores: float64 (utterances, labels).
        speakers: Text (utterances,).
        corpora: Text (utterances,).
        labels: The labels' names.

    Returns:
        JSON-ready. `corpora`, by name: `utterances`, the number with one of the four emotions;
        `uar` and `wa`, where any other answer is wrong; `arousal`, the balanced accuracy of
        `arousal` with the threshold 0.5; for each of these three its `..._interval` of 95 %,
        bootstrapped over speakers; `all`, the figures of `metrics.summary` over all labels of the
        corpus; and `speakers`, the same three figures by speaker. `mean`: the means of the three
        over the corpora, with intervals over the speakers of each. A figure is None if no
        utterance counts for it.
    """
    rng = np.random.default_rng(0)
    figures: dict[str, Any] = {}
    points, resampled = [], []
    for name in np.unique(corpora).tolist():
        own = corpora == name
        guess = scores[own].argmax(axis=1)
        named = np.unique(speakers[own]).tolist()
        counts = np.stack(
            [
                _counts(truth[chosen], scores[chosen], labels)
                for chosen in (own & (speakers == speaker) for speaker in named)
            ]
        )
        times = rng.multinomial(len(named), np.full(len(named), 1 / len(named)), _RESAMPLES)
        points.append(_shares(counts.sum(axis=0)))
        resampled.append(_shares(np.tensordot(times, counts, axes=1)))
        matrix = metrics.confusion_matrix(truth[own], guess, len(labels))
        figures[name] = {
            "utterances": int(counts[:, : len(FOUR), 1].sum()),
            **_named(points[-1], resampled[-1]),
            "all": metrics.summary(matrix, labels),
            "speakers": {
                speaker: _named(_shares(some)) for speaker, some in zip(named, counts, strict=True)
            },
        }
    mean = _named(np.mean(points, axis=0), np.mean(resampled, axis=0))
    return {"corpora": figures, "mean": mean}


def _counts(truth: Ints, scores: Float64, labels: Sequence[str]) -> Ints:
    """Return int64 (6, 2): the number of right answers and of utterances. The rows are the four
    emotions, then the emotions of high arousal together and those of low arousal together.
    """
    guess, agitated = scores.argmax(axis=1), arousal(scores, labels) > 0.5
    rows = []
    for emotion in FOUR:
        own = truth == (labels.index(emotion) if emotion in labels else -1)
        rows.append((own, guess == truth))
    for emotions, called in ((_HIGH, agitated), (_LOW, ~agitated)):
        own = np.isin(truth, [i for i, label in enumerate(labels) if label in emotions])
        rows.append((own, called))
    return np.array([(int((own & right).sum()), int(own.sum())) for own, right in rows])


def _shares(counts: Ints) -> Float64:
    """Convert counts (..., 6, 2) to UAR, WA and arousal, float64 (..., 3); NaN without a count."""
    right, all_ = counts[..., 0].astype(float), counts[..., 1].astype(float)
    recall = np.divide(right, all_, out=np.full(right.shape, np.nan), where=all_ > 0)
    four = slice(len(FOUR))
    present = (all_[..., four] > 0).sum(axis=-1)
    recalls = np.nansum(recall[..., four], axis=-1)
    uar = np.where(present > 0, recalls / np.maximum(present, 1), np.nan)
    total = all_[..., four].sum(axis=-1)
    wa = np.where(total > 0, right[..., four].sum(axis=-1) / np.maximum(total, 1), np.nan)
    return np.stack([uar, wa, recall[..., len(FOUR) :].mean(axis=-1)], axis=-1)


def _named(point: Float64, resampled: Float64 | None = None) -> dict[str, Any]:
    """Return the three figures by name, JSON-ready, with their intervals if they were resampled."""
    named: dict[str, Any] = {}
    for index, name in enumerate(("uar", "wa", "arousal")):
        value = float(point[index])
        named[name] = value if np.isfinite(value) else None
        if resampled is not None and np.isfinite(value):
            interval = np.nanpercentile(resampled[:, index], [2.5, 97.5])
            named[f"{name}_interval"] = interval.tolist()
    return named
