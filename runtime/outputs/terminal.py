"""A live view on a terminal, redrawn in place, with as many parts as fit into its window."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from typing import TextIO

from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.outputs.terminal_history import History, marks
from sernet_edge.runtime.outputs.terminal_text import (
    Line,
    Style,
    clipped,
    columns,
    line_columns,
    padded,
    printable,
    rendered,
    wrapped,
)
from sernet_edge.runtime.outputs.wording import (
    Summary,
    arousal_text,
    clock,
    event_text,
    notice_text,
    percent,
    percentages,
    remarks,
)
from sernet_edge.runtime.records import Event, Notice, Record, Result

_WIDE = 100
"""Width from which events and notices are beside the bars."""

_WIDEST_BARS = 100
_LOG_LENGTH = 100
_FLOOR_DBFS = -60.0
_HOLD_S = 3.0
"""How long clipping is shown: the clipped word itself takes only a moment."""

_URGENT_S = 30.0
"""How long a warning is shown in full, even if there is little room."""

_MOST_URGENT = 4
_TIME_COLUMNS = 11
_EIGHTHS = " ▏▎▍▌▋▊▉█"

_KNOWN_COLOURS = {
    "anger": "bright_red",
    "happiness": "bright_yellow",
    "sadness": "bright_blue",
    "fear": "bright_magenta",
    "disgust": "bright_green",
    "boredom": "bright_cyan",
    "neutral": "white",
    NONE: "bright_black",
}
_OTHER_COLOURS = ("cyan", "magenta", "green", "blue", "red", "white")

_DIM: Style = {"dim": True}

# Synchronised output: terminals that support it show each frame as a whole.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


@dataclass
class _Entry:
    """A line of the log: a notice, or an event's start and end together."""

    time_s: float
    text: str
    style: Style
    warning: bool = False


@dataclass
class _Plan:
    """The number of lines of each part of the view. Important parts get their lines first."""

    free: int
    bars: int = 0
    letters: int = 0
    log: int = 0
    level: int = 0
    heights: int = 0
    scale: int = 0
    gaps: int = 0
    remarks: int = 0
    trust: int = 0
    rows: int = 0

    def take(self, part: str, wanted: int, least: int = 1) -> None:
        """Give a part up to `wanted` more lines; fewer, but at least `least`, if few are free."""
        lines = min(wanted, self.free)
        if lines >= least:
            setattr(self, part, getattr(self, part) + lines)
            self.free -= lines


class LiveView:
    """Shows the latest result, the history, the level, events and notices."""

    def __init__(
        self, file: TextIO, session: Session, timing: bool = True, colour: bool = True
    ) -> None:
        """Draw on `file`, a terminal."""
        self._file = file
        self._timing = timing
        self._colour = colour
        self._source = session.source
        self._threshold = session.unsure_below
        self._trust = session.trust
        self._labels = session.contract.labels
        others = itertools.cycle(_OTHER_COLOURS)
        self._colours = {label: _KNOWN_COLOURS.get(label) or next(others) for label in self._labels}
        try:
            (_EIGHTHS + "▁▂▃▄▅▆▇░─┃·…").encode(file.encoding or "ascii")
            self._unicode = True
        except UnicodeEncodeError:
            self._unicode = False
        self._more = "…" if self._unicode else "~"
        self._marks = marks({label: self._plain(label) for label in self._labels})
        self._history = History(self._marks, self._colours, session.hop_s, self._unicode)
        self._log: list[_Entry] = []
        self._event: tuple[int, _Entry] | None = None
        self._now_s = 0.0
        self._result: Result | None = None
        self._clipped_s = -_HOLD_S
        self._summary = Summary()
        self._height = 0
        self._size: tuple[int, int] | None = None
        self._moved = False  # whether other output may have moved the last view

    def write(self, record: Record) -> None:
        """Add a record to the view, and redraw the view."""
        match record:
            case Result():
                self._summary.add(record)
                self._history.add(record)
                self._result = record
                self._now_s = record.time_s
                if record.clipped:
                    self._clipped_s = record.time_s
            case Event():
                self._log_event(record)
            case Notice():
                # PortAudio prints messages of its own when a device disappears.
                self._moved = record.code == "device-lost"
                self._now_s = max(self._now_s, record.time_s)
                warning = record.level == "warning"
                style = {"fg": "yellow"} if warning else {}
                self._add(_Entry(record.time_s, self._plain(notice_text(record)), style, warning))
        self._show()

    def finish(self) -> None:
        """Write the summary below the last view."""
        self._file.write(f"  {self._summary}\n")

    def close(self) -> None:
        """Show the cursor again, and erase the `^C` that a terminal echoes."""
        if self._height:
            self._file.write("\r\x1b[K\x1b[?25h")
            self._file.flush()

    def _plain(self, text: str) -> str:
        """Return `text` without characters that the terminal cannot show."""
        if not self._unicode:
            encoding = self._file.encoding or "ascii"
            text = text.encode(encoding, "replace").decode(encoding)
        return printable(text)

    def _log_event(self, event: Event) -> None:
        """Log an event's start; its end replaces it."""
        if self._event is not None and self._event[0] == event.id:
            self._event[1].text = self._plain(event_text(event))
            return
        style: Style = {"fg": self._colours.get(event.label)}
        entry = _Entry(event.start_s, self._plain(event_text(event)), style)
        self._event = (event.id, entry)
        self._add(entry)

    def _add(self, entry: _Entry) -> None:
        self._log.append(entry)
        self._log.sort(key=lambda entry: entry.time_s)
        del self._log[:-_LOG_LENGTH]

    def _show(self) -> None:
        """Draw over the last view; after a change of the terminal's size, clear it first."""
        size = shutil.get_terminal_size()
        width = max(1, size.columns - 1)
        drawn = self._draw(width, max(1, size.lines - 1))
        lines = [rendered(line, width, self._colour, self._more) for line in drawn]
        if not self._height:
            start = "\x1b[?25l"  # hide the cursor
        elif self._moved or size != self._size:
            start = "\x1b[H\x1b[2J"  # the old lines may be anywhere: moved, wrapped or cut
        else:
            start = f"\x1b[{self._height}A"
        self._height, self._size, self._moved = len(lines), size, False
        frame = "".join(f"{line}\x1b[K\n" for line in lines)
        self._file.write(f"{_BEGIN}{start}{frame}\x1b[J{_END}")
        self._file.flush()

    def _draw(self, width: int, height: int) -> list[Line]:
        """Return the view's lines, at most `height`."""
        wide = width >= _WIDE
        plan = self._plan(width, height, wide)
        names = min(20, max(10, *(columns(mark.name) for mark in self._marks.values())))
        names = min(names, max(4, width // 4))
        left = min(_WIDEST_BARS, 11 * width // 20) if wide else width

        lines: list[Line] = [[]] if plan.gaps > 2 else []
        lines.append(self._headline(width))
        now = [self._scale(names, left)] if plan.scale else []
        now += [self._bar_line(label, names, left) for label in self._shown(plan.bars)]
        past = self._past(plan, names, width)
        level = [self._level(names, left)] if plan.level else []
        gap: list[Line] = [[]] if plan.gaps > 0 else []
        log_gap: list[Line] = [[]] if plan.gaps > 1 else []
        if wide:
            now += log_gap + level
            beside = self._log_lines(width - left - 3, len(now) + plan.log)
            none: Line = []
            for own, other in itertools.zip_longest(now, beside, fillvalue=none):
                space = " " * (left + 3 - line_columns(own))
                lines.append([*own, (space, {}), *other])
            lines += gap + past if past else []
        else:
            lines += now + (gap if past else []) + past + level
            log = self._log_lines(width, plan.log)
            lines += log_gap + log if log else []
        if plan.remarks and self._result:
            text = ", ".join(remarks(self._result, self._timing))
            lines += [[], [(f"  {text}", _DIM)]] if text else []
        if plan.trust:
            lines += [[(f"  {text}", _DIM)] for text in self._trust_lines(width)]
        return lines

    def _plan(self, width: int, height: int, wide: bool) -> _Plan:
        """Assign lines to the parts of the view."""
        every = len(self._labels)
        plan = _Plan(free=height - 1)
        plan.take("bars", min(every, 3))
        plan.take("letters", 1)
        if not wide:
            plan.take("log", self._urgent_lines(width))
        plan.take("bars", every - plan.bars)
        plan.take("level", 1)
        if not wide and not plan.log:
            plan.take("log", 1)
        plan.take("heights", int(self._unicode and plan.letters))
        plan.take("scale", 1)
        plan.take("gaps", 1)
        if not wide:
            plan.take("log", 2)
        said = len(self._trust_lines(width))
        plan.take("trust", said, least=said)
        plan.take("gaps", 1)
        plan.take("remarks", 2, least=2)
        plan.take("gaps", 1)
        # The full history, a row for each label and the axis, replaces the strip.
        grown = every + 1 - plan.letters - plan.heights
        if plan.free >= grown and plan.bars == every:
            plan.take("rows", grown)
            plan.rows = 1
            most_log = 0 if wide else 8
            plan.take("log", min(most_log, plan.free))
            while plan.free >= every:
                plan.free -= every
                plan.rows += 1
        plan.take("log", plan.free)
        return plan

    def _urgent_lines(self, width: int) -> int:
        """Return how many lines the newest entry needs if it is a recent warning; else 0."""
        newest = self._log[-1] if self._log else None
        if newest is None or not newest.warning or self._now_s - newest.time_s > _URGENT_S:
            return 0
        return min(_MOST_URGENT, len(wrapped(newest.text, max(8, width - _TIME_COLUMNS))))

    def _trust_lines(self, width: int) -> list[str]:
        """Return how far to trust the model, wrapped."""
        return wrapped(self._plain(self._trust), max(8, width - 2))

    def _shown(self, number: int) -> list[str]:
        """Return the labels with bars: those with the highest scores, in the model's order."""
        scores = self._result.scores if self._result else {}
        highest = sorted(self._labels, key=lambda label: -scores.get(label, 0.0))[:number]
        return [label for label in self._labels if label in highest]

    def _headline(self, width: int) -> Line:
        result = self._result
        if result is None:
            left: Line = [("  waiting for sound", _DIM)]
        elif (emotion := result.emotion) is None:
            left = [("  NO SPEECH", _DIM)]
            if result.label is not None:
                left.append((f"  {percentages(result.scores)[result.label]} %", _DIM))
        else:
            share = f"{percentages(result.scores)[emotion]} %"
            if result.sure:
                style = {"fg": self._colours[emotion], "bold": True}
                left = [(f"  {self._plain(emotion).upper()}  {share}", style)]
            else:
                left = [
                    ("  UNSURE", {"bold": True}),
                    (f"  {self._plain(emotion)} {share}", {}),
                ]
        if result is not None and result.arousal is not None:
            left.append((f"   {arousal_text(result.arousal)}", _DIM))
        time = clock(result.time_s) if result else ""
        taken = line_columns(left) + len(time)
        source = clipped(self._plain(self._source), max(0, width - taken - 4), self._more)
        gap = " " * max(2, width - taken - columns(source) - 2)
        return [*left, (f"{gap}{source}  ", _DIM), (time, {})]

    def _room(self, names: int, width: int) -> int:
        """Return the columns of a bar between a name and a number."""
        return max(4, width - names - 11)

    def _scale(self, names: int, width: int) -> Line:
        """Return the line above the bars that explains the mark on them."""
        at = self._threshold_at(self._room(names, width))
        if at is None:
            return []
        text = f"sure from {percent(self._threshold)} "
        return [(" " * (names + 4 + at - len(text)) + text, _DIM), (self._mark, _DIM)]

    @property
    def _mark(self) -> str:
        return "┃" if self._unicode else "|"

    def _threshold_at(self, room: int) -> int | None:
        """Return the column of a bar where its label becomes sure; None without a threshold."""
        if not 0 < self._threshold <= 1:
            return None
        return min(room - 1, int(self._threshold * room))

    def _bar_line(self, label: str, names: int, width: int) -> Line:
        result = self._result
        room = self._room(names, width)
        score = result.scores.get(label) if result else None
        leads = result is not None and result.label == label and result.sure
        name = padded(clipped(self._marks[label].name, names, self._more), names)
        share = "-" if result is None or score is None else f"{percentages(result.scores)[label]} %"
        style: Style = {"fg": self._colours[label], "bold": leads}
        bar = self._bar(score or 0.0, room, style, self._threshold_at(room))
        return [(f"  {name}  ", {"bold": leads}), *bar, (f"{share:>7}", {"bold": leads})]

    def _bar(self, share: float, room: int, style: Style, mark_at: int | None = None) -> Line:
        """Return a bar on its track of `room` characters, filled to an eighth of a character."""
        blocks = _EIGHTHS if self._unicode else " #"
        parts = len(blocks) - 1
        whole, rest = divmod(round(min(1.0, share) * room * parts), parts)
        filled = blocks[-1] * whole + (blocks[rest] if rest and share >= 0.01 else "")
        track = ("─" if self._unicode else "-") * (room - len(filled))
        if mark_at is None:
            return [(filled, style), (track, _DIM)]
        before, after = filled[:mark_at], filled[mark_at + 1 :]
        start = max(0, mark_at - len(filled))
        return [
            (before, style),
            (track[:start], _DIM),
            (self._mark, {"bold": True}),
            (after, style),
            (track[start + (len(filled) <= mark_at) :], _DIM),
        ]

    def _past(self, plan: _Plan, names: int, width: int) -> list[Line]:
        """Return the history: a row for each label, or a strip with the leading labels."""
        room = self._room(names, width)
        if plan.rows:
            lines = []
            for label in self._labels:
                name = padded(clipped(self._marks[label].name, names, self._more), names)
                style: Style = {"fg": self._colours[label]}
                for row in self._history.rows(label, room, plan.rows):
                    lines.append([(f"  {name}  ", {}), (row, style)])
                    name = " " * names
            return [*lines, [(" " * (names + 4) + self._history.axis(room), _DIM)]]
        title = clipped(f"last {room * self._history.cell_s:.0f} s", names, self._more)
        titles = itertools.chain(
            [f"  {padded(title, names)}  "], itertools.repeat(" " * (names + 4))
        )
        lines = []
        if plan.heights:
            lines.append([(next(titles), {}), *self._history.heights(room)])
        if plan.letters:
            lines.append([(next(titles), {}), *self._history.letters(room)])
        return lines

    def _level(self, names: int, width: int) -> Line:
        result = self._result
        if result is None:
            return [("  level", {})]
        clipping = result.time_s - self._clipped_s < _HOLD_S
        words = f"{result.level_dbfs:.0f} dBFS"
        # The words are as wide as the bars' numbers, if they fit there.
        room = self._room(names, width) - max(0, len(words) + 2 - 7) - 10 * clipping
        share = max(0.0, (result.level_dbfs - _FLOOR_DBFS) / -_FLOOR_DBFS)
        bar = self._bar(share, max(0, room), {"fg": "red" if clipping else "green"})
        line: Line = [
            (f"  {padded(clipped('level', names), names)}  ", {}),
            *bar,
            (f"  {words}", {}),
        ]
        if clipping:
            line.append(("  CLIPPING", {"fg": "red", "bold": True}))
        return line

    def _log_lines(self, width: int, most: int) -> list[Line]:
        """Return the newest entries, wrapped, in at most `most` lines."""
        found: list[Line] = []
        for entry in reversed(self._log):
            texts = wrapped(entry.text, max(8, width - _TIME_COLUMNS))
            free = most - len(found)
            if len(texts) > free and found:
                break
            if len(texts) > free:
                texts = [*texts[: free - 1], " ".join(texts[free - 1 :])] if free else []
            times = itertools.chain([f"{clock(entry.time_s):>9}"], itertools.repeat(" " * 9))
            room = width - _TIME_COLUMNS
            found[:0] = [
                [(f"{time}  ", _DIM), (clipped(text, max(0, room), self._more), entry.style)]
                for time, text in zip(times, texts, strict=False)
            ]
        return found
