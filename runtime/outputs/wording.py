"""Records in words, for people."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from sernet_edge.runtime.records import Event, Notice, Result


def clock(time_s: float) -> str:
    """Return a time as 2:03.4, or 1:02:03.4 from an hour on."""
    tenths = round(10 * time_s)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02}.{rest % 10}"


def percent(share: float) -> str:
    """Return a share, 0..1, in whole per cent."""
    return f"{100 * share:.0f} %"


def percentages(shares: Mapping[str, float]) -> dict[str, int]:
    """Return shares of a whole, in whole per cent that add up to 100.

    Those with the largest remainders are rounded up. If all shares are 0, so are the results.

    Example:
        >>> percentages({"anger": 0.335, "fear": 0.335, "neutral": 0.33})
        {'anger': 34, 'fear': 33, 'neutral': 33}
    """
    total = math.fsum(shares.values())
    if not total:
        return dict.fromkeys(shares, 0)
    exact = {name: 100 * share / total for name, share in shares.items()}
    whole = {name: math.floor(share) for name, share in exact.items()}
    missing = 100 - sum(whole.values())
    for name in sorted(exact, key=lambda name: whole[name] - exact[name])[:missing]:
        whole[name] += 1
    return whole


def arousal_text(arousal: float) -> str:
    """Return an arousal, 0 (calm) to 1 (agitated), in words and whole per cent."""
    return f"arousal {percent(arousal)}"


def event_text(event: Event) -> str:
    """Return an event in words, without its start time."""
    peak = f"peak {percent(event.peak)}"
    if event.end_s is None:
        return f"{event.label} goes on, {peak}"
    return f"{event.label} {event.end_s - event.start_s:.1f} s, {peak}"


def notice_text(notice: Notice) -> str:
    """Return a notice in words, without its time."""
    return f"warning: {notice.text}" if notice.level == "warning" else notice.text


def remarks(result: Result, timing: bool) -> list[str]:
    """Return further facts about a result."""
    parts = []
    if timing:
        parts.append(f"features {result.feature_ms:.1f} ms, model {result.inference_ms:.1f} ms")
    if result.overflows:
        parts.append(
            f"audio lost {'once' if result.overflows == 1 else f'{result.overflows} times'} so far"
        )
    if result.skipped:
        parts.append(f"{counted(result.skipped, 'result')} skipped so far")
    if result.padded:
        parts.append("padded with silence")
    return parts


class Summary:
    """Counts results of a whole recording."""

    def __init__(self) -> None:
        """Start without results."""
        self._total = 0
        self._unlabelled = 0
        self._leads: Counter[str] = Counter()
        self._sums: dict[str, float] = {}

    def add(self, result: Result) -> None:
        """Count one result."""
        self._total += 1
        if result.emotion is None:
            self._unlabelled += 1
            return
        self._leads[result.emotion] += 1
        for label, score in result.scores.items():
            self._sums[label] = self._sums.get(label, 0.0) + score

    def __str__(self) -> str:
        """Return one line; empty without results."""
        if not self._total:
            return ""
        parts = []
        if self._leads:
            leader, times = self._leads.most_common(1)[0]
            highest = sorted(percentages(self._sums).items(), key=lambda item: -item[1])[:2]
            means = ", ".join(f"{label} {share} %" for label, share in highest)
            parts = [f"{leader} leads in {times}", f"mean {means}"]
        windows = counted(self._total, "window")
        if self._unlabelled:
            windows += f" ({self._unlabelled} no speech)"
        return ": ".join(filter(None, [windows, "; ".join(parts)]))


def counted(number: int, name: str) -> str:
    """Return a number and a noun, which gets an `s` except for 1."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
