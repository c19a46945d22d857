"""`sernet-edge teach --forget`: deletes what was recorded and marked."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.event_folder import EventFolder


def forget(folder: Path, force: bool) -> None:
    """Delete the recordings and the marks in a folder, once that is confirmed.

    Args:
        folder: Of `listen --record`.
        force: Whether it is confirmed already.

    Raises:
        SernetError: The folder cannot be read, a file cannot be deleted, or nobody can be asked.
    """
    if not folder.is_dir():
        raise SernetError(f"{folder} is not a folder", "name the folder of `listen --record`")
    if not force:
        if not sys.stdin.isatty():
            raise SernetError(
                f"nothing was deleted in {folder}: nobody can be asked here", "add --force"
            )
        click.confirm(f"Delete all recordings and marks in {folder}?", abort=True)
    recordings, marks = EventFolder(folder).forget()
    told = f"{_number(recordings, 'recording')} and {_number(marks, 'mark')}"
    click.echo(f"deleted {told} in {folder}")
    try:
        others = sum(1 for _ in folder.iterdir())
    except OSError:
        others = 0
    if others:
        click.echo(f"left    {_number(others, 'other file')}, which this program did not record")
    click.echo("kept    models that were taught with them: they hold no sound")


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
