"""Compares a converted model with its Keras model on speech."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sernet_edge.runtime.interpreter import Model
from sernet_edge.train.evaluation import metrics
from sernet_edge.train.recordings import Recording

AGREEMENT = ("windows", "label_agreement", "largest_score_difference", "mean_score_difference")
"""The report of `verify` on the differences between two models."""

# Keras's scores differ in the seventh digit between processes. With fewer digits, two conversions
# of a model are equal to the byte.
_DECIMALS = 6


def verify(parent: Any, converted: Model, recordings: Sequence[Recording]) -> dict[str, Any]:
    """Score every window of `recordings` with both models.

    Args:
        parent: The Keras model; None: only `converted` is scored.
        converted: The converted model.
        recordings: Recordings with the model's labels.

    Returns:
        JSON-ready: `windows` compared, `label_agreement` (share with the same label),
        `largest_score_difference`, `mean_score_difference`, and the metrics of whole recordings for
        each model, `float` (Keras) and `converted`; without a parent only `converted`.
    """
    # Here, since `bench` without a corpus must not need SciPy.
    from sernet_edge.train.windows import Windows, mean_by_recording

    windows = Windows(converted.contract)
    cut = [windows.test_windows(recording) for recording in recordings]
    stacked = np.concatenate(cut)
    labels = converted.contract.labels
    truth = [labels.index(recording.utterance.label) for recording in recordings]

    def of_recordings(scores: Any) -> dict[str, Any]:
        guess = mean_by_recording(scores, cut).argmax(axis=1)
        return metrics.summary(metrics.confusion_matrix(truth, guess, len(labels)), labels)

    ours = np.stack([converted.run(window) for window in stacked])
    if parent is None:
        return {"converted": of_recordings(ours)}
    theirs = np.asarray(parent.predict(stacked[..., None], batch_size=64, verbose=0))
    difference = np.abs(ours - theirs)
    return {
        "windows": len(stacked),
        "label_agreement": float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()),
        "largest_score_difference": round(float(difference.max()), _DECIMALS),
        "mean_score_difference": round(float(difference.mean()), _DECIMALS),
        "float": of_recordings(theirs),
        "converted": of_recordings(ours),
    }
