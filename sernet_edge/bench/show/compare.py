"""Compares a run with an earlier one: ratios, and what got worse by more than is allowed."""

from __future__ import annotations

from dataclasses import dataclass

from sernet_edge.bench.document import Section
from sernet_edge.bench.show.figures import Figure, figures


@dataclass(frozen=True)
class FigureChange:
    """One figure now and then.

    Attributes:
        now: The figure of this run; its value is None when it is not there any more.
        then: The baseline's value.
        ratio: Now to then; None when there is no value now, or the baseline's is 0.
        judged: Whether it counts: latencies of two different computers don't.
    """

    now: Figure
    then: float
    ratio: float | None
    judged: bool

    def is_regression(self, most: float) -> bool:
        """Whether it got worse by more than a share `most`, or is not measured any more."""
        if not self.judged or not self.now.better:
            return False
        if self.now.value is None:
            return True
        if self.ratio is None:
            return self.now.better == "lower" and self.now.value > 0
        if self.now.better == "higher":
            return self.ratio < 1 - most
        return self.ratio > 1 + most


def compare(document: Section, baseline: Section) -> list[FigureChange]:
    """Return every figure that the baseline has, as it is now.

    Models are told by their names.
    """
    same_computer = all(
        document["machine"].get(key) == baseline["machine"].get(key)
        for key in ("processor", "cores", "architecture")
    )
    now = {(figure.model, figure.name): figure for figure in figures(document)}
    changes = []
    for then in figures(baseline):
        if then.value is None:
            continue
        gone = Figure(then.model, then.name, None, then.unit, "not in this run", then.better)
        found = now.get((then.model, then.name), gone)
        ratio = found.value / then.value if found.value is not None and then.value else None
        judged = same_computer or then.unit != "ms"
        changes.append(FigureChange(found, then.value, ratio, judged))
    return changes
