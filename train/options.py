"""The options that every command which trains has, and the settings that they make."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sernet_edge.runtime.contract import Contract, Level
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.recipe import RECIPES, Loss, Recipe

_OPTIONS = (
    click.option(
        "--corpus",
        "corpus_and_folder",
        type=(click.Choice(sorted(CORPORA)), click.Path(path_type=Path)),
        required=True,
        metavar="NAME PATH",
        help=f"Corpus ({', '.join(sorted(CORPORA))}) and the folder, or csv file, it lies in.",
    ),
    click.option(
        "--recipe", type=click.Choice(sorted(RECIPES)), default="default", show_default=True
    ),
    click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's."),
    click.option(
        "--learning-rate", type=click.FloatRange(0, min_open=True), help="Instead of the recipe's."
    ),
    click.option(
        "--loss",
        type=click.Choice(typing.get_args(Loss)),
        default=Recipe.loss,
        show_default=True,
    ),
    click.option(
        "--focal-gamma", type=click.FloatRange(0), default=Recipe.focal_gamma, show_default=True
    ),
    click.option(
        "--level",
        type=click.Choice(typing.get_args(Level)),
        default=Contract.level,
        show_default=True,
        help="How loudness is taken out of the features.",
    ),
    click.option(
        "--window-frames",
        type=click.IntRange(16),
        default=Contract.window_frames,
        show_default=True,
        help="Frames that the model sees at once; 184 are 3 s, 434 are 7 s.",
    ),
    click.option("--seed", type=click.IntRange(0), default=1, show_default=True),
)


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add to a click command the options of training."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_recipe(
    recipe: str, epochs: int | None, learning_rate: float | None, loss: Loss, focal_gamma: float
) -> Recipe:
    """Return the named recipe with what the options change."""
    base = RECIPES[recipe]
    return dataclasses.replace(
        base,
        epochs=epochs or base.epochs,
        learning_rate=learning_rate or base.learning_rate,
        loss=loss,
        focal_gamma=focal_gamma,
    )
