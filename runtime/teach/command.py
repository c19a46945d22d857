"""`sernet-edge teach`: the options, and what is printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from sernet_edge.runtime.errors import SernetError, SettingError
from sernet_edge.runtime.files import check_outputs, write_bytes
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import DEFAULT_MODEL
from sernet_edge.runtime.options import IN_THE_BOX, MODEL_PATH
from sernet_edge.runtime.teach import forgetting, teaching
from sernet_edge.runtime.teach.clips import check_labels, find_clips, read_clips
from sernet_edge.runtime.teach.head_block import head_block
from sernet_edge.runtime.teach.marks import marked_clips
from sernet_edge.runtime.teach.teaching import Taught


@click.command()
@click.argument("clips", type=click.Path(path_type=Path), required=False)
@click.option(
    "--from-marks",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Learn from the marked recordings in DIR, the folder of `listen --record`.",
)
@click.option(
    "--model",
    type=MODEL_PATH,
    default=DEFAULT_MODEL,
    metavar="MODEL",
    help=f"The model to teach, *.tflite, or {IN_THE_BOX}.  [default: voices]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The taught model to write, *.tflite.",
)
@click.option(
    "--head",
    "head_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the last layer alone, for firmware that loads it at run time.",
)
@click.option(
    "--forget",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Delete the recordings and marks in DIR, and do nothing else.",
)
@click.option("--force", is_flag=True, help="Replace files that exist; with --forget, do not ask.")
@click.option(
    "--even-if-worse",
    is_flag=True,
    help="Write a model that judges the clips worse than the old one does.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def teach(
    clips: Path | None,
    from_marks: Path | None,
    model: Path,
    out: Path | None,
    head_path: Path | None,
    forget: Path | None,
    force: bool,
    even_if_worse: bool,
    as_json: bool,
) -> None:
    """Adapt a model to a voice with a few labelled CLIPS.

    CLIPS is a folder that holds EMOTION/x.wav, or a CSV table with the columns path and label.
    One clip of each emotion helps, two to four help more. An emotion without clips keeps its
    weights. The clips stay where they are, and nothing of them but their number enters the model.
    """
    if forget is not None:
        forgetting.forget(forget, force)
        return
    if clips is None and from_marks is None:
        raise click.UsageError("Name the clips, or --from-marks DIR.")
    if out is None:
        raise click.UsageError("--out names the model to write.")
    if out.suffix != ".tflite":
        raise SettingError("out", f"{out} must end in .tflite")
    check_outputs([out, *filter(None, [head_path])], force)
    file = ModelFile.read(model)
    if head_path is not None:
        head_block(file)  # better to know now that it cannot be had
    contract = file.require_contract()
    files = [] if clips is None else find_clips(clips)
    check_labels(files, contract)
    if from_marks is not None:
        files += marked_clips(from_marks, contract, _warn)
    read = read_clips(files, contract, _warn)
    taught = teaching.teach(file, read, _warn, lambda done: _show(done, len(read)))
    if taught.is_worse and not even_if_worse:
        figures = taught.record()
        raise SernetError(
            f"the taught model would be worse on the clips: UAR {figures['uar']:.0%} where the "
            f"old one has {figures['uar_before']:.0%}; nothing was written",
            "check the clips that are warned of, record more, or add --even-if-worse",
        )
    if head_path is not None:
        write_bytes(head_path, head_block(taught.file))
    write_bytes(out, taught.file.data)
    if as_json:
        record = {"model": str(out), "contract": taught.file.require_contract().id}
        click.echo(json.dumps({**record, **taught.record()}, indent=1))
    else:
        _print(taught, out)


def _print(taught: Taught, out: Path) -> None:
    figures = taught.record()
    told = ", ".join(f"{label} {count}" for label, count in taught.counts.items() if count)
    click.echo(f"clips     {told}")
    if taught.untaught:
        click.echo(f"unchanged {', '.join(taught.untaught)}: no clips")
    if figures["judged"]:
        click.echo(
            f"expect    UAR {figures['uar']:.0%} on such clips, {figures['uar_before']:.0%} before "
            f"({figures['judged']} clips, each judged by a model taught with the others)"
        )
    else:
        click.echo("expect    unknown: it takes two clips of an emotion to try one on the other")
    contract = taught.file.require_contract()
    click.echo(f"wrote     {out}, contract {contract.id}, sure from {contract.unsure_below:g} on")


def _warn(text: str) -> None:
    click.echo(f"{_clear()}warning: {text}", err=True)


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty():
        text = f"clip {done}/{total}" if done < total else ""
        click.echo(f"{_clear()}{text}", err=True, nl=False)


def _clear() -> str:
    return "\r\x1b[K" if sys.stderr.isatty() else ""
