"""Finds the drift limit: beyond it a device tells that a sound is unlike the training speech."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.drift import drift
from sernet_edge.runtime.frontend import FrontEnd, padded_rows, rows_each_hop
from sernet_edge.train.recordings import Recording

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
    front_end = FrontEnd(contract)
    drifts = [
        drift(front_end.standardise(window))
        for recording in recordings
        for window in rows_each_hop(contract, padded_rows(front_end, recording.samples))
    ]
    return float(f"{np.percentile(drifts, PERCENTILE):.3g}")
