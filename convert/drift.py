"""Finds how far speech like the training's drifts, so that a device can tell what does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.drift import drift
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.train.dataset import Recording

PERCENTILE = 99
"""Of the training windows lie within the limit. On EMO-DB no window of a speaker that was left
out then lies beyond it, and every one of noise or a tone does."""


def drift_limit(contract: Contract, recordings: Sequence[Recording]) -> float:
    """Return `Contract.drift_limit` for a model that was trained on `recordings`.

    Windows are those that `listen` would score. With the level "clip", which no live stream has,
    there is no limit: 0.
    """
    if contract.level == "clip":
        return 0.0
    front_end, length = FrontEnd(contract), contract.window_frames
    drifts = []
    for recording in recordings:
        missing = max(0, contract.window_samples - len(recording.samples))
        rows = feature_rows(front_end, np.pad(recording.samples, (0, missing)))
        for start in range(0, len(rows) - length + 1, contract.hop_frames):
            drifts.append(drift(front_end.standardise(rows[start : start + length])))
    return float(f"{np.percentile(drifts, PERCENTILE):.3g}")
