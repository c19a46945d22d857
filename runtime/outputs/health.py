"""Health of a listener, for monitoring: status, counts, the latest result.

The users' page is docs/guides/outputs.md.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.records import Event, Notice, Record, Result

Status = Literal["starting", "ok", "stale", "lost"]

_STALE_S = 3.0
"""A live listener is stale after this long without a result, or ..."""

_STALE_AFTER_HOP_S = 2.0
"""... after its hop and this, if that is longer. The web page has the same limits."""


class Health:
    """Counts a listener's records. Any thread may use it."""

    def __init__(
        self, session: Session, timing: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start without records.

        Args:
            session: The source and the model.
            timing: Whether to include computing times.
            clock: Returns seconds that never go back.
        """
        self._session = session
        self._timing = timing
        self._clock = clock
        self._began_s = clock()
        self._lock = threading.Lock()
        self._latest: Result | None = None
        self._latest_s = 0.0
        self._results: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._notices: Counter[str] = Counter()
        self._unsure = 0
        self._clipped = 0
        self._running: dict[int, str] = {}
        self._lost: set[str] = set()

    def put(self, record: Record) -> None:
        """Count a record."""
        with self._lock:
            match record:
                case Result():
                    self._latest, self._latest_s = record, self._clock()
                    self._results[record.label or "no speech"] += 1
                    self._unsure += record.label is not None and not record.sure
                    self._clipped += record.clipped
                case Event(kind="start"):
                    self._events[record.label] += 1
                    self._running[record.id] = record.label
                case Event():
                    self._running.pop(record.id, None)
                case Notice():
                    self._notices[record.code] += 1
                    part, _, what = record.code.rpartition("-")
                    if what == "lost":
                        self._lost.add(part)
                    elif what == "back":
                        self._lost.discard(part)

    @property
    def status(self) -> Status:
        """Whether results come.

        "starting" before the first result, then "ok"; "stale" if none has come for a while; "lost"
        if the microphone is gone. A lost broker or file leaves the status "ok".
        """
        if "device" in self._lost:
            return "lost"
        age_s = self.age_s
        if age_s is None:
            return "starting"
        limit_s = max(_STALE_S, self._session.hop_s + _STALE_AFTER_HOP_S)
        return "stale" if self._session.live and age_s > limit_s else "ok"

    @property
    def age_s(self) -> float | None:
        """Seconds since the latest result; None before the first."""
        return None if self._latest is None else self._clock() - self._latest_s

    def summary(self) -> dict[str, Any]:
        """Return the status and the age of the latest result, for `/health`."""
        age_s = self.age_s
        return {"status": self.status, "age_s": None if age_s is None else round(age_s, 3)}

    def record(self) -> dict[str, Any]:
        """Return everything, for `/state`; new versions only add fields."""
        with self._lock:
            latest = self._latest
            return {
                **self.summary(),
                **self._session.record(),
                "uptime_s": round(self._clock() - self._began_s, 3),
                "memory_bytes": memory_bytes(),
                "result": None if latest is None else latest.record(self._timing),
                "running": sorted(set(self._running.values())),
                "lost": sorted(self._lost),
                "results": dict(self._results),
                "unsure": self._unsure,
                "clipped": self._clipped,
                "events": dict(self._events),
                "notices": dict(self._notices),
            }


def memory_bytes() -> int | None:
    """Return the resident memory of the process; None if the system has no /proc."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
