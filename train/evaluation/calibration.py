"""Calibrates scores as probabilities: a temperature, and a threshold for sure results.

Everything is fitted on a cross-validation's scores for speakers, or whole corpora, that its models
were not trained on. Temperature scaling is that of C. Guo et al., "On Calibration of Modern Neural
Networks", ICML 2017: logits are divided by one number, which changes no window's label.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.frontend import Float64
from sernet_edge.train.evaluation.saved_runs import Ints, finished_folds, read_json

BINS = 10
"""Bins of equal width, for the expected calibration error and the reliability diagram."""

_LARGEST_TEMPERATURE = 20.0

_PRECISIONS = (0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class OutOfFold:
    """The scores of a cross-validation's models for speakers they were not trained on.

    Attributes:
        logits: float64 (windows, labels), of all windows of all utterances in order; a constant
            may be added to each row.
        windows: int64 (utterances,), each utterance's number of windows.
        truth: int64 (utterances,), index of the label.
        speakers: Text (utterances,), the speaker's name.
        corpora: Text (utterances,), the corpus's name, if each fold left a corpus out; None if
            each left a speaker out.
    """

    logits: Float64
    windows: Ints
    truth: Ints
    speakers: NDArray[np.str_]
    corpora: NDArray[np.str_] | None = None

    @property
    def groups(self) -> NDArray[np.str_]:
        """Text (utterances,): the speaker or corpus that the utterance's fold left out."""
        return self.speakers if self.corpora is None else self.corpora

    def scores(self, temperature: float) -> Float64:
        """Return scores, averaged over each utterance's windows, float64 (utterances, labels)."""
        starts = np.cumsum(self.windows) - self.windows
        summed = np.add.reduceat(softmax(self.logits / temperature), starts, axis=0)
        return summed / self.windows[:, None]

    def of(self, chosen: NDArray[np.bool_]) -> OutOfFold:
        """Return the utterances where `chosen`, bool (utterances,), is true."""
        return OutOfFold(
            self.logits[np.repeat(chosen, self.windows)],
            self.windows[chosen],
            self.truth[chosen],
            self.speakers[chosen],
            None if self.corpora is None else self.corpora[chosen],
        )


def read_out_of_fold(run: Path) -> OutOfFold:
    """Read the float models' scores of a run of `sernet-edge cross-validate`.

    Raises:
        SernetError: The folder holds no run or no finished fold, or the run tested on its training
            speakers, which makes its scores too high.
    """
    split = read_json(run / "run.json").get("split")
    if split == "random":
        raise SernetError(
            f"{run} trained and tested on the same speakers, so its scores cannot calibrate a "
            "model for new speakers",
            hint="name a run with --split speakers or --split corpora",
        )
    folds = finished_folds(run)
    return OutOfFold(
        np.concatenate([_logits(fold) for fold in folds]),
        np.concatenate([fold.get("windows") or [1] * len(fold["truth"]) for fold in folds]),
        np.concatenate([fold["truth"] for fold in folds]),
        np.concatenate([fold["speakers"] for fold in folds]),
        np.concatenate([fold["corpora"] for fold in folds]) if split == "corpora" else None,
    )


def _logits(fold: dict[str, Any]) -> Float64:
    # The classical baseline scores whole utterances: each counts as one window.
    scores = np.asarray(fold.get("float_window_scores", fold["float_scores"]), np.float64)
    return np.log(np.maximum(scores, np.finfo(np.float32).tiny))


def softmax(logits: Float64) -> Float64:
    """Convert logits (rows, labels) to scores, float64 of the same shape."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(data: OutOfFold) -> float:
    """Return the temperature with the least mean negative log-likelihood of the truth."""
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(data.truth))

    def loss(log_temperature: float) -> float:
        right = data.scores(float(np.exp(log_temperature)))[rows, data.truth]
        return float(-np.log(np.maximum(right, np.finfo(float).tiny)).mean())

    limit = float(np.log(_LARGEST_TEMPERATURE))
    found = minimize_scalar(loss, bounds=(-limit, limit), method="bounded")
    return float(np.exp(found.x))


def calibrated_by_others(data: OutOfFold) -> Float64:
    """Return scores (utterances, labels), each with a temperature fitted without its group.

    Figures of these scores therefore also hold for a new speaker or corpus.
    """
    scores = np.empty((len(data.truth), data.logits.shape[1]))
    for group in np.unique(data.groups):
        own = data.groups == group
        scores[own] = data.of(own).scores(fit_temperature(data.of(~own)))
    return scores


def sure_by_others(data: OutOfFold, precision: float) -> dict[str, dict[str, float | None]]:
    """Return how often sure results are right in each group, with settings of the other groups.

    Temperature and threshold are fitted on the other groups, so the figures hold for new speakers
    or corpora.

    Args:
        data: Scores of two or more groups.
        precision: See `sure_threshold`.

    Returns:
        By speaker or corpus: `from_score`; `share`, of the decisions that are sure; and `right`,
        the share of right ones among them. None if no threshold on the others reaches the
        precision, or nothing is sure.
    """
    found: dict[str, dict[str, float | None]] = {}
    for group in np.unique(data.groups).tolist():
        own = data.groups == group
        others, tested = data.of(~own), data.of(own)
        temperature = fit_temperature(others)
        try:
            from_score = sure_threshold(others.scores(temperature), others.truth, precision)
        except SernetError:
            found[group] = {"from_score": None, "share": None, "right": None}
            continue
        scores = tested.scores(temperature)
        sure = scores.max(axis=1) >= from_score
        right = scores.argmax(axis=1) == tested.truth
        found[group] = {
            "from_score": from_score,
            "share": float(sure.mean()),
            "right": float(right[sure].mean()) if sure.any() else None,
        }
    return found


def across_corpora(run: Path) -> dict[str, Any]:
    """Return how well calibrated a run's scores of new corpora are, and how often sure ones are
    right.

    Args:
        run: A run whose folds each left a corpus out, with two or more finished folds.

    Returns:
        JSON-ready: `ece_before` and `ece_after`, the expected calibration error (each corpus's
        "after" uses the temperature of the others), and `sure`, the results of `sure_by_others`
        for several precisions.
    """
    data = read_out_of_fold(run)
    return {
        "ece_before": expected_calibration_error(data.scores(1.0), data.truth),
        "ece_after": expected_calibration_error(calibrated_by_others(data), data.truth),
        "sure": {f"{wanted:.0%}": sure_by_others(data, wanted) for wanted in _PRECISIONS},
    }


def reliability(scores: Float64, truth: Ints) -> list[dict[str, float]]:
    """Return how often the top score's label is right, for each bin that is not empty.

    Args:
        scores: float64 (utterances, labels).
        truth: int64 (utterances,).

    Returns:
        `low` and `high` (the bin's edges), `count`, `score` (mean top score), `accuracy`.
    """
    top, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    places = np.minimum((top * BINS).astype(int), BINS - 1)
    return [
        {
            "low": place / BINS,
            "high": (place + 1) / BINS,
            "count": int((places == place).sum()),
            "score": float(top[places == place].mean()),
            "accuracy": float(right[places == place].mean()),
        }
        for place in np.unique(places).tolist()
    ]


def expected_calibration_error(scores: Float64, truth: Ints) -> float:
    """Return the mean distance between top score and accuracy in `reliability`, by count."""
    bins = reliability(scores, truth)
    return sum(b["count"] * abs(b["score"] - b["accuracy"]) for b in bins) / len(truth)


def sure_threshold(scores: Float64, truth: Ints, precision: float) -> float:
    """Return the lowest threshold on the top score that reaches a precision.

    Args:
        scores: float64 (utterances, labels).
        truth: int64 (utterances,).
        precision: The required share of right decisions among those with at least the threshold's
            top score, 0..1.

    Returns:
        The threshold, rounded up to three decimals; 0 if all decisions together reach the
        precision.

    Raises:
        SernetError: No threshold that keeps a tenth of the decisions reaches the precision.
    """
    top, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    if right.mean() >= precision:
        return 0.0
    candidates = np.unique(np.ceil(top * 1000) / 1000)
    kept = [right[top >= candidate] for candidate in candidates]
    for candidate, some in zip(candidates, kept, strict=True):
        if len(some) < len(top) / 10:
            break
        if some.mean() >= precision:
            return float(candidate)
    enough = [float(some.mean()) for some in kept if len(some) >= len(top) / 10]
    raise SernetError(
        f"no threshold on the top score reaches a precision of {precision:.0%} and keeps a tenth "
        f"of the decisions; the best reaches {max(enough, default=0):.0%}",
        hint="lower --sure-precision",
    )
