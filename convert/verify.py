"""Compares a converted model with the Keras model it came from, on speech."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from sernet_edge.runtime.interpreter import Model
from sernet_edge.train.evaluation import metrics
from sernet_edge.train.recordings import Recording
from sernet_edge.train.windows import Windows, mean_by_recording


def verify(parent: keras.Model, converted: Model, recordings: list[Recording]) -> dict[str, Any]:
    """Score every window of `recordings` with both models.

    Returns:
        JSON-ready: `windows` compared, `label_agreement` (share with the same label),
        `largest_score_difference`, `mean_score_difference`, and for each model the metrics
        of whole recordings, `float` (Keras) and `converted`.
    """
    windows = Windows(converted.contract)
    cut = [windows.test_windows(recording) for recording in recordings]
    stacked = np.concatenate(cut)
    ours = np.stack([converted.run(window) for window in stacked])
    theirs = np.asarray(parent.predict(stacked[..., None], batch_size=64, verbose=0))
    labels = converted.contract.labels
    truth = [labels.index(recording.utterance.label) for recording in recordings]

    def of_recordings(scores: Any) -> dict[str, Any]:
        guess = mean_by_recording(scores, cut).argmax(axis=1)
        return metrics.summary(metrics.confusion_matrix(truth, guess, len(labels)), labels)

    difference = np.abs(ours - theirs)
    return {
        "windows": len(stacked),
        "label_agreement": float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()),
        "largest_score_difference": float(difference.max()),
        "mean_score_difference": float(difference.mean()),
        "float": of_recordings(theirs),
        "converted": of_recordings(ours),
    }
