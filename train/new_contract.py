"""The contract of a new model: the settings of its front end, and its normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sernet_edge.runtime.contract import Contract, Features, Level
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.train.recordings import Recording

# Digits of the normalisation vectors. They are few, so that the decimal text in the contract and in
# a C header is exact, but more than the features' own precision.
_SIGNIFICANT_DIGITS = 6

# All bins of a spectrogram cost the same. Half of them, up to this frequency, hold a voice's pitch
# and its first three or four formants.
_SPECTROGRAM_HIGH_HZ = 4000.0


def new_contract(
    labels: tuple[str, ...],
    level: Level,
    window_frames: int,
    features: Features = "mfcc",
    **rows: Any,
) -> Contract:
    """Return the contract of a new model; `with_statistics` adds its normalisation.

    Args:
        labels: See `Contract.labels`.
        level: See `Contract.level`.
        window_frames: See `Contract.window_frames`.
        features: See `Contract.features`.
        rows: The hop, and the contract's fields about rows that windows share.
    """
    return Contract(
        labels=labels,
        mean=(0.0,),
        std=(1.0,),
        level=level,
        window_frames=window_frames,
        features=features,
        mel_high_hz=_SPECTROGRAM_HIGH_HZ if features == "spectrogram" else Contract.mel_high_hz,
        **rows,
    )


def with_statistics(contract: Contract, recordings: Sequence[Recording]) -> Contract:
    """Return `contract` with the mean and deviation of each feature over `recordings`.

    Statistics are over whole recordings. With the level "window", a recording's mean level is used
    in place of its windows' levels.

    Raises:
        SernetError: All recordings are silent.
    """
    front_end = FrontEnd(contract)
    rows = []
    for recording in recordings:
        features = feature_rows(front_end, recording.samples)
        if contract.level == "window":
            front_end.subtract_level(features, front_end.levels(features).mean())
        rows.append(features)
    stacked = np.concatenate(rows)
    if not stacked.std(axis=0).min() > 0:
        raise SernetError("the training recordings hold nothing but silence")
    mean, std = (
        tuple(float(f"{value:.{_SIGNIFICANT_DIGITS}g}") for value in values)
        for values in (stacked.mean(axis=0), stacked.std(axis=0))
    )
    return contract.replace(mean=mean, std=std)
