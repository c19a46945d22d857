"""Measures the time of a training step in float32 and in bfloat16 on this machine.

It takes processor times of alternating single steps on one thread; each ratio is of medians.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.train.hardware import processor
from sernet_edge.train.models import ARCHITECTURES, build
from sernet_edge.train.new_contract import new_contract
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.tensorflow_setup import quietly

with quietly():
    from sernet_edge.train.losses import Batch, Objective
    from sernet_edge.train.models.twin import training_twin

_LABELS = tuple("abcdefg")


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="steps of each precision [20]")
    parser.add_argument(
        "--architecture",
        nargs="+",
        choices=list(ARCHITECTURES),
        default=["light-sernet", "light-sernet-half"],
        help="[light-sernet light-sernet-half]",
    )
    arguments = parser.parse_args()
    print(f"{processor()}; {arguments.steps} steps of {Recipe.batch_size} windows, one thread\n")
    print("| architecture | float32, ms | bfloat16, ms | float32 / bfloat16 |")
    print("|---|---|---|---|")
    for architecture in arguments.architecture:
        exact, rounded = _medians(architecture, arguments.steps)
        print(
            f"| {architecture} | {1000 * exact:.0f} | {1000 * rounded:.0f} "
            f"| {exact / rounded:.2f} |"
        )


def _medians(architecture: str, steps: int) -> tuple[float, float]:
    """Return the processor time of a step in float32 and in bfloat16, in seconds."""
    contract = new_contract(
        _LABELS, "window", Contract.window_frames, ARCHITECTURES[architecture].features
    )
    model = build(architecture, contract, Recipe.batch_norm_momentum)
    learners = [
        Objective(learner, Contract.window_frames, Recipe())
        for learner in (model, training_twin(model, Contract.window_frames, "bfloat16"))
    ]
    rng = np.random.default_rng(1)
    shape = (Recipe.batch_size, Contract.window_frames, contract.feature_count, 1)
    labels = np.eye(len(_LABELS), dtype=np.float32)[rng.integers(len(_LABELS), size=shape[0])]
    batch = Batch(rng.normal(size=shape).astype(np.float32), labels, labels)
    times: list[list[float]] = [[], []]
    for turn in range(3 + steps):
        for learner, taken in zip(learners, times, strict=True):
            before = time.process_time()
            learner.step(batch)
            if turn >= 3:  # the first steps build the graph and fill caches
                taken.append(time.process_time() - before)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    main()
