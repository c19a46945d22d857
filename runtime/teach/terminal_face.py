"""Shows a guided session in the terminal: the person types answers, a bar shows the level."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Sequence

import click

from sernet_edge.runtime.level import Level
from sernet_edge.runtime.teach.guide import END, Choice
from sernet_edge.runtime.teach.prompts import Prompt

_BAR = 30
_LEAST_DBFS = -60.0


class TerminalFace:
    """See `guide.Face`. A thread of its own reads the answers, lines of standard input."""

    def __init__(self) -> None:
        """Start reading answers."""
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._has_bar = False
        self._at_end = False
        threading.Thread(target=self._read, name="answers", daemon=True).start()

    def prompt(self, prompt: Prompt, done: int, total: int) -> None:
        """Print what to say."""
        cue = f", {prompt.cue}" if prompt.cue else ""
        self._print(f"\nclip {done + 1} of {total}: {prompt.label}{cue}")
        if prompt.sentence:
            self._print(f"\n    {prompt.sentence}\n")

    def offer(self, choices: Sequence[Choice]) -> None:
        """Print the possible answers."""
        named = [f"{choice.key or 'Enter'}: {choice.text}" for choice in choices]
        self._print(f"[{', '.join(named)}]")

    def level(self, level: Level, seconds: float) -> None:
        """Draw the level over the last one; draw nothing if the output is not a terminal."""
        if not sys.stderr.isatty():
            return
        share = max(0.0, min(1.0, 1 - level.dbfs / _LEAST_DBFS))
        bar = "#" * round(_BAR * share)
        loud = "  too loud" if level.clipped else ""
        text = f"\r\x1b[K{seconds:5.1f} s |{bar:<{_BAR}}| {level.dbfs:4.0f} dBFS{loud}"
        click.echo(text, err=True, nl=False)
        self._has_bar = True

    def tell(self, text: str) -> None:
        """Print a message."""
        self._print(text)

    def answer(self) -> str | None:
        """Return the line that was typed, without spaces and in lower case."""
        try:
            line = self._lines.get_nowait()
        except queue.Empty:
            return END.key if self._at_end else None
        if self._has_bar:  # the Enter key has moved the cursor to the next line
            click.echo("\r\x1b[K", err=True, nl=False)
            self._has_bar = False
        return line

    def _print(self, text: str) -> None:
        if self._has_bar:
            click.echo(err=True)
            self._has_bar = False
        click.echo(text, err=True)

    def _read(self) -> None:
        """Read lines until there are no more; runs in the thread.

        It does not read `sys.stdin`: a thread that waits there keeps Python from ending.
        """
        typed = b""
        while part := os.read(0, 4096):
            *lines, typed = (typed + part).split(b"\n")
            for line in lines:
                self._lines.put(line.decode(errors="replace").strip().lower())
        self._at_end = True
