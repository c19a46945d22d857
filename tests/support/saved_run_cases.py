"""Saved cross-validations that are small enough to check their figures by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge.train.recipe import Recipe


def fold_file(
    run: Path,
    name: str,
    truth: list[int],
    by_epoch: list[list[int]],
    int8: list[int] | None = None,
) -> None:
    """Return a fold whose int8 model predicts `int8`; by default all predictions are right."""
    final = np.eye(3)[by_epoch[-1]].tolist()
    (run / f"fold-{name}.json").write_text(
        json.dumps(
            {
                "fold": name,
                "backend": "a backend",
                "processor": "a processor",
                "speakers": [name] * len(truth),
                "truth": truth,
                "labels": ["a", "b", "c"],
                "float_scores": final,
                "int8_scores": np.eye(3)[int8 or truth].tolist(),
                "guess_by_epoch": by_epoch,
            }
        )
    )


def saved_run(
    run: Path, split: str = "speakers", seed: int = 1, recipe: dict[str, Any] | None = None
) -> Path:
    """Return a run of two folds with the fields that report.py and the generated pages read."""
    run.mkdir(parents=True)
    changed = {"loss": "focal", "epochs": 2} if recipe is None else recipe
    settings = {
        "corpus": "emodb",
        "split": split,
        "seed": seed,
        "skipped": [],
        "labels": ["a", "b", "c"],
        "recordings": "",
        "made_with": "a test",
        "architecture": "light-sernet",
        "features": "mfcc",
        "initial": None,
        "recipe": dataclasses.asdict(Recipe()) | changed,
        "level": "window",
        "window_frames": 184,
    }
    (run / "run.json").write_text(json.dumps(settings))
    fold_file(run, "1", [0, 0, 1, 2], [[0, 0, 1, 2], [0, 1, 1, 1]])
    fold_file(run, "2", [0, 1, 1], [[1, 1, 0], [0, 1, 0]])
    return run
