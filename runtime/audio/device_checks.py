"""Finds a device that delivers samples at another rate than it states."""

from __future__ import annotations

from sernet_edge.runtime.audio.sources import Incident

# Quartz is accurate to 0.01 %, cheap USB devices to 0.1 %. A wrong rate is off by 8 % (44.1 kHz
# for 48) or far more. Blocks and buffers make the measurement itself inaccurate by about 1 %.
RATE_TOLERANCE = 0.02
RATE_PERIOD_S = 30.0

# After a pause a device delivers a burst, which would count as too high a rate.
_PAUSE_S = 1.0


class RateCheck:
    """Compares the number of samples with the time in which they came.

    A rate is wrong when two measurements in a row say so and no audio was lost meanwhile.
    """

    def __init__(self, rate_hz: int) -> None:
        """Expect this rate."""
        self._rate_hz = rate_hz
        self._frames = 0
        self._began_s: float | None = None
        self._last_s = 0.0
        self._suspect = False
        self._told = False

    def see(self, frames: int, at_s: float, lost: bool) -> Incident | None:
        """Check one block; return an incident if the rate turned wrong or right.

        Args:
            frames: The block's length.
            at_s: When it came, by a clock that is never set.
            lost: Whether audio before it was lost.
        """
        paused = at_s - self._last_s > _PAUSE_S
        self._last_s = at_s
        if self._began_s is None or paused or lost:
            self._restart(at_s)
            self._suspect = False
            return None
        self._frames += frames
        elapsed_s = at_s - self._began_s
        if elapsed_s < RATE_PERIOD_S:
            return None
        measured_hz = self._frames / elapsed_s
        wrong = abs(measured_hz / self._rate_hz - 1) > RATE_TOLERANCE
        self._restart(at_s)
        confirmed, self._suspect = wrong and self._suspect, wrong
        if confirmed and not self._told:
            self._told = True
            return Incident(
                "device-rate",
                f"the microphone says {self._rate_hz} Hz and gives {measured_hz:.0f} samples "
                "a second, so what is heard is too fast or too slow: choose another device "
                "(--list-devices)",
                "warning",
            )
        if not wrong and self._told:
            self._told = False
            return Incident("device-rate", f"the microphone gives {self._rate_hz} Hz now", "info")
        return None

    def _restart(self, at_s: float) -> None:
        self._began_s, self._frames = at_s, 0
