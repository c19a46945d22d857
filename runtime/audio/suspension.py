"""Notices when this program was stopped: by a signal, or because the machine was asleep."""

from __future__ import annotations

import threading
import time

from sernet_edge.runtime.audio.sources import Incident

# A thread reads the clock this often. If two readings are more than `_LEAST_S` apart, the program
# was stopped: on a busy machine a thread is late by tenths of a second only.
_BEAT_S = 0.5
_LEAST_S = 2.0

# Linux's monotonic clock stops while the machine sleeps; this one doesn't.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock_s() -> float:
    """Return the time of a clock that is never set and goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


def suspended(missed_s: float, gap_s: float) -> Incident:
    """Return the incident to report when a source continues after a stop.

    Args:
        missed_s: How long the program was stopped.
        gap_s: Seconds of audio that are missing.
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

    Waiting for a slow reader or a device does not count, nor does a long computation: the thread
    of this object runs meanwhile.
    """

    def __init__(self) -> None:
        """Begin to watch."""
        self._last_s = clock_s()
        self._missed_s = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="suspension", daemon=True).start()

    def missed_s(self) -> float:
        """Return how long the program was stopped since the last call; 0 if it was not."""
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
