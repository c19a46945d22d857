"""Reports the progress of a long task: not at all, or on the terminal."""

from __future__ import annotations

import sys
import time

import click


class Progress:
    """Ignores the progress of a task; see `TerminalProgress`."""

    def say(self, text: str) -> None:
        """Report a message or a warning, one line."""

    def show(self, text: str) -> None:
        """Report the task's state, which the next call replaces."""

    def begin(self, label: str, total: int, done: int = 0, line_every: int = 0) -> None:
        """Begin a series of `total` equal steps.

        Args:
            label: Name of a step, such as "epoch".
            total: Number of steps.
            done: Number of steps that an earlier run did.
            line_every: Steps between lines if the output is not a terminal; 0: no lines.
        """

    def advance(self, figures: str = "") -> None:
        """Report that one more step is done, with its figures in words."""


QUIET = Progress()
"""Ignores everything."""


class TerminalProgress(Progress):
    """Writes lines to standard error; on a terminal the last line changes in place."""

    def __init__(self) -> None:
        """Check whether standard error is a terminal."""
        self._live = sys.stderr.isatty()
        self._clear = "\r\x1b[K" if self._live else ""
        self.begin("", 0)

    def say(self, text: str) -> None:
        """See `Progress.say`."""
        click.echo(self._clear + text, err=True)

    def show(self, text: str) -> None:
        """See `Progress.show`; writes on a terminal only."""
        if self._live:
            click.echo(self._clear + text, err=True, nl=False)

    def begin(self, label: str, total: int, done: int = 0, line_every: int = 0) -> None:
        """See `Progress.begin`."""
        self._label, self._total, self._before, self._done = label, total, done, done
        self._line_every = line_every
        self._started_s = time.monotonic()

    def advance(self, figures: str = "") -> None:
        """See `Progress.advance`."""
        self._done += 1
        per_step_s = (time.monotonic() - self._started_s) / (self._done - self._before)
        left_s = round(per_step_s * (self._total - self._done))
        last = self._done == self._total
        text = f"{self._label} {self._done}/{self._total}: {figures}{', ' * bool(figures)}"
        text += f"{left_s // 60}:{left_s % 60:02d} left"
        if self._line_every and (last or not (self._live or self._done % self._line_every)):
            self.say(text)
        elif last:
            self.show("")
        else:
            self.show(text)
