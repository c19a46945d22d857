"""Figures of merit over utterances, and their picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.files import replacing


def confusion_matrix(
    truth: Sequence[int] | NDArray[np.int64], guess: Sequence[int] | NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Return counts, int64 (classes, classes): rows are the truth, columns the guess."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (np.asarray(truth, int), np.asarray(guess, int)), 1)
    return matrix


def summary(matrix: NDArray[np.int64], labels: Sequence[str]) -> dict[str, Any]:
    """Return WA, UAR, macro F1 and the figures of each class, shares in 0..1.

    UAR and macro F1 are means over the classes that occur; a class that does not has
    no recall (None).
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


def draw_confusion(
    matrix: NDArray[np.int64], labels: Sequence[str], title: str, path: Path
) -> None:
    """Draw a confusion matrix, counts and row shares, as a PNG file; needs no display."""
    from matplotlib.figure import Figure

    size = len(labels)
    figure = Figure(figsize=(1.6 + 0.75 * size, 1.4 + 0.7 * size), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(size):
        for column in range(size):
            if count := int(matrix[row, column]):
                share = shares[row, column]
                axes.text(
                    column,
                    row,
                    f"{count}\n{share:.0%}",
                    ha="center",
                    va="center",
                    fontsize=9,
                    color="white" if share > 0.55 else "black",
                )
    axes.set_xticks(range(size), labels, rotation=35, ha="right")
    axes.set_yticks(range(size), labels)
    axes.set_xlabel("recognised as")
    axes.set_ylabel("spoken as")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label="share of the row", shrink=0.8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
