"""The training loop: continuing after a stop, and the final weights."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from short_training import SHORT, ready

if TYPE_CHECKING:
    from sernet_edge.train.fit import Fit
    from sernet_edge.train.losses import Batch, Objective

pytestmark = pytest.mark.training


def finished(fit: Fit) -> Sequence[NDArray[Any]]:
    """Return the final weights of a training."""
    fit.run(lambda epoch, entry: None)
    fit.finish()
    weights: Sequence[NDArray[Any]] = fit.model.get_weights()
    return weights


# test_train.py tests windows at random places, and stops the command itself.
@pytest.mark.parametrize(
    "change",
    [{"segments": "middle"}, {"segments": "all"}, {"ema": 0.9}, {"precision": "bfloat16"}],
)
def test_a_stopped_run_continues_to_the_same_weights(
    change: dict[str, Any], tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped.npz"
    whole = ready(replace(SHORT, **change), tmp_path / "whole.npz")

    def keep_the_first(epoch: int, entry: dict[str, float]) -> None:
        if epoch == 0:
            shutil.copy(whole.checkpoint, stopped)

    whole.run(keep_the_first)
    whole.finish()
    resumed = ready(replace(SHORT, **change), stopped)
    assert len(resumed.history) == 1
    for found, expected in zip(finished(resumed), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_moving_average_uses_the_weights_after_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sernet_edge.train.losses import Objective

    after_steps: list[Sequence[NDArray[Any]]] = []
    take = Objective.step

    def watched(self: Objective, batch: Batch) -> dict[str, float]:
        results = take(self, batch)
        after_steps.append(self.trained.get_weights())
        return results

    monkeypatch.setattr(Objective, "step", watched)
    found = finished(ready(replace(SHORT, ema=0.7), tmp_path / "c.npz"))
    assert len(after_steps) == 4
    shares = 0.7 ** np.arange(3, -1, -1)
    for index, weight in enumerate(found):
        steps = np.array([weights[index] for weights in after_steps], np.float64)
        expected = np.average(steps, axis=0, weights=shares)
        np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)
    # They include the batch norms' statistics.
    assert len(found) == len(after_steps[-1])


def test_the_mean_of_the_last_epochs_uses_all_epochs_if_there_are_fewer(tmp_path: Path) -> None:
    after_epochs: list[Sequence[NDArray[Any]]] = []
    fit = ready(replace(SHORT, average_epochs=10), tmp_path / "c.npz")
    fit.run(lambda epoch, entry: after_epochs.append(fit.model.get_weights()))
    fit.finish()
    for weight, *epochs in zip(fit.model.get_weights(), *after_epochs, strict=True):
        np.testing.assert_allclose(weight, np.mean(epochs, axis=0), rtol=1e-5, atol=1e-6)
