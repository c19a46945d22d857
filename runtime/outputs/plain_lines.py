"""Writes a plain line for each record, for people without a terminal."""

from __future__ import annotations

from sernet_edge.runtime.outputs.lines import Lines
from sernet_edge.runtime.outputs.wording import (
    Summary,
    arousal_text,
    clock,
    counted,
    notice_text,
    percent,
    percentages,
    remarks,
)
from sernet_edge.runtime.records import Event, Notice, Record, Result


class PlainLines:
    """Writes results with their three highest scores, events, notices and a summary.

    Each line begins with the time of writing, in seconds of audio, so that times never go back. An
    event's start and end are earlier than its line, which therefore names them.
    """

    def __init__(self, lines: Lines, timing: bool = True) -> None:
        """Write to `lines`, with or without computing times."""
        self._lines = lines
        self._timing = timing
        self._summary = Summary()
        self._now_s = 0.0

    def write(self, record: Record) -> None:
        """Write one line."""
        match record:
            case Result():
                self._summary.add(record)
                self._line(record.time_s, "  ".join(self._result(record)))
            case Event():
                self._line(self._now_s, f"event: {_event(record)}")
            case Notice():
                self._line(record.time_s, notice_text(record))

    def finish(self) -> None:
        """Write the summary."""
        self._lines.write(str(self._summary))

    def close(self) -> None:
        """Leave standard output open."""
        self._lines.close()

    def _result(self, result: Result) -> list[str]:
        highest = sorted(result.scores, key=lambda label: -result.scores[label])[:3]
        shares = percentages(result.scores)
        parts = [f"{label} {shares[label]} %" for label in highest] or ["no speech"]
        if result.label is not None and not result.sure:
            parts.append("unsure")
        if result.arousal is not None:
            parts.append(arousal_text(result.arousal))
        parts.append(f"{result.level_dbfs:.0f} dBFS")
        if result.clipped:
            parts.append(f"{counted(result.clipped, 'sample')} clipped")
        return parts + remarks(result, self._timing)

    def _line(self, time_s: float, text: str) -> None:
        self._now_s = max(self._now_s, time_s)
        self._lines.write(f"{self._now_s:7.2f} s  {text}")


def _event(event: Event) -> str:
    if event.end_s is None:
        return f"{event.label} began at {event.start_s:.2f} s"
    length_s = event.end_s - event.start_s
    return (
        f"{event.label} ended at {event.end_s:.2f} s after {length_s:.1f} s, "
        f"peak {percent(event.peak)}"
    )


class NoticeLines:
    """Writes only notices, beside an output for programs."""

    def __init__(self, lines: Lines) -> None:
        """Write to `lines`."""
        self._lines = lines

    def write(self, record: Record) -> None:
        """Write one line for a notice."""
        if isinstance(record, Notice):
            self._lines.write(f"{clock(record.time_s)}  {notice_text(record)}")

    def finish(self) -> None:
        """Add nothing."""

    def close(self) -> None:
        """Leave standard error open."""
        self._lines.close()
