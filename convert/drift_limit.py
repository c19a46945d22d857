"""Finds the drift limit: beyond it a device tells that a sound is unlike the training speech."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.drift import drift
from sernet_edge.runtime.frontend import FrontEnd, padded_rows, rows_each_hop
from sernet_edge.train.noise import Noise
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import Recording
from sernet_edge.train.windows import TrainingWindows

PERCENTILE = 99
"""Of the training windows lie within the limit. On EMO-DB no window of a speaker that was left
out then lies beyond it, and every one of noise or a tone does."""

# Drift is of features before they are limited; no standardised feature is as far from 0 as this.
_NO_CLIP = 1e4

_SEED = 1


def drift_limit(
    contract: Contract,
    recordings: Sequence[Recording],
    recipe: Recipe | None = None,
    noise: Noise | None = None,
) -> float:
    """Return `Contract.drift_limit` for a model that was trained on `recordings`.

    Windows are those that `listen` would score or, where the training was for other rooms and
    microphones, one of each recording as the training heard it: in noise and over the telephone,
    too. With the level "clip", which no live stream has, there is no limit: 0.

    Args:
        contract: The model's.
        recordings: What it was trained on.
        recipe: The training's; None: one that does not change the sound.
        noise: What it added.
    """
    if contract.level == "clip":
        return 0.0
    if recipe is not None and recipe.is_robust:
        drifts = _drifts_as_trained(contract, recordings, recipe, noise)
    else:
        front_end = FrontEnd(contract)
        drifts = [
            drift(front_end.standardise(window))
            for recording in recordings
            for window in rows_each_hop(contract, padded_rows(front_end, recording.samples))
        ]
    return float(f"{np.percentile(drifts, PERCENTILE):.3g}")


def _drifts_as_trained(
    contract: Contract, recordings: Sequence[Recording], recipe: Recipe, noise: Noise | None
) -> list[float]:
    whole = dataclasses.replace(recipe, training_frames=0)
    windows = TrainingWindows(contract.replace(clip=_NO_CLIP), whole, noise)
    rng = np.random.default_rng(_SEED)
    heard = (windows.training_window(recording, rng) for recording in recordings)
    return [drift(np.asarray(window, np.float64)) for window in heard]
