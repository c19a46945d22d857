"""Reports the progress of a long piece of work: not at all, or on the terminal."""

from __future__ import annotations

import sys
import time

import click


class Progress:
    """Takes the progress of a piece of work and ignores it; see `TerminalProgress`."""

    def say(self, text: str) -> None:
        """Take a remark or a warning, one line."""

    def show(self, text: str) -> None:
        """Take the state of the work, which the next call replaces."""

    def begin(self, label: str, total: int, done: int = 0, line_every: int = 0) -> None:
        """Take notice that a series of `total` equal steps begins, `done` of them done before.

        Args:
            label: One step, as in "epoch".
            total: How many steps there are.
            done: How many steps an earlier run did.
            line_every: Steps between lines where the output is not a terminal; 0: no lines.
        """

    def advance(self, figures: str = "") -> None:
        """Take notice that one more step is done, with its figures in words."""


QUIET = Progress()
"""Ignores everything."""


class TerminalProgress(Progress):
    """Writes to standard error: lines, and on a terminal a last line that changes."""

    def __init__(self) -> None:
        """Find out whether standard error is a terminal."""
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
