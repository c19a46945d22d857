"""`sernet-edge cross-validate`."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import click

from sernet_edge.cross_validate import cross_validation
from sernet_edge.cross_validate.cross_validation import CrossValidationSettings
from sernet_edge.runtime.options import Integer
from sernet_edge.train.evaluation.protocols import Split
from sernet_edge.train.evaluation.saved_runs import as_text
from sernet_edge.train.options import TrainingOptions, names, skip_bad_option, training_options
from sernet_edge.train.progress import TerminalProgress


@click.command()
@training_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run; created if missing. A run in it with the same settings is continued.",
)
@click.option(
    "--split",
    type=click.Choice(typing.get_args(Split)),
    default=CrossValidationSettings.split,
    show_default=True,
    help="Leave one speaker out, or one corpus (protocol cross-corpus), or make ten random folds "
    "as the published figures do.",
)
@click.option(
    "--test-corpus",
    metavar="NAME",
    help="With several corpora, leave out the speakers of this one alone; the others are in the "
    "training of every fold.",
)
@click.option(
    "--folds",
    metavar="NAMES",
    callback=names,
    help="Only these folds, separated by commas.  [default: all]",
)
@click.option(
    "--baseline",
    is_flag=True,
    help="Train openSMILE's ComParE functionals and a linear SVM instead of a network; of the "
    "training options only --corpus and --seed apply.",
)
@skip_bad_option
@click.option(
    "--jobs",
    type=Integer(1),
    default=CrossValidationSettings.jobs,
    show_default=True,
    help="Folds to train at a time on this computer.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Train the folds on the Dask cluster of this scheduler, tcp://HOST:PORT, whose workers "
    "see the corpus and OUT under the same paths.",
)
@click.option(
    "--keep-models", is_flag=True, help="Write each fold's model to OUT/fold-NAME.tflite."
)
@click.option(
    "--teach",
    type=Integer(1),
    metavar="K",
    help="Also teach each fold's model with K clips of each emotion by the test speaker, and test "
    "it on other sentences, in five draws. The models are kept.",
)
@click.option("--log-csv", is_flag=True, help="Write each epoch's figures to OUT/fold-NAME.csv.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def cross_validate(options: TrainingOptions, as_json: bool, **others: Any) -> None:
    """Train and test a model once a fold.

    Writes each fold's predictions to OUT/fold-NAME.json when the fold is finished. The same
    command continues a run that was stopped and keeps its finished folds. The figures of all
    protocols that fit the split are pooled over the folds in OUT.
    """
    settings = CrossValidationSettings(options.model_settings(), **others)
    figures = cross_validation.cross_validate(settings, TerminalProgress())
    click.echo(json.dumps(figures) if as_json else as_text(figures))
