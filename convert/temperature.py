"""Fits a temperature on a cross-validation and folds it into a model's last layer.

The division then costs nothing, and a Pi and a microcontroller give the same scores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.evaluation.calibration import (
    OutOfFold,
    calibrated_by_others,
    expected_calibration_error,
    fit_temperature,
    read_out_of_fold,
    sure_by_others,
    sure_threshold,
)
from sernet_edge.train.evaluation.saved_runs import finished_folds, pooled_figures, read_json
from sernet_edge.train.recipe import recipe_from

# The figures of a corpus that are stored in a model's provenance.
_CROSS_CORPUS = (
    "utterances", "uar", "uar_interval", "wa", "wa_interval", "arousal", "arousal_interval",
)  # fmt: skip


def temperature_from(run: Path, contract: Contract, sure_precision: float) -> dict[str, Any]:
    """Fit a temperature, and the score from which a result is sure, to a run's scores.

    Args:
        run: A folder of `sernet-edge cross-validate`, with the model's system.
        contract: The model's contract.
        sure_precision: Share of right results that is required of sure ones, 0..1.

    Returns:
        JSON-ready, for the model's provenance: `run`, `folds`, `utterances` (the number used,
        without speakers that the model held out), `temperature`, `ece_before` and `ece_after`
        (expected calibration error over utterances, each speaker's "after" with the temperature of
        the others), `sure_precision`, `unsure_below` and `sure_share` (of the utterances), and, by
        precision, the run's `strict` figures. If its folds each left a corpus out, instead its
        `cross-corpus` figures of four emotions, and `sure_by_corpus`, see `sure_by_others`.

    Raises:
        SernetError: See `read_out_of_fold` and `sure_threshold`; or the run is of another
            system.
    """
    _check_same_system(run, contract)
    data = read_out_of_fold(run)
    # Scores of the model's held-out speakers are not used.
    held_out: Any = contract.provenance.get("holdout_speakers", ())
    data = data.of(~np.isin(data.speakers, list(held_out)))
    if not len(data.truth):
        raise SernetError(
            f"{run} tests only speakers that the model held out, so no score is left to fit on",
            hint="finish its other folds, or convert without --calibrate-from",
        )
    temperature = fit_temperature(data)
    scores = data.scores(temperature)
    unsure_below = sure_threshold(scores, data.truth, sure_precision)
    return {
        "run": run.resolve().name,
        "folds": [fold["fold"] for fold in finished_folds(run)],
        "utterances": len(data.truth),
        "temperature": float(f"{temperature:.4g}"),
        "ece_before": expected_calibration_error(data.scores(1.0), data.truth),
        "ece_after": expected_calibration_error(calibrated_by_others(data), data.truth),
        "sure_precision": sure_precision,
        "unsure_below": unsure_below,
        "sure_share": float((scores.max(axis=1) >= unsure_below).mean()),
        **_reached(run, data, sure_precision),
    }


def _reached(run: Path, data: OutOfFold, sure_precision: float) -> dict[str, Any]:
    """Return the figures of a run's models on speakers or corpora they were not trained on."""
    protocols = pooled_figures(run)["protocols"]
    if "strict" in protocols:
        keys = ("uar", "uar_interval", "wa", "macro_f1")
        return {
            "strict": {
                precision: {key: figures[key] for key in keys}
                for precision, figures in protocols["strict"].items()
            }
        }
    return {
        "cross-corpus": {
            precision: {
                "four": {
                    "corpora": {
                        name: _brief(found) for name, found in figures["four"]["corpora"].items()
                    },
                    "mean": _brief(figures["four"]["mean"]),
                }
            }
            for precision, figures in protocols["cross-corpus"].items()
        },
        "sure_by_corpus": sure_by_others(data, sure_precision),
    }


def _brief(found: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a corpus, or their means, without those by speaker and label."""
    return {key: value for key, value in found.items() if key in _CROSS_CORPUS}


def _check_same_system(run: Path, contract: Contract) -> None:
    ran, made = read_json(run / "run.json"), contract.provenance
    labels = finished_folds(run)[0]["labels"]
    pairs = {
        "labels": (labels, list(contract.labels)),
        "features": (ran.get("features"), contract.features),
        "level": (ran.get("level"), contract.level),
        "window_frames": (ran.get("window_frames"), contract.window_frames),
        "recipe": (recipe_from(ran.get("recipe")), recipe_from(made.get("recipe"))),
        **{name: (ran.get(name), made.get(name)) for name in ("corpus", "architecture", "initial")},
    }
    if differing := [name for name, (theirs, ours) in pairs.items() if theirs != ours]:
        raise SernetError(
            f"{run} is a cross-validation of another system: its {', '.join(differing)} "
            f"{'differ' if len(differing) > 1 else 'differs'} from the model's",
            hint="name the run with the settings that the model was trained with",
        )


def fold_temperature(model: Any, temperature: float) -> None:
    """Divide, in place, the logits of a Keras model by `temperature`; no window's label changes.

    Raises:
        SernetError: The model does not end in a dense layer with softmax.
    """
    import keras

    last = model.layers[-1]
    if not isinstance(last, keras.layers.Dense) or last.activation is not keras.activations.softmax:
        raise SernetError(
            f"the model ends in {last.name!r}, not in a dense layer with softmax that a "
            "temperature could be folded into",
            hint="convert it without --calibrate-from",
        )
    last.set_weights([weights / temperature for weights in last.get_weights()])
