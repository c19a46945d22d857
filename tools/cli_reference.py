"""Generates the reference of the command line, in Markdown, from the commands."""

from __future__ import annotations

import inspect
import re

import click

from sernet_edge.commands import cli

_HEAD = """\
# Command line

Made from the commands; `sernet-edge COMMAND --help` says the same.
"""


def reference() -> str:
    """Return the page."""
    context = click.Context(cli, info_name="sernet-edge")
    parts = [
        "# Command line\n\nMade from the commands; `sernet-edge COMMAND --help` says the same.\n"
    ]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        parts += _command(command, context, name)
    return "\n".join(parts)


def _command(command: click.Command, parent: click.Context, name: str) -> list[str]:
    context = click.Context(command, parent=parent, info_name=name)
    parts = [
        f"## {context.command_path.removeprefix('sernet-edge ')}\n",
        f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```\n",
        f"{_escaped(_text(command.help))}\n",
        *_options(command, context),
    ]
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            parts += _command(found, context, inner)
    return parts


def _text(text: str | None) -> str:
    """Return a command's help without click's marks against wrapping."""
    return inspect.cleandoc((text or "").replace("\b\n", "").replace("\f", ""))


def _options(command: click.Command, context: click.Context) -> list[str]:
    records = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
        and parameter.name != "help"
        and (record := parameter.get_help_record(context))
    ]
    if not records:
        return []
    rows = (f"| `{_cell(name)}` | {_escaped(_cell(text))} |" for name, text in records)
    return ["\n".join(["| option | |", "|---|---|", *rows]) + "\n"]


def _cell(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Escape characters that are special in Markdown."""
    return re.sub(r"([\[\]*_`|])", r"\\\1", text).replace("<", "&lt;")
