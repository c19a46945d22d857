"""The options that every command which trains has, and the settings that they make."""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sernet_edge.runtime.contract import Contract, Features, Level
from sernet_edge.runtime.options import finite
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.models import ARCHITECTURES, DEFAULT_ARCHITECTURE
from sernet_edge.train.recipe import RECIPES, Loss, Recipe

if TYPE_CHECKING:
    from sernet_edge.train.recordings import Recording

corpus_option = click.option(
    "--corpus",
    "corpus_and_folder",
    type=(click.Choice(sorted(CORPORA)), click.Path(path_type=Path)),
    required=True,
    metavar="NAME PATH",
    help=f"Corpus ({', '.join(sorted(CORPORA))}) and the folder, or csv file, it lies in.",
)

skip_bad_option = click.option(
    "--skip-bad",
    is_flag=True,
    help="Name recordings that cannot be read and go on without them.",
)


def list_utterances(corpus: str, folder: Path) -> list[Utterance]:
    """List the utterances of a corpus; tell on stderr where that is not all of it."""
    utterances = CORPORA[corpus].read(folder)
    if shortfall := CORPORA[corpus].shortfall(utterances):
        click.echo(f"warning: {folder} holds {shortfall}", err=True)
    return utterances


def read_corpus(
    utterances: Sequence[Utterance], contract: Contract, skip_bad: bool
) -> tuple[list[Recording], list[str]]:
    """Read the recordings of `utterances`, and tell on stderr how many, and what is left out.

    Args:
        utterances: What to read.
        contract: See `recordings.read_recordings`.
        skip_bad: Whether to go on without those that cannot be used.

    Returns:
        The recordings, and what is wrong with those left out.

    Raises:
        AudioError: See `recordings.read_recordings`.
    """
    # Here, since it resamples: the commands load that when all that is cheap is checked.
    from sernet_edge.train.recordings import read_recordings
    from sernet_edge.train.same_audio import SameAudio

    click.echo(f"reading {len(utterances)} recordings", err=True)
    bad: list[str] = []
    recordings = read_recordings(utterances, contract, bad if skip_bad else None)
    tell_skipped(bad)
    tell_doubts(SameAudio(recordings).remarks())
    return recordings, bad


def tell_skipped(bad: Sequence[str]) -> None:
    """Name on stderr the recordings that --skip-bad left out, and count them."""
    for problem in bad:
        click.echo(f"skipped: {problem}", err=True)
    if bad:
        click.echo(f"recordings skipped: {len(bad)}", err=True)


def tell_doubts(remarks: Sequence[str]) -> None:
    """Say on stderr what is doubtful about a corpus."""
    for remark in remarks:
        click.echo(f"warning: {remark}", err=True)


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


_weight = click.FloatRange(0)

_OPTIONS = (
    corpus_option,
    click.option(
        "--architecture",
        type=click.Choice(list(ARCHITECTURES)),
        default=DEFAULT_ARCHITECTURE,
        show_default=True,
        metavar="NAME",
        help="What to train; --list-architectures says what there is.",
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
        help="What the model sees of each frame.  [default: what the architecture is meant for]",
    ),
    click.option(
        "--init",
        type=click.Path(path_type=Path),
        metavar="MODEL.keras",
        help="Start from this model's weights, where layers have the same name and shape.",
    ),
    click.option(
        "--recipe", type=click.Choice(sorted(RECIPES)), default="default", show_default=True
    ),
    click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's."),
    click.option(
        "--learning-rate",
        type=click.FloatRange(0, min_open=True),
        callback=finite,
        help="Instead of the recipe's.",
    ),
    click.option(
        "--loss",
        type=click.Choice(typing.get_args(Loss)),
        help="Instead of the recipe's.",
    ),
    click.option(
        "--focal-gamma",
        type=click.FloatRange(0),
        callback=finite,
        help="Instead of the recipe's.",
    ),
    click.option("--class-weights", is_flag=True, help="Rare labels weigh more: all the same."),
    click.option(
        "--center-loss",
        type=_weight,
        callback=finite,
        help="Weight of the center loss; 0 is off.  [default: the architecture's, else the "
        "recipe's]",
    ),
    click.option(
        "--reconstruction",
        type=_weight,
        callback=finite,
        help="Weight of the error of a decoder that reconstructs the input; 0 is off.  "
        "[default: the architecture's, else the recipe's]",
    ),
    click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_recipe_changes,
        help="Change any other setting of the recipe, such as speed=0.1; train/recipe.py has them.",
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
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True),
)


@dataclass(frozen=True)
class Settings:
    """What the options say about a training run.

    Attributes:
        corpus: Its name in `CORPORA`.
        folder: Where it lies.
        architecture: Its name in `ARCHITECTURES`.
        features: See `Contract.features`.
        init: Model to start from; None is random weights.
        recipe: The named recipe with what the options change.
        level: See `Contract.level`.
        window_frames: See `Contract.window_frames`.
        seed: Of every random choice.
    """

    corpus: str
    folder: Path
    architecture: str
    features: Features
    init: Path | None
    recipe: Recipe
    level: Level
    window_frames: int
    seed: int


def training_options(command: Callable[..., None]) -> Callable[..., Any]:
    """Give a click command the options of training, as one argument `settings`."""

    @functools.wraps(command)
    def with_settings(
        *,
        corpus_and_folder: tuple[str, Path],
        architecture: str,
        features: Features | None,
        init: Path | None,
        recipe: str,
        epochs: int | None,
        learning_rate: float | None,
        loss: Loss | None,
        focal_gamma: float | None,
        class_weights: bool,
        center_loss: float | None,
        reconstruction: float | None,
        changes: dict[str, Any],
        level: Level,
        window_frames: int,
        seed: int,
        **others: Any,
    ) -> None:
        base, own = RECIPES[recipe], ARCHITECTURES[architecture]
        if center_loss is None:
            center_loss = own.center_loss or base.center_loss
        if reconstruction is None:
            reconstruction = own.reconstruction or base.reconstruction
        chosen = dataclasses.replace(
            base,
            epochs=epochs or base.epochs,
            learning_rate=learning_rate or base.learning_rate,
            loss=loss or base.loss,
            focal_gamma=base.focal_gamma if focal_gamma is None else focal_gamma,
            class_weights=class_weights or base.class_weights,
            center_loss=center_loss,
            reconstruction=reconstruction,
        )
        try:
            chosen = dataclasses.replace(chosen, **changes)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--set") from error
        name, folder = corpus_and_folder
        settings = Settings(
            name,
            folder,
            architecture,
            features or own.features,
            init,
            chosen,
            level,
            window_frames,
            seed,
        )
        command(settings=settings, **others)

    decorated: Callable[..., Any] = with_settings
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
