"""Chooses the speech that sets the ranges of an int8 model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import Float32
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import Recording
from sernet_edge.train.windows import TrainingWindows

# As training cuts its windows, at random places, but without its distortions.
_PLAIN = Recipe(gain_db=0.0, time_mask_frames=0, mfcc_mask=0)


def calibration_windows(
    contract: Contract,
    recordings: Sequence[Recording],
    count: int,
    seed: int,
    recipe: Recipe | None = None,
) -> tuple[Float32, list[int]]:
    """Cut one window out of each of `count` recordings, or of all if there are fewer.

    Where the training was for other rooms and microphones, the windows have its gains, too, and
    the share of it that was not speech gives way to silence and coloured noise: the ranges must
    hold what the model was made to hear.

    Args:
        contract: The model's.
        recordings: Of training speakers.
        count: How many to choose.
        seed: Of the choice.
        recipe: The training's; None: one without such changes.

    Returns:
        float32 (windows, window_frames, features), and the indices of the recordings chosen.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(recordings), min(count, len(recordings)), replace=False).tolist()
    robust = recipe if recipe is not None and recipe.is_robust else _PLAIN
    gains = dataclasses.replace(_PLAIN, gain_db=robust.gain_db, quiet_db=robust.quiet_db)
    windows = TrainingWindows(contract, gains)
    cut = [
        windows.none_window(rng)
        if robust.none_share and rng.random() < robust.none_share
        else windows.training_window(recordings[i], rng)
        for i in chosen
    ]
    return np.stack(cut), chosen
