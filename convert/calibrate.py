"""Chooses the windows of speech that set the ranges of an int8 model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import Float32
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import Recording
from sernet_edge.train.windows import TrainingWindows

# Windows at random places, as in training, but without changes to the sound.
_PLAIN = Recipe(gain_db=0.0, time_mask_frames=0, mfcc_mask=0)


def calibration_windows(
    contract: Contract,
    recordings: Sequence[Recording],
    count: int,
    seed: int,
    recipe: Recipe | None = None,
) -> tuple[Float32, list[int]]:
    """Cut one window out of each of `count` recordings, or of all if there are fewer.

    If the recipe changes the sound for other rooms and microphones, the windows get its gains, too,
    and silence and coloured noise replace the recipe's share of windows without speech: the ranges
    must cover what the model was trained on.

    Args:
        contract: The model's contract.
        recordings: Recordings of training speakers.
        count: Number of recordings to choose.
        seed: Seed of the choice.
        recipe: The training's recipe; None: one without such changes.

    Returns:
        float32 (windows, window_frames, features), and the indices of the chosen recordings.
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
