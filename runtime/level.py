"""Measures the loudness of audio, and finds clipping."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.records import MIN_DBFS

# Samples within this range are silence with dither, or a dead microphone.
_STILL = 2


@dataclass(frozen=True)
class Level:
    """Loudness and clipping of a stretch of audio.

    Attributes:
        dbfs: Its level; see `records.Result.level_dbfs`.
        clipped: Number of samples at full scale.
        clipped_share: Share of samples at full scale.
        still: Whether the samples are constant: digital silence, with any offset.
    """

    dbfs: float
    clipped: int
    clipped_share: float
    still: bool


class LevelMeter:
    """Measures stretches of audio; the result does not depend on the chunks."""

    def __init__(self) -> None:
        """Begin a stretch."""
        self._begin()

    def _begin(self) -> None:
        self._count = self._sum = self._squares = self._clipped = 0
        self._audible = 0.0
        self._low, self._high = 32767, -32768

    def add(self, samples: NDArray[np.int16], audible: NDArray[np.float64] | None = None) -> None:
        """Add the next samples (n,) of the stretch.

        Args:
            samples: The recorded samples.
            audible: The same samples from `HighPass`, without offset and mains hum; None:
                `samples`.
        """
        if not len(samples):
            return
        wide = samples.astype(np.int64)
        self._count += len(wide)
        # Whole numbers, so that the sums do not depend on the chunks.
        self._sum += int(wide.sum())
        squares = int((wide * wide).sum())
        self._squares += squares
        self._audible += squares if audible is None else float(audible @ audible)
        low, high = int(wide.min()), int(wide.max())
        self._low, self._high = min(self._low, low), max(self._high, high)
        if low == -32768 or high == 32767:
            self._clipped += int(np.count_nonzero((samples == -32768) | (samples == 32767)))

    def read(self) -> Level:
        """Return the level of the stretch, and begin the next one."""
        count = max(1, self._count)
        # The mean is subtracted, since a microphone's offset is not sound. The smaller of both
        # powers counts: after a louder stretch, the filter's decay would add to this one.
        power = min(self._squares / count - (self._sum / count) ** 2, self._audible / count)
        power = 0.0 if self._low >= self._high else power
        full_scale_sine = 32768**2 / 2
        dbfs = 10 * math.log10(power / full_scale_sine) if power > 0 else MIN_DBFS
        level = Level(
            dbfs=max(MIN_DBFS, dbfs),
            clipped=self._clipped,
            clipped_share=self._clipped / count,
            still=self._high - self._low <= _STILL,
        )
        self._begin()
        return level
