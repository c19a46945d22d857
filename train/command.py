"""`sernet-edge train`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sernet_edge.train import training
from sernet_edge.train.options import TrainingOptions, names, skip_bad_option, training_options
from sernet_edge.train.progress import TerminalProgress


@click.command()
@training_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File of the model, *.keras; its figures and picture are written beside it.",
)
@click.option(
    "--holdout",
    metavar="SPEAKERS",
    callback=names,
    help="Speakers for the test only, separated by commas, or 'none'.  "
    "[default: the last two of each corpus]",
)
@skip_bad_option
@click.option("--log-csv", is_flag=True, help="Write each epoch's figures to OUT's .epochs.csv.")
@click.option("--force", is_flag=True, help="Replace an existing model.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def train(
    options: TrainingOptions,
    out: Path,
    holdout: tuple[str, ...] | None,
    skip_bad: bool,
    log_csv: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Train a model on a corpus of emotional speech.

    Writes OUT (the Keras model with its contract), OUT's .metrics.json and .confusion.png. The
    same command continues a training that was stopped.
    """
    settings = training.TrainingSettings(
        options.model_settings(),
        out,
        () if holdout == ("none",) else holdout,
        skip_bad,
        log_csv,
        force,
    )
    progress = TerminalProgress()
    trained = training.train(settings, progress)
    files = ", ".join(str(path) for path in trained.files)
    progress.say(f"wrote {files}; contract {trained.contract.id}")
    report = trained.report
    if as_json:
        click.echo(json.dumps(report))
    elif "uar" in report:
        click.echo(
            f"held-out speakers {', '.join(report['holdout_speakers'])}: UAR {report['uar']:.1%}, "
            f"WA {report['wa']:.1%}, macro F1 {report['macro_f1']:.1%} "
            f"over {report['utterances']} utterances (a single split)"
        )
