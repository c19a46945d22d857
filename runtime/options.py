"""What the options of several commands check."""

from __future__ import annotations

import math

import click


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN and infinity, which click's ranges let through; a callback of an option."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not finite.", context, parameter)
    return value
