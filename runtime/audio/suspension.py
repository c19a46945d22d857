"""Whether this program stood still: stopped by a signal, frozen, or with the machine asleep."""

from __future__ import annotations

import threading
import time

from sernet_edge.runtime.audio.sources import Incident

# How often a thread of its own looks at the clock, and what it must miss to have stood still. A
# thread of a busy machine is late by tenths of a second.
_BEAT_S = 0.5
_LEAST_S = 2.0

# Linux's monotonic clock stands still while the machine sleeps; this one doesn't.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock_s() -> float:
    """Return the time on a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


def suspended(missed_s: float, gap_s: float) -> Incident:
    """Return what there is to tell when a source goes on.

    Args:
        missed_s: For how long the program stood still.
        gap_s: For how long there is no audio.
    """
    return Incident(
        "suspended",
        f"this program stood still for {missed_s:.1f} s, as when it is stopped or the machine "
        f"sleeps: {gap_s:.1f} s of sound are missing",
        "warning",
        gap_s=gap_s,
    )


class Suspension:
    """Notices when no thread of this program ran for a while.

    Waiting for a slow reader or a device, and a long computation, do not count: this thread runs
    meanwhile.
    """

    def __init__(self) -> None:
        """Begin to watch."""
        self._last_s = clock_s()
        self._missed_s = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="suspension", daemon=True).start()

    def missed_s(self) -> float:
        """Return for how long the program stood still since this was asked last; 0 if it ran."""
        self._beat()
        with self._lock:
            missed_s, self._missed_s = self._missed_s, 0.0
        return missed_s

    def close(self) -> None:
        """End the watch."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(_BEAT_S):
            self._beat()

    def _beat(self) -> None:
        with self._lock:
            now_s = clock_s()
            if now_s - self._last_s > _LEAST_S:
                self._missed_s += now_s - self._last_s
            self._last_s = now_s
