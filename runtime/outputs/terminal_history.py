"""The history of results as characters, each for some seconds."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.outputs.terminal_text import Line, Style, columns
from sernet_edge.runtime.records import Result

_CELL_S = 2.0
"""Seconds of a character; a hop, if that is longer."""

_MOST_CELLS = 1000
_LEAST_SCORE = 0.05
_HEIGHTS = "▁▂▃▄▅▆▇█"
_DIM: Style = {"dim": True}


@dataclass(frozen=True)
class Mark:
    """A label in the history: its letter, one column wide, and its name with the letter marked."""

    letter: str
    name: str


def marks(names: Mapping[str, str]) -> dict[str, Mark]:
    """Choose a letter for each label, different from those of the labels before it.

    The letter is the first free one of the label's name; inside the name it is a capital. If there
    is no free letter that is one column wide and written from left to right, the label gets a
    digit, which is put before its name.

    Args:
        names: Each label as the terminal shows it.
    """
    found: dict[str, Mark] = {}
    used: set[str] = set()
    digits = iter("123456789" + "*" * 1000)
    for label, name in names.items():
        if label == NONE:  # the history shows it like silence
            found[label] = Mark("", name)
            continue
        free = (i for i, c in enumerate(name) if _is_letter(c) and c.lower() not in used)
        at = next(free, None)
        if at is None:
            digit = next(digits)
            while digit in used:
                digit = next(digits)
            used.update({digit} - {"*"})
            found[label] = Mark(digit, f"{digit} {name}")
            continue
        used.add(name[at].lower())
        letter = name[at].upper() if at else name[at]
        found[label] = Mark(letter, name[:at] + letter + name[at + 1 :])
    return found


def _is_letter(character: str) -> bool:
    return (
        character.isalnum()
        and columns(character) == len(character.upper()) == 1
        and unicodedata.bidirectional(character) in ("L", "EN")
    )


@dataclass
class _Cell:
    """The states and scores of the results in one character."""

    index: int
    states: Counter[str] = field(default_factory=Counter)
    leading: float = 0.0
    sums: Counter[str] = field(default_factory=Counter)
    scored: int = 0
    drawn: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """The most frequent state: a label, "?" for unsure, or "" for no speech."""
        return self.states.most_common(1)[0][0]

    def add(self, result: Result) -> None:
        self.drawn.clear()
        if result.emotion is None:
            self.states[""] += 1
        else:
            self.states[result.emotion if result.sure else "?"] += 1
        if result.label is None:
            return
        self.leading += result.scores[result.label]
        self.scored += 1
        self.sums.update(result.scores)


class History:
    """Stores results, and draws them in `room` characters, the newest at the right."""

    def __init__(
        self, marks: Mapping[str, Mark], colours: Mapping[str, str], hop_s: float, unicode: bool
    ) -> None:
        """Start without results.

        Args:
            marks: The letter of each label.
            colours: The colour of each label.
            hop_s: Seconds between two results.
            unicode: Whether the terminal shows more than ASCII.
        """
        self.cell_s = max(_CELL_S, hop_s)
        self._marks = marks
        self._colours = colours
        self._unicode = unicode
        self._cells: deque[_Cell] = deque(maxlen=_MOST_CELLS)

    def add(self, result: Result) -> None:
        """Add a result."""
        index = int(result.time_s / self.cell_s)
        if not self._cells or self._cells[-1].index != index:
            self._cells.append(_Cell(index))
        self._cells[-1].add(result)

    def heights(self, room: int) -> Line:
        """Return the height of the leading score over time; blank in ASCII."""
        # Neighbours with the same state become one piece, which is faster to write.
        return [
            ("".join(map(self._height, cells)), self._style(state))
            for state, cells in self._runs(room)
        ]

    def letters(self, room: int) -> Line:
        """Return the leading label over time; `?` is unsure, a dot no speech, a space no result."""
        return [
            (self._letter(state) * len(cells), self._style(state))
            for state, cells in self._runs(room)
        ]

    def rows(self, label: str, room: int, lines: int) -> list[str]:
        """Return a label's scores as bars `lines` characters high, the top line first."""
        blank = " " * lines
        bars = [
            blank if cell is None else self._bar(cell, label, lines) for cell in self._last(room)
        ]
        return ["".join(bar[line] for bar in bars) for line in reversed(range(lines))]

    def axis(self, room: int) -> str:
        """Return the axis, with the time before now at every few minutes."""
        text = [" "] * room
        text[-3:] = "now"
        minute = 60 / self.cell_s  # length in characters
        step = next(n for n in itertools.count(1) if n * minute >= 12)
        for ago in itertools.count(step, step):
            mark = f"-{ago} min"
            start = round(room - 1 - ago * minute) - len(mark) // 2
            if start < 0:
                break
            if start + len(mark) < room - 4:
                text[start : start + len(mark)] = mark
        return "".join(text)

    def _last(self, room: int) -> list[_Cell | None]:
        newest = self._cells[-1].index if self._cells else 0
        by_index = {
            cell.index: cell for cell in itertools.islice(reversed(self._cells), max(0, room))
        }
        return [by_index.get(index) for index in range(newest - room + 1, newest + 1)]

    def _runs(self, room: int) -> list[tuple[str | None, list[_Cell | None]]]:
        def state(cell: _Cell | None) -> str | None:
            return None if cell is None else cell.state

        return [(key, list(run)) for key, run in itertools.groupby(self._last(room), state)]

    def _style(self, state: str | None) -> Style:
        return {"fg": self._colours[state]} if state and state in self._colours else _DIM

    def _letter(self, state: str | None) -> str:
        if state is None:
            return " "
        if state in self._marks:
            return self._marks[state].letter
        return state or ("·" if self._unicode else ".")

    def _height(self, cell: _Cell | None) -> str:
        if cell is None or not cell.state or not self._unicode:
            return " "
        return _HEIGHTS[min(7, int(8 * cell.leading / max(1, cell.scored)))]

    def _bar(self, cell: _Cell, label: str, lines: int) -> str:
        """Return a label's score in a cell as a bar, bottom first; shaded if it is unsure."""
        drawn = cell.drawn.get((label, lines))
        if drawn is None:
            score = cell.sums[label] / max(1, cell.scored)
            drawn = self._block(score, cell.state == "?", lines).ljust(lines)
            cell.drawn[label, lines] = drawn
        return drawn

    def _block(self, score: float, unsure: bool, lines: int) -> str:
        if score < _LEAST_SCORE:
            return ""
        whole, rest = divmod(min(round(8 * lines * score), 8 * lines), 8)
        if self._unicode and not unsure:
            return "█" * whole + (_HEIGHTS[rest - 1] if rest else "")
        shade = ("░" if self._unicode else ":") if unsure else "#"
        return shade * (whole + (rest >= 3))
