"""The options of `listen` that say where results go, and the output that they make."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import click

from sernet_edge.runtime.options import option_group
from sernet_edge.runtime.outputs import JsonLines, LiveView, Output, PlainLines


@dataclass(frozen=True)
class OutputSettings:
    """Where results go.

    Attributes:
        json: Whether standard output gets JSON lines.
        no_timing: Whether the computing times are left out.
    """

    json: bool
    no_timing: bool

    def open(self) -> Output:
        """Open the output; without `json`, what standard output is decides."""
        timing = not self.no_timing
        if self.json:
            return JsonLines(sys.stdout, timing)
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            # https://no-color.org
            return LiveView(sys.stdout, timing, colour=not os.environ.get("NO_COLOR"))
        return PlainLines(sys.stdout, timing)


output_options = option_group(
    "output_settings",
    OutputSettings,
    (
        click.option("--json", is_flag=True, help="One JSON object a line."),
        click.option("--no-timing", is_flag=True, help="Leave out the computing times."),
    ),
)
