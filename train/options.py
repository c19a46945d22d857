"""The command line's options for corpora and for training."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from sernet_edge.runtime.contract import Features, Level
from sernet_edge.runtime.options import Decorator, Integer, Number, finite, option_group
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder
from sernet_edge.train.models import ARCHITECTURES, DEFAULT_ARCHITECTURE
from sernet_edge.train.recipe import RECIPES, Loss, Recipe, check_noise
from sernet_edge.train.settings import ModelSettings


def _corpus_folders(
    _context: click.Context, _parameter: click.Parameter, given: Sequence[tuple[str, Path]]
) -> tuple[CorpusFolder, ...]:
    """Return the corpora; an unknown name is a `SettingError`."""
    return tuple(CorpusFolder(*one) for one in given)


def _mapping(
    context: click.Context, parameter: click.Parameter, given: Sequence[str]
) -> dict[str, str]:
    """Return the new label of each label in --map."""
    renamed = {}
    for mapping in given:
        theirs, equals, ours = mapping.partition("=")
        if not equals or not theirs:
            raise click.BadParameter(f"{mapping!r} must be THEIRS=OURS", context, parameter)
        renamed[theirs] = ours
    return renamed


def names(
    _context: click.Context, _parameter: click.Parameter, given: str | None
) -> tuple[str, ...] | None:
    """Return the names in a comma-separated text; a callback of an option."""
    return None if given is None else tuple(name.strip() for name in given.split(","))


def corpus_option(help_text: str, required: bool = True) -> Decorator:
    """Return the option --corpus, whose values are `CorpusFolder`s."""
    return click.option(
        "--corpus",
        "corpora",
        type=(str, click.Path(path_type=Path)),
        multiple=True,
        required=required,
        callback=_corpus_folders,
        metavar="NAME PATH",
        help=help_text.format(names=", ".join(sorted(CORPORA))),
    )


map_option = click.option(
    "--map",
    "mapping",
    multiple=True,
    callback=_mapping,
    metavar="THEIRS=OURS",
    help="A new label for a label of the corpora; THEIRS= leaves that label's recordings out. May "
    "be repeated.",
)

labels_option = click.option(
    "--labels",
    metavar="NAMES",
    callback=names,
    help="Keep only recordings with these labels, separated by commas.  [default: all]",
)
"""Applies after `map_option`, to the new labels."""

skip_bad_option = click.option(
    "--skip-bad",
    is_flag=True,
    help="Leave out recordings that cannot be read, and list them.",
)


def _list_architectures(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        width = max(map(len, ARCHITECTURES))
        for name, architecture in ARCHITECTURES.items():
            click.echo(f"{name:{width}}  {architecture.summary}")
        context.exit()


_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


def _recipe_changes(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, Any]:
    """Return the settings named in `given`, each "name=value", as keyword arguments."""
    kinds: dict[str, type] = {
        f.name: type(getattr(Recipe(), f.name)) for f in dataclasses.fields(Recipe)
    }
    changes: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in kinds:
            raise click.BadParameter(f"no setting {name!r}; there are {', '.join(sorted(kinds))}")
        kind = kinds[name]
        try:
            changes[name] = value if kind is str else json.loads(value)
        except ValueError as error:
            raise click.BadParameter(f"{name} cannot be {value!r}") from error
        if kind is float and type(changes[name]) is int:
            changes[name] = float(changes[name])
        if type(changes[name]) is not kind:
            raise click.BadParameter(f"{name} cannot be {value!r}: it is {_KINDS[kind]}")
    return changes


_weight = Number(0)

_TRAINING_OPTIONS = (
    corpus_option(
        "Corpus ({names}) and its folder or csv file. May be repeated: one training then uses all "
        "of them, each weighted by the square root of its size."
    ),
    map_option,
    labels_option,
    click.option(
        "--architecture",
        type=click.Choice(list(ARCHITECTURES)),
        default=DEFAULT_ARCHITECTURE,
        show_default=True,
        metavar="NAME",
        help="Model to train; --list-architectures lists the names.",
    ),
    click.option(
        "--list-architectures",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list_architectures,
        help="List the architectures and exit.",
    ),
    click.option(
        "--features",
        type=click.Choice(typing.get_args(Features)),
        help="Features of each frame.  [default: the architecture's own]",
    ),
    click.option(
        "--init",
        type=click.Path(path_type=Path),
        metavar="MODEL.keras",
        help="Start from this model's weights in all layers that have the same name and shape.",
    ),
    click.option(
        "--recipe",
        type=click.Choice(sorted(RECIPES)),
        default="default",
        show_default=True,
        help="Named set of training settings; paper is the published one, robust is for new "
        "voices, rooms and microphones.",
    ),
    click.option(
        "--noise",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder of sounds without speech, which the recipe robust adds to windows.",
    ),
    click.option("--epochs", type=Integer(1), help="Number of epochs.  [default: the recipe's]"),
    click.option(
        "--learning-rate",
        type=Number(0, min_open=True),
        callback=finite,
        help="Highest learning rate.  [default: the recipe's]",
    ),
    click.option(
        "--loss",
        type=click.Choice(typing.get_args(Loss)),
        help="Loss function.  [default: the recipe's]",
    ),
    click.option(
        "--focal-gamma",
        type=Number(0),
        callback=finite,
        help="Gamma of the focal loss.  [default: the recipe's]",
    ),
    click.option("--class-weights", is_flag=True, help="Weight classes by inverse frequency."),
    click.option(
        "--center-loss",
        type=_weight,
        callback=finite,
        help="Weight of the center loss; 0 turns it off.  [default: the architecture's, else "
        "the recipe's]",
    ),
    click.option(
        "--reconstruction",
        type=_weight,
        callback=finite,
        help="Weight of the reconstruction loss; 0 turns it off.  "
        "[default: the architecture's, else the recipe's]",
    ),
    click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_recipe_changes,
        help="Change any other setting of the recipe, such as speed=0.1. May be repeated; "
        "docs/guides/training.md explains them.",
    ),
    click.option(
        "--level",
        type=click.Choice(typing.get_args(Level)),
        help="Normalisation of the loudness.  [default: the architecture's]",
    ),
    click.option(
        "--window-frames",
        type=Integer(16),
        help="Frames in the model's window; 184 are 3 s, 434 are 7 s.  "
        "[default: the architecture's]",
    ),
    click.option(
        "--seed",
        type=Integer(0, 2**32 - 1),
        default=1,
        show_default=True,
        help="Seed of every random choice.",
    ),
)


@dataclass(frozen=True)
class TrainingOptions:
    """The values of the options above; None is the default of the recipe or the architecture."""

    corpora: tuple[CorpusFolder, ...]
    mapping: dict[str, str]
    labels: tuple[str, ...] | None
    architecture: str
    features: Features | None
    init: Path | None
    recipe: str
    noise: Path | None
    epochs: int | None
    learning_rate: float | None
    loss: Loss | None
    focal_gamma: float | None
    class_weights: bool
    center_loss: float | None
    reconstruction: float | None
    changes: dict[str, Any]
    level: Level | None
    window_frames: int | None
    seed: int

    def model_settings(self) -> ModelSettings:
        """Return the settings from the options.

        Raises:
            click.BadParameter: --set makes an impossible recipe.
            SettingError: See `recipe.check_noise`.
        """
        fitting = {"level": self.level, "window_frames": self.window_frames}
        chosen = ModelSettings.of_architecture(
            CorpusChoice(self.corpora, self.labels or (), self.mapping),
            self.architecture,
            RECIPES[self.recipe],
            init=self.init,
            seed=self.seed,
            noise=self.noise,
            **{name: value for name, value in fitting.items() if value is not None},
        )
        given = {
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "loss": self.loss,
            "focal_gamma": self.focal_gamma,
            "class_weights": self.class_weights or None,
            "center_loss": self.center_loss,
            "reconstruction": self.reconstruction,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        try:
            recipe = dataclasses.replace(chosen.recipe, **(changes | self.changes))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--set") from error
        check_noise(recipe, self.noise is not None)
        return dataclasses.replace(chosen, recipe=recipe, features=self.features or chosen.features)


training_options = option_group("options", TrainingOptions, _TRAINING_OPTIONS)
"""Adds the options of training to a click command, as one argument `options`."""
