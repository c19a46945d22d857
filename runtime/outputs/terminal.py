"""A live view on a terminal, redrawn in place."""

from __future__ import annotations

import functools
import itertools
import shutil
import unicodedata
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

import click

from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.outputs.wording import Summary, clock, event_text, notice_text, remarks
from sernet_edge.runtime.records import Event, Notice, Record, Result

_MAX_WIDTH = 80
_CELL_S = 2.0
"""Time that a character of the history stands for; a hop, if that is longer."""

_LOG_LENGTH = 4
_FLOOR_DBFS = -60.0
_HOLD_S = 3.0
"""Time for which clipping is shown: a clipped word is over in a moment."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"

_KNOWN_COLOURS = {
    "anger": "bright_red",
    "happiness": "bright_yellow",
    "sadness": "bright_blue",
    "fear": "bright_magenta",
    "disgust": "bright_green",
    "boredom": "bright_cyan",
    "neutral": "white",
}
_OTHER_COLOURS = ("cyan", "magenta", "green", "blue", "red", "white")

# Synchronised output, for terminals that know it: a frame is shown whole.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"

_Style = dict[str, Any]
_Line = list[tuple[str, _Style]]
"""Pieces of text, each with what `click.style` takes."""


@dataclass
class _Cell:
    """A character of the history: which state was the most frequent, and how high its scores."""

    index: int
    states: Counter[str] = field(default_factory=Counter)
    scores: list[float] = field(default_factory=list)

    @property
    def state(self) -> str:
        """The most frequent state: a label, "?" or, without speech, nothing."""
        return self.states.most_common(1)[0][0]


class LiveView:
    """Shows the latest result, the last two minutes, the level, and what happened last."""

    def __init__(
        self, file: TextIO, session: Session, timing: bool = True, colour: bool = True
    ) -> None:
        """Draw on `file`, a terminal."""
        self._file = file
        self._timing = timing
        self._colour = colour
        self._source = session.source
        self._labels = session.contract.labels
        self._marks = _letters(self._labels)
        others = iter(_OTHER_COLOURS * len(self._labels))
        self._colours = {label: _KNOWN_COLOURS.get(label) or next(others) for label in self._labels}
        self._cell_s = max(_CELL_S, session.hop_s)
        self._cells: deque[_Cell] = deque(maxlen=_MAX_WIDTH)
        self._log: deque[_Line] = deque(maxlen=_LOG_LENGTH)
        self._result: Result | None = None
        self._clipped_s = -_HOLD_S
        self._summary = Summary()
        self._height = 0
        self._size: tuple[int, int] | None = None
        self._moved = False  # whether the last view may have been moved by what others print
        try:
            (_EIGHTHS + _HEIGHTS + "·…").encode(file.encoding or "ascii")
            self._unicode = True
        except UnicodeEncodeError:
            self._unicode = False

    def write(self, record: Record) -> None:
        """Replace what is on the screen."""
        match record:
            case Result():
                self._summary.add(record)
                self._remember(record)
            case Event():
                time_s = record.start_s if record.end_s is None else record.end_s
                style = {"fg": self._colours.get(record.label)}
                self._log.append(self._log_line(time_s, event_text(record), style))
            case Notice():
                # PortAudio prints of its own when a device goes.
                self._moved = record.code == "device-lost"
                style = {"fg": "yellow"} if record.level == "warning" else {}
                self._log.append(self._log_line(record.time_s, notice_text(record), style))
        self._show()

    def finish(self) -> None:
        """Write the summary below the last view."""
        self._file.write(f"  {self._summary}\n")

    def close(self) -> None:
        """Give the cursor back, and wipe the `^C` that a terminal echoes."""
        if self._height:
            self._file.write("\r\x1b[K\x1b[?25h")
            self._file.flush()

    def _remember(self, result: Result) -> None:
        self._result = result
        if result.clipped:
            self._clipped_s = result.time_s
        index = int(result.time_s / self._cell_s)
        if not self._cells or self._cells[-1].index != index:
            self._cells.append(_Cell(index))
        cell = self._cells[-1]
        cell.states[_state(result)] += 1
        if result.label is not None:
            cell.scores.append(result.scores[result.label])

    def _show(self) -> None:
        """Draw over the last view, or anew where the terminal has another size than then."""
        size = shutil.get_terminal_size()
        width = min(_MAX_WIDTH, size.columns - 1)
        lines = [self._rendered(line, width) for line in self._fitting(width, size.lines - 1)]
        if not self._height:
            start = "\x1b[?25l"  # hide the cursor
        elif self._moved or size != self._size:
            start = "\x1b[H\x1b[2J"  # lines have been moved, wrapped or cut; nobody knows which
        else:
            start = f"\x1b[{self._height}A"
        self._height, self._size, self._moved = len(lines), size, False
        frame = "".join(f"{line}\x1b[K\n" for line in lines)
        self._file.write(f"{_BEGIN}{start}{frame}\x1b[J{_END}")
        self._file.flush()

    def _fitting(self, width: int, height: int) -> list[_Line]:
        """Return the view's lines, at most `height`: what matters least is left out first."""
        ranked = list(self._draw(width))
        while len(ranked) > max(1, height):
            rank = max(rank for rank, _ in ranked)
            last = max(i for i, (other, _) in enumerate(ranked) if other == rank)
            del ranked[last]
        return [line for _, line in ranked]

    def _draw(self, width: int) -> Iterator[tuple[int, _Line]]:
        """Yield the view's lines, each with its rank: 0 matters most."""
        names = min(20, max(10, *map(len, self._labels)))
        room = max(4, width - names - 10)
        yield 6, []
        yield 0, self._headline(width)
        yield 6, []
        for label in self._labels:
            yield 1, self._bar_line(label, names, room)
        yield 6, []
        for line in self._history(names, room):
            yield 4, line
        yield 2, self._level(names, room)
        if self._log:
            yield 6, []
        for line in self._log:
            yield 5, line
        yield 6, []
        text = ", ".join(remarks(self._result, self._timing)) if self._result else ""
        yield 3, [(f"  {text}", {"dim": True})]

    def _headline(self, width: int) -> _Line:
        result = self._result
        if result is None:
            left: _Line = [("  waiting for sound", {"dim": True})]
        elif result.label is None:
            left = [("  NO SPEECH", {"dim": True})]
        else:
            share = f"{result.scores[result.label]:.0%}"
            if result.sure:
                style = {"fg": self._colours[result.label], "bold": True}
                left = [(f"  {result.label.upper()}  {share}", style)]
            else:
                left = [("  UNSURE", {"bold": True}), (f"  {result.label} {share}", {})]
        time = clock(result.time_s) if result else ""
        taken = sum(_columns(text) for text, _ in left) + len(time)
        source = self._clipped(self._source, max(0, width - taken - 4))
        gap = " " * max(2, width - taken - _columns(source) - 2)
        return [*left, (f"{gap}{source}  ", {"dim": True}), (time, {})]

    def _bar_line(self, label: str, names: int, room: int) -> _Line:
        result = self._result
        score = result.scores.get(label) if result else None
        leads = result is not None and result.label == label and result.sure
        name = self._clipped(self._marks[label].name, names)
        return [
            (f"  {name}{' ' * (names - _columns(name))}  ", {"bold": leads}),
            (self._bar(score or 0.0, room), {"fg": self._colours[label], "bold": leads}),
            ("     -" if score is None else f"  {score:.2f}", {}),
        ]

    def _history(self, names: int, room: int) -> Iterator[_Line]:
        """Yield the strip: how high the leading score was, and whose it was."""
        newest = self._cells[-1].index if self._cells else 0
        by_index = {cell.index: cell for cell in self._cells}
        title = f"last {room * self._cell_s:.0f} s"[:names].ljust(names)
        heights: _Line = [(f"  {title}  ", {})]
        letters: _Line = [(" " * (names + 4), {})]
        cells = (by_index.get(index) for index in range(newest - room + 1, newest + 1))
        # Neighbours of one state are one piece: less to write, and to take time over.
        for state, run in itertools.groupby(cells, _cell_state):
            run_of = list(run)
            style = {"fg": self._colours[state]} if state in self._colours else {"dim": True}
            heights.append(("".join(_height(cell) for cell in run_of), style))
            letters.append((self._letter(state) * len(run_of), style))
        if self._unicode:
            yield heights
        else:
            letters[0] = heights[0]
        yield letters

    def _letter(self, state: str | None) -> str:
        if state is None:
            return " "
        if state in self._marks:
            return self._marks[state].letter
        return state or ("·" if self._unicode else ".")

    def _level(self, names: int, room: int) -> _Line:
        result = self._result
        if result is None:
            return [("  level", {})]
        clipping = result.time_s - self._clipped_s < _HOLD_S
        words = f"  {result.level_dbfs:.0f} dBFS"
        room -= len(words) - 6
        share = (result.level_dbfs - _FLOOR_DBFS) / -_FLOOR_DBFS
        line: _Line = [(f"  {'level'.ljust(names)}  ", {})]
        if clipping:
            room -= 10
        bar = self._bar(min(1.0, max(0.0, share)), max(0, room))
        line += [(bar, {"fg": "red" if clipping else "green"}), (words, {})]
        if clipping:
            line.append(("  CLIPPING", {"fg": "red", "bold": True}))
        return line

    def _log_line(self, time_s: float, text: str, style: _Style) -> _Line:
        return [(f"  {clock(time_s):>9}  ", {"dim": True}), (text, style)]

    def _bar(self, score: float, room: int) -> str:
        """Return a bar of `room` characters, `score` of it filled, to an eighth of a character."""
        blocks = _EIGHTHS if self._unicode else " #"
        parts = len(blocks) - 1
        whole, rest = divmod(round(score * room * parts), parts)
        bar = blocks[-1] * whole + (blocks[rest] if rest else "")
        return bar[:room].ljust(room)

    def _rendered(self, line: _Line, width: int) -> str:
        """Return a line with its colours, none wider than `width` columns."""
        text = ""
        for piece, style in line:
            clipped = self._clipped(piece, width)
            width -= _columns(clipped)
            text += click.style(clipped, **style) if self._colour and style else clipped
        return text

    def _clipped(self, text: str, width: int) -> str:
        """Return `text` without what would move the cursor, at most `width` columns of it."""
        if not text.isprintable():
            text = "".join(c if c.isprintable() else "?" for c in text)
        if _columns(text) <= width:
            return text
        mark = "…" if self._unicode else "~"
        kept = ""
        for character in text:
            if _columns(kept + character) > width - 1:
                break
            kept += character
        return kept + mark if width > 0 else ""


@dataclass(frozen=True)
class _Mark:
    """How a label appears in the history: a letter, capital in its name unless the first."""

    letter: str
    name: str


def _letters(labels: Iterable[str]) -> dict[str, _Mark]:
    """Return a letter for each label that no label before it has."""
    marks: dict[str, _Mark] = {}
    used: set[str] = set()
    for label in labels:
        free = (i for i, c in enumerate(label) if c.isalnum() and c.lower() not in used)
        at = next(free, None)
        if at is None:
            marks[label] = _Mark("*", label)
            continue
        used.add(label[at].lower())
        letter = label[at].upper() if at else label[at]
        marks[label] = _Mark(letter, label[:at] + letter + label[at + 1 :])
    return marks


def _cell_state(cell: _Cell | None) -> str | None:
    return None if cell is None else cell.state


def _height(cell: _Cell | None) -> str:
    if cell is None or not cell.state:
        return " "
    mean = sum(cell.scores) / max(1, len(cell.scores))
    return _HEIGHTS[min(7, int(8 * mean))]


def _state(result: Result) -> str:
    """Return what a result counts as in the history: its label, "?" or nothing."""
    if result.label is None:
        return ""
    return result.label if result.sure else "?"


def _columns(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    return len(text) if text.isascii() else sum(map(_character_columns, text))


@functools.cache
def _character_columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
