"""Draws the pictures of a report as PNG files, without a display.

The colours are those of M. Okabe and K. Ito, which colour-blind people can distinguish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.files import readable
from sernet_edge.train.evaluation.legible import legible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREEN, _GREY = "#0072b2", "#d55e00", "#009e73", "#777777"
_MARKERS = "osD^vP*X<>ph"


def _png(figure: Figure) -> bytes:
    """Return the bytes of a PNG file, the same for the same content."""
    buffer = BytesIO()
    with legible(figure):
        figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure; width and height are in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def confusion(matrix: NDArray[np.int64], labels: Sequence[str], title: str) -> bytes:
    """Draw a confusion matrix with counts and shares of each row.

    Args:
        matrix: int64 (labels, labels); rows are the truth, columns the answer.
        labels: The labels' names.
        title: The picture's title.
    """
    size = len(labels)
    figure = _figure(1.6 + 0.75 * size, 1.4 + 0.7 * size)
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
    return _png(figure)


def learning_curves(
    histories: Sequence[Sequence[Mapping[str, float]]], test_accuracies: Sequence[Sequence[float]]
) -> bytes:
    """Draw loss and accuracy over the epochs, a thin line for each fold.

    Args:
        histories: For each fold, an entry an epoch with `loss` and `accuracy` in training.
        test_accuracies: For each fold, the share of the test data that each epoch's weights get
            right.
    """
    figure = _figure(9, 3.6)
    left, right = figure.subplots(1, 2)

    def draw(axes: Any, lines: Sequence[Sequence[float]], colour: str, name: str) -> None:
        for line in lines:
            axes.plot(range(1, len(line) + 1), line, color=colour, alpha=0.25, linewidth=0.8)
        shortest = min(map(len, lines))
        mean = np.mean([line[:shortest] for line in lines], axis=0)
        axes.plot(range(1, shortest + 1), mean, color=colour, linewidth=2, label=name)

    losses = [[entry["loss"] for entry in history] for history in histories]
    draw(left, losses, _BLUE, "training")
    left.set_ylabel("loss")
    accuracies = [[entry["accuracy"] for entry in history] for history in histories]
    draw(right, accuracies, _BLUE, "training windows")
    draw(right, test_accuracies, _ORANGE, "test utterances: never trained on")
    right.set_ylabel("accuracy")
    right.set_ylim(0, 1.02)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9)
    figure.suptitle("Thin: each fold. Thick: their mean.", fontsize=10)
    return _png(figure)


def speakers(names: Sequence[str], counts: Sequence[int], accuracies: Mapping[str, Any]) -> bytes:
    """Draw bars of the accuracy on each speaker.

    Args:
        names: The speakers.
        counts: Utterances of each.
        accuracies: For each precision, the share of each speaker's utterances that are right.
    """
    figure = _figure(max(6.0, 1.5 + 0.75 * len(names)), 3.6)
    axes = figure.subplots()
    width = 0.8 / len(accuracies)
    places = np.arange(len(names))
    for index, ((name, values), colour) in enumerate(
        zip(accuracies.items(), (_BLUE, _ORANGE), strict=False)
    ):
        shift = (index - (len(accuracies) - 1) / 2) * width
        axes.bar(places + shift, values, width * 0.95, color=colour, label=name)
        mean = float(np.average(values, weights=counts))
        axes.axhline(mean, color=colour, linestyle="--", linewidth=1)
    axes.set_xticks(
        places,
        [f"{readable(name)}\n{count}" for name, count in zip(names, counts, strict=True)],
        fontsize=9,
    )
    axes.set_xlabel("speaker, and utterances of theirs")
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(fontsize=9, loc="outside upper right", ncols=len(accuracies))
    axes.set_title("Whole utterances of each speaker; dashed: all of them (WA)", fontsize=10)
    return _png(figure)


def reliability(panels: Mapping[str, Sequence[Mapping[str, float]]]) -> bytes:
    """Draw the accuracy of the top label against its score.

    Args:
        panels: By title, the bins of `calibration.reliability`.
    """
    figure = _figure(4.4 * len(panels), 4.8)
    for axes, (title, bins) in zip(
        np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True
    ):
        axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1)
        for one in bins:
            middle, width = (one["low"] + one["high"]) / 2, one["high"] - one["low"]
            axes.bar(middle, one["accuracy"], width * 0.95, color=_BLUE, alpha=0.75)
            axes.text(middle, 0.015, f"{one['count']}", ha="center", fontsize=8, color="white")
        axes.plot(
            [one["score"] for one in bins],
            [one["accuracy"] for one in bins],
            "o",
            color=_ORANGE,
            clip_on=False,
            label="mean of the bin",
        )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_aspect("equal")
        axes.set_xlabel("top score")
        axes.set_ylabel("share that is right")
        axes.set_title(title, fontsize=10)
        axes.legend(fontsize=9, loc="upper left")
    return _png(figure)


def accuracy_against_size(points: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw UAR against flash, RAM and MACs, one mark for each system.

    Args:
        points: `name`, `uar`, `uar_interval` (0..1), `flash_bytes`, and `ram_bytes` and `macs`
            where they are known.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = _figure(10.5, 4.6)
    panels = {
        "flash_bytes": ("flash of the int8 model, KB", 1e-3),
        "ram_bytes": ("RAM of the network, native engine, KB", 1e-3),
        "macs": ("million MACs per window", 1e-6),
    }
    places = figure.subplots(1, len(panels), sharey=True)
    colours = (_BLUE, _ORANGE, _GREEN, "#cc79a7", "#56b4e9", "#e69f00", "#000000")
    for axes, (key, (label, unit)) in zip(places, panels.items(), strict=True):
        for index, point in enumerate(points):
            if key not in point:
                continue
            low, high = point["uar_interval"]
            axes.errorbar(
                point[key] * unit,
                point["uar"] * 100,
                yerr=[[(point["uar"] - low) * 100], [(high - point["uar"]) * 100]],
                fmt=_MARKERS[index % len(_MARKERS)],
                color=colours[index % len(colours)],
                markersize=8,
                elinewidth=0.8,
                capsize=2,
                label=point["name"],
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(label)
        axes.grid(alpha=0.3, which="both")
    places[0].set_ylabel("strict UAR of int8, %")
    handles, names = places[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=9)
    figure.suptitle("Bars: 95 % interval over speakers", fontsize=10)
    return _png(figure)
