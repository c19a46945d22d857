"""Metrics over utterances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def confusion_matrix(
    truth: Sequence[int] | NDArray[np.int64], guess: Sequence[int] | NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Return counts, int64 (classes, classes): rows are the truth, columns the answer."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (np.asarray(truth, int), np.asarray(guess, int)), 1)
    return matrix


def summary(matrix: NDArray[np.int64], labels: Sequence[str]) -> dict[str, Any]:
    """Return WA, UAR, macro F1 and the figures of each class, shares in 0..1.

    UAR and macro F1 are means over the classes that occur; a class that does not occur has no
    recall (None).
    """
    right, support, guessed = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    recall = right / np.maximum(support, 1)
    precision = right / np.maximum(guessed, 1)
    f1 = 2 * right / np.maximum(support + guessed, 1)
    present = support > 0
    return {
        "utterances": int(support.sum()),
        "wa": float(right.sum() / max(1, support.sum())),
        "uar": float(recall[present].mean()),
        "macro_f1": float(f1[present].mean()),
        "classes": {
            label: {
                "recall": float(recall[i]) if present[i] else None,
                "precision": float(precision[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, label in enumerate(labels)
        },
        "confusion": matrix.tolist(),
    }
