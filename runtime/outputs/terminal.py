"""For people: a live view on a terminal, or a plain line per result elsewhere."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TextIO

import click

from sernet_edge.runtime.records import Record, Result

_MAX_WIDTH = 80
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Summary:
    """Counts over a whole recording."""

    def __init__(self) -> None:
        """Start with no result."""
        self._leads: Counter[str] = Counter()
        self._sums: Counter[str] = Counter()

    def add(self, result: Result) -> None:
        """Count one result, unless it has no label."""
        if result.label is None:
            return
        self._leads[result.label] += 1
        for label, score in result.scores.items():
            self._sums[label] += score  # type: ignore[assignment]  # a Counter sums floats too

    def __str__(self) -> str:
        """Return one line, empty without a result."""
        total = self._leads.total()
        if not total:
            return ""
        means = ", ".join(f"{label} {n / total:.2f}" for label, n in self._sums.most_common(2))
        leader, times = self._leads.most_common(1)[0]
        windows = "1 window" if total == 1 else f"{total} windows"
        return f"{windows}: {leader} leads in {times}; mean {means}"


class PlainLines:
    """One line per result: time, the three highest scores, computing times."""

    def __init__(self, file: TextIO, timing: bool = True) -> None:
        """Write to `file`, with computing times or without."""
        self._file = file
        self._timing = timing
        self._summary = Summary()

    def write(self, record: Record) -> None:
        """Write one line per result, flushed at once."""
        if not isinstance(record, Result):
            return
        self._summary.add(record)
        highest = sorted(record.scores.items(), key=lambda item: -item[1])[:3]
        line = f"{record.time_s:7.2f} s  "
        line += "  ".join(f"{label} {score:.2f}" for label, score in highest)
        self._file.write(f"{line}{_remarks(record, self._timing)}\n")
        self._file.flush()

    def finish(self) -> None:
        """Write the summary."""
        self._file.write(f"{self._summary}\n")

    def close(self) -> None:
        """Leave the file open: it is the caller's."""


class LiveView:
    """The latest result, drawn over the one before: the leading emotion and a bar for each."""

    def __init__(self, file: TextIO, timing: bool = True, colour: bool = True) -> None:
        """Draw on `file`, a terminal."""
        self._file = file
        self._timing = timing
        self._colour = colour
        self._summary = Summary()
        self._height = 0
        try:
            _EIGHTHS.encode(file.encoding or "ascii")
            self._blocks = _EIGHTHS
        except UnicodeEncodeError:
            self._blocks = " #"

    def write(self, record: Record) -> None:
        """Replace what is on the screen with the latest result."""
        if not isinstance(record, Result) or record.label is None:
            return
        self._summary.add(record)
        width = min(_MAX_WIDTH, shutil.get_terminal_size().columns - 1)
        lines = self._draw(record, width)
        # Up to the first line of the last view; each line is cleared before it is written.
        up = f"\x1b[{self._height}A" if self._height else "\x1b[?25l"  # first: hide the cursor
        self._height = len(lines)
        self._file.write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
        self._file.flush()

    def finish(self) -> None:
        """Write the summary below the last view."""
        self._file.write(f"  {self._summary}\n")

    def close(self) -> None:
        """Give the cursor back, and wipe the `^C` that a terminal echoes."""
        if self._height:
            self._file.write("\r\x1b[K\x1b[?25h")
            self._file.flush()

    def _draw(self, result: Result, width: int) -> list[str]:
        """Return the view's lines, none wider than `width` characters."""
        names = min(20, max(len(label) for label in result.scores))
        room = max(4, width - names - 10)
        when = f"{result.time_s:.2f} s"
        label, share = result.label or "", max(result.scores.values())
        head = f"  {label.upper()}  {share:.0%}"
        gap = " " * max(2, width - len(head) - len(when))
        lines = ["", self._style(head, fg="bright_green", bold=True) + gap + when, ""]
        for label, score in result.scores.items():
            leading = label == result.label
            bar = self._bar(score, room)
            lines.append(
                f"  {self._style(label[:names].ljust(names), bold=leading)}  "
                f"{self._style(bar, fg='bright_green' if leading else 'cyan')}  {score:.2f}"
            )
        remarks = _remarks(result, self._timing).strip()
        return [*lines, "", f"  {self._style(remarks, dim=True)}", ""]

    def _bar(self, score: float, room: int) -> str:
        """Return a bar of `room` characters, `score` of it filled, to an eighth of a character."""
        parts = len(self._blocks) - 1
        whole, rest = divmod(round(score * room * parts), parts)
        bar = self._blocks[-1] * whole + (self._blocks[rest] if rest else "")
        return bar[:room].ljust(room)

    def _style(self, text: str, **style: str | bool) -> str:
        return click.style(text, **style) if self._colour else text  # type: ignore[arg-type]


def _remarks(result: Result, timing: bool) -> str:
    """Return what else there is to say about a result, each part after two spaces."""
    text = ""
    if timing:
        text += f"  features {result.feature_ms:.1f} ms, model {result.inference_ms:.1f} ms"
    if result.overflows:
        text += f"  audio lost {result.overflows} times"
    if result.padded:
        text += "  padded with silence"
    return text
