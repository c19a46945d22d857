"""Checks that the options of several commands share, and groups of options as one object."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from sernet_edge.runtime.errors import guess
from sernet_edge.runtime.models import BOX

T = TypeVar("T")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _ModelPath(click.Path):
    """The path of a model, or the name of a shipped one; a file with that name has precedence."""

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> Any:
        path = Path(os.fsdecode(super().convert(value, parameter, context)))
        if path.exists():
            return path
        if (shipped := BOX.get(str(path))) is not None:
            return shipped
        if str(path) == path.stem:
            self.fail(
                f"there is no file {str(path)!r}, and no shipped model has this name "
                f"(they are {', '.join(BOX)}).{guess(str(path), BOX)}",
                parameter,
                context,
            )
        return path

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the first letters of a shipped model's name; leave the rest to the shell."""
        names = [name for name in BOX if incomplete and name.startswith(incomplete)]
        completed = [CompletionItem(name) for name in names]
        return completed or super().shell_complete(context, parameter, incomplete)


MODEL_PATH = _ModelPath(path_type=Path)
"""The type of options and arguments that name a `.tflite`."""


class Number(click.FloatRange):
    """click's range of floats, which calls itself a number in messages and in the help."""

    name = "number"


class Integer(click.IntRange):
    """click's range of integers, which calls itself an integer in messages and in the help."""

    name = "integer"


SHIPPED = f"a shipped one: {', '.join(BOX)}"
"""A phrase for help texts."""


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN and infinity, which click's ranges let through; a callback of an option."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not finite.", context, parameter)
    return value


def is_flag_given(name: str) -> bool:
    """Whether an option of the running command was given on the command line."""
    context = click.get_current_context()
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def option_group(argument: str, settings: type[Any], options: Sequence[Decorator]) -> Decorator:
    """Return a decorator that gives a click command `options` as one argument.

    Args:
        argument: The command's argument.
        settings: A dataclass whose fields have the options' names. Its constructor raises
            `click.UsageError` if the options contradict each other.
        options: Results of `click.option`, in the order of the help.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_settings(**values: Any) -> Any:
            chosen = _take(settings, values)
            return command(**{argument: chosen}, **values)

        decorated: Callable[..., Any] = with_settings
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def from_context(settings: type[T], context: click.Context) -> T:
    """Return the settings of a command from its context, without calling it.

    Args:
        settings: See `option_group`.
        context: The context with the command's options.
    """
    return _take(settings, dict(context.params))


def _take(settings: type[T], values: dict[str, Any]) -> T:
    """Make a dataclass from the values named like its fields, and remove them from `values`."""
    fields: Any = dataclasses.fields(settings)  # type: ignore[arg-type]
    return settings(**{field.name: values.pop(field.name) for field in fields})
