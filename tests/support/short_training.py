"""A very short training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import Recording

if TYPE_CHECKING:
    from sernet_edge.train.fit import Fit

# A window of a third of a second, so that training is quick.
SHORT_CONTRACT = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40, window_frames=16)

# Without a gain and with fixed segments, training keeps the features and draws only the masks.
SHORT = Recipe(epochs=2, batch_size=3, average_epochs=1, gain_db=0)


def ready(recipe: Recipe, checkpoint: Path) -> Fit:
    """Return a training on six recordings of 0.06 to 1 s: a new one, or one to continue."""
    from sernet_edge.train.fit import start

    rng = np.random.default_rng(1)
    recordings = [
        Recording(
            Utterance(Path(f"{n}.wav"), "ab"[n % 2], "1"),
            rng.normal(0, 2000, 1024 + 3000 * n).astype(np.int16),
        )
        for n in range(6)
    ]
    return start(SHORT_CONTRACT, recipe, recordings, 1, checkpoint, "light-sernet-quarter")
