"""Finds the drift limit, above which a sound differs too much from the training speech."""

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
"""Share of the training windows that are within the limit. On EMO-DB, all windows of left-out
speakers are then within it, and all windows of noise or tones are beyond it."""

# Drift is measured before features are clipped; no standardised feature reaches this value.
_NO_CLIP = 1e4

_SEED = 1


def drift_limit(
    contract: Contract,
    recordings: Sequence[Recording],
    recipe: Recipe | None = None,
    noise: Noise | None = None,
) -> float:
    """Return `Contract.drift_limit` for a model that was trained on `recordings`.

    The windows are those that `listen` would score. If the training changed the sound for other
    rooms and microphones, they are one window of each recording with the same changes, such as
    noise and the telephone. With the level "clip", which is impossible live, there is no limit: 0.

    Args:
        contract: The model's contract.
        recordings: The recordings that it was trained on.
        recipe: The training's recipe; None: one that does not change the sound.
        noise: The noise of the training.
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
