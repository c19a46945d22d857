"""`sernet-edge teach`: its command, and what it prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import check_outputs, write_bytes
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import DEFAULT_MODEL
from sernet_edge.runtime.outputs.web_access import Address
from sernet_edge.runtime.teach import forgetting, teaching
from sernet_edge.runtime.teach.clips import read_clips
from sernet_edge.runtime.teach.head_block import head_block
from sernet_edge.runtime.teach.lesson import Lesson, outdated
from sernet_edge.runtime.teach.options import LessonSettings, lesson_options
from sernet_edge.runtime.teach.teaching import Taught


@click.command()
@lesson_options
@click.option("--force", is_flag=True, help="Replace files that exist; with --forget, do not ask.")
@click.option(
    "--even-if-worse",
    is_flag=True,
    help="Write the model even if it judges the clips worse than the old one does.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def teach(settings: LessonSettings, force: bool, even_if_worse: bool, as_json: bool) -> None:
    """Adapt a model to a voice with a few labelled CLIPS.

    CLIPS is a folder that holds EMOTION/x.wav, or a CSV table with the columns path and label.
    One clip of each emotion helps, two to four help more. An emotion without clips keeps its
    weights. The clips stay where they are; the model stores only how many there were.
    """
    if settings.forget is not None:
        forgetting.forget(settings.forget, force)
        return
    lesson = settings.lesson()
    if lesson is not None and settings.repeat is None:
        check_outputs([lesson.out, *filter(None, [lesson.head])], force)
    base = ModelFile.read(settings.model or DEFAULT_MODEL if lesson is None else lesson.base_path)
    if settings.repeat is not None:
        _say_what_changed(settings.repeat)
    if settings.guided is not None and not _record(settings, base):
        return
    if lesson is not None:
        _teach(lesson, base, even_if_worse, as_json)


def _record(settings: LessonSettings, base: ModelFile) -> bool:
    """Record clips; return whether to go on and teach with them."""
    from sernet_edge.runtime.teach.guided import record_guided

    folder = settings.guided
    assert folder is not None
    web = None if settings.web is None else Address.from_text(settings.web)
    try:
        enough = record_guided(folder, base, settings.device, settings.channel, web)
    except KeyboardInterrupt:
        click.echo(f"\nthe clips stay in {folder}; the same command goes on", err=True)
        raise
    if enough and settings.out is not None:
        return True
    out = settings.out or "mine.tflite"
    if not enough:
        click.echo("not enough yet: the same command goes on where you were", err=True)
    click.echo(f"to teach with them: sernet-edge teach {folder} --out {out}", err=True)
    return False


def _say_what_changed(taught: Path) -> None:
    changed = outdated(ModelFile.read(taught), taught)
    _tell(changed or f"the model that {taught.name} was taught from is the same as before")


def _teach(lesson: Lesson, base: ModelFile, even_if_worse: bool, as_json: bool) -> None:
    """Teach the model, and write the results."""
    if lesson.head is not None:
        head_block(base)  # fail now if the model's head cannot be written
    contract = base.require_contract()
    read = read_clips(lesson.files(contract, _warn), contract, _warn)
    taught = teaching.teach(base, read, _warn, lambda done: _show(done, len(read)))
    if taught.is_worse and not even_if_worse:
        figures = taught.record()
        raise SernetError(
            f"the taught model would be worse on the clips: UAR {figures['uar']:.0%} where the "
            f"old one has {figures['uar_before']:.0%}; nothing was written",
            "check the clips and their labels, record more, or add --even-if-worse",
        )
    if lesson.head is not None:
        write_bytes(lesson.head, head_block(taught.file))
    lesson.write()
    write_bytes(lesson.out, taught.file.data)
    if as_json:
        record = {"model": str(lesson.out), "contract": taught.file.require_contract().id}
        click.echo(json.dumps({**record, **taught.record()}, indent=1))
    else:
        _print(taught, lesson.out)


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
    _tell(f"warning: {text}")


def _tell(text: str) -> None:
    click.echo(f"{_clear()}{text}", err=True)


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty():
        text = f"clip {done}/{total}" if done < total else ""
        click.echo(f"{_clear()}{text}", err=True, nl=False)


def _clear() -> str:
    return "\r\x1b[K" if sys.stderr.isatty() else ""
