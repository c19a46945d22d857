"""A plain line per record, for people where there is no terminal."""

from __future__ import annotations

from sernet_edge.runtime.outputs.lines import Lines
from sernet_edge.runtime.outputs.wording import Summary, clock, event_text, notice_text, remarks
from sernet_edge.runtime.records import Event, Notice, Record, Result


class PlainLines:
    """Writes results with their three highest scores, events, notices and a summary."""

    def __init__(self, lines: Lines, timing: bool = True) -> None:
        """Write to `lines`, with computing times or without."""
        self._lines = lines
        self._timing = timing
        self._summary = Summary()

    def write(self, record: Record) -> None:
        """Write one line."""
        match record:
            case Result():
                self._summary.add(record)
                self._line(record.time_s, "  ".join(self._result(record)))
            case Event():
                time_s = record.start_s if record.end_s is None else record.end_s
                self._line(time_s, f"event: {event_text(record)}")
            case Notice():
                self._line(record.time_s, notice_text(record))

    def finish(self) -> None:
        """Write the summary."""
        self._lines.write(str(self._summary))

    def close(self) -> None:
        """Leave standard output open."""
        self._lines.close()

    def _result(self, result: Result) -> list[str]:
        highest = sorted(result.scores.items(), key=lambda item: -item[1])[:3]
        parts = [f"{label} {score:.2f}" for label, score in highest] or ["no speech"]
        if result.label is not None and not result.sure:
            parts.append("unsure")
        parts.append(f"{result.level_dbfs:.0f} dBFS")
        if result.clipped:
            parts.append(f"{result.clipped} samples clipped")
        return parts + remarks(result, self._timing)

    def _line(self, time_s: float, text: str) -> None:
        self._lines.write(f"{time_s:7.2f} s  {text}")


class NoticeLines:
    """Writes notices alone, beside an output for programs."""

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
