"""Records in words, for people."""

from __future__ import annotations

from collections import Counter

from sernet_edge.runtime.records import Event, Notice, Result


def clock(time_s: float) -> str:
    """Return a time as 2:03.4, or 1:02:03.4 from an hour on."""
    tenths = round(10 * time_s)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02}.{rest % 10}"


def event_text(event: Event) -> str:
    """Return what an event says, without its time."""
    if event.end_s is None:
        return f"{event.label} began"
    length_s = event.end_s - event.start_s
    return f"{event.label} ended after {length_s:.1f} s, at most {event.peak:.2f}"


def notice_text(notice: Notice) -> str:
    """Return what a notice says, without its time."""
    return f"warning: {notice.text}" if notice.level == "warning" else notice.text


def remarks(result: Result, timing: bool) -> list[str]:
    """Return what else there is to say about a result."""
    parts = []
    if timing:
        parts.append(f"features {result.feature_ms:.1f} ms, model {result.inference_ms:.1f} ms")
    if result.overflows:
        parts.append(f"audio lost {_times(result.overflows)}")
    if result.skipped:
        parts.append(f"{result.skipped} results skipped")
    if result.padded:
        parts.append("padded with silence")
    return parts


class Summary:
    """Counts over a whole recording."""

    def __init__(self) -> None:
        """Start with no result."""
        self._total = 0
        self._unlabelled = 0
        self._leads: Counter[str] = Counter()
        self._sums: dict[str, float] = {}

    def add(self, result: Result) -> None:
        """Count one result."""
        self._total += 1
        if result.label is None:
            self._unlabelled += 1
            return
        self._leads[result.label] += 1
        for label, score in result.scores.items():
            self._sums[label] = self._sums.get(label, 0.0) + score

    def __str__(self) -> str:
        """Return one line, empty without a result."""
        if not self._total:
            return ""
        parts = []
        if self._leads:
            leader, times = self._leads.most_common(1)[0]
            labelled = self._leads.total()
            highest = sorted(self._sums.items(), key=lambda item: -item[1])[:2]
            means = ", ".join(f"{label} {total / labelled:.2f}" for label, total in highest)
            parts = [f"{leader} leads in {times}", f"mean {means}"]
        windows = "1 window" if self._total == 1 else f"{self._total} windows"
        if self._unlabelled:
            windows += f" ({self._unlabelled} no speech)"
        return ": ".join(filter(None, [windows, "; ".join(parts)]))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
