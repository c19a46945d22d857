"""`sernet-edge teach --forget`: deletes recordings, marks and guided clips."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.event_folder import EventFolder
from sernet_edge.runtime.teach.guided_folder import forget_guided


def forget(folder: Path, force: bool) -> None:
    """Delete the recordings, marks and guided clips in a folder, after a confirmation.

    Args:
        folder: The folder of `listen --record`, or of guided sessions.
        force: Whether to delete without asking.

    Raises:
        SernetError: The folder cannot be read, a file cannot be deleted, or there is no terminal
            to ask on.
    """
    if not folder.is_dir():
        raise SernetError(f"{folder} is not a folder", "name the folder of the clips")
    if not force:
        if not sys.stdin.isatty():
            raise SernetError(
                f"nothing was deleted in {folder}: nobody can be asked here", "add --force"
            )
        click.confirm(f"Delete all that was recorded and marked in {folder}?", abort=True)
    recordings, marks = EventFolder(folder).forget()
    try:
        clips = forget_guided(folder)
    except OSError as error:
        where = error.filename or folder
        raise SernetError(f"cannot delete {where}: {error.strerror}") from error
    counts = {"recording": recordings, "mark": marks, "guided clip": clips}
    told = ", ".join(_number(count, what) for what, count in counts.items())
    click.echo(f"deleted {told} in {folder}")
    try:
        others = sum(1 for _ in folder.iterdir())
    except OSError:
        others = 0
    if others:
        click.echo(f"left    {_number(others, 'other entry', 'other entries')} in the folder")
    click.echo("kept    models that were taught with them: they hold no sound")


def _number(count: int, what: str, several: str = "") -> str:
    return f"{count} {what if count == 1 else several or what + 's'}"
