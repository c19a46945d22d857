"""A progress display that records its calls."""

from __future__ import annotations

from sernet_edge.train.progress import Progress


class HeardProgress(Progress):
    """Records remarks, and the number of steps of each series."""

    def __init__(self) -> None:
        """Start without any records."""
        self.remarks: list[str] = []
        self.steps: dict[str, int] = {}

    def say(self, text: str) -> None:
        """Record a remark."""
        self.remarks.append(text)

    def begin(self, label: str, total: int, done: int = 0, line_every: int = 0) -> None:
        """Count the steps of a series from `done` on."""
        self._label = label
        self.steps[label] = done

    def advance(self, figures: str = "") -> None:
        """Count a step."""
        self.steps[self._label] += 1
