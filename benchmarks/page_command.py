"""Runs a command that writes a page; an error is one line, never a traceback."""

from __future__ import annotations

import sys

import click

from sernet_edge.runtime.errors import SernetError


def run_page_command(command: click.Command) -> None:
    """Run a command with the program's arguments; exit with 1 if it fails."""
    try:
        command()
    except SernetError as error:
        click.echo(f"{sys.argv[0]}: {error}", err=True)
        sys.exit(1)
