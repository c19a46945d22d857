"""Events: finds emotions that last, with onset and end, in a series of results."""

from __future__ import annotations

from dataclasses import dataclass

from sernet_edge.runtime.records import Event, Result

EVIDENCE_S = 1.0
"""Default time that a label must lead to begin an event."""

REFRACTORY_S = 3.0
"""Default time after an event in which no event of its label begins."""

RELEASE_S = 1.5
"""An event ends when its label has not led for this long. Pauses within a sentence are shorter."""


@dataclass
class _Run:
    """Successive results of one label: their start, the time of the last, the highest score."""

    label: str
    start_s: float
    last_s: float
    peak: float

    def extend(self, result: Result) -> None:
        self.last_s = result.time_s
        self.peak = max(self.peak, result.scores[self.label])


class EventTracker:
    """Finds events in a stream of results, at most one at a time.

    An emotion that leads, and is sure, for `evidence_s` begins an event; "none" never does. Pauses
    and moments of other labels don't end the event; it ends when its label has not led for
    `release_s`, so that one angry sentence is one event. For `refractory_s` after the end, no event
    of the same label begins.
    """

    def __init__(
        self,
        evidence_s: float = EVIDENCE_S,
        refractory_s: float = REFRACTORY_S,
        release_s: float = RELEASE_S,
    ) -> None:
        """Start with no event."""
        self._evidence_s = evidence_s
        self._refractory_s = refractory_s
        self._release_s = release_s
        self._count = 0
        self._leader: _Run | None = None  # results of the label that leads now
        self._event: _Run | None = None
        self._none_before_s: dict[str, float] = {}

    def see(self, result: Result, since_s: float) -> list[Event]:
        """Take the next result; return the events that begin or end with it.

        Args:
            result: The result.
            since_s: The start of its last hop, which counts as the onset of a new label.
        """
        label = result.emotion if result.sure else None
        if label is None:
            self._leader = None
        elif self._leader is None or self._leader.label != label:
            self._leader = _Run(label, since_s, result.time_s, result.scores[label])
        else:
            self._leader.extend(result)
        events = []
        if self._event is not None:
            if self._event.label == label:
                self._event.extend(result)
            elif result.time_s - self._event.last_s >= self._release_s:
                events += self._end_event()
        if self._event is None and self._leader is not None:
            leader = self._leader
            start_s = max(leader.start_s, self._none_before_s.get(leader.label, 0.0))
            if result.time_s - start_s >= self._evidence_s:
                self._count += 1
                self._event = _Run(leader.label, start_s, result.time_s, leader.peak)
                events.append(Event("start", self._count, leader.label, start_s, None, leader.peak))
        return events

    def end(self) -> list[Event]:
        """End the current event, if there is one, because the stream ends or has a gap."""
        self._leader = None
        return self._end_event()

    def _end_event(self) -> list[Event]:
        if self._event is None:
            return []
        event, self._event = self._event, None
        self._none_before_s[event.label] = event.last_s + self._refractory_s
        return [Event("end", self._count, event.label, event.start_s, event.last_s, event.peak)]
