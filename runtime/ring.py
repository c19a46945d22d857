"""Stores the last rows of a stream in memory of a fixed size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Ring:
    """Stores the last `length` rows in memory of a fixed size."""

    def __init__(self, length: int, row_shape: tuple[int, ...], dtype: Any) -> None:
        """Start empty, with room for `length` rows."""
        self._length = length
        # Twice the room, so that rows move to the front only once every `length` rows.
        self._memory = np.zeros((2 * length, *row_shape), dtype)
        self._start = self._end = 0

    def __len__(self) -> int:
        """Return the number of rows, at most `length`."""
        return min(self._length, self._end - self._start)

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows (n, ...) at the end."""
        rows = rows[-self._length :]
        if self._end + len(rows) > len(self._memory):
            keep = min(self._length - len(rows), self._end - self._start)
            self._memory[:keep] = self._memory[self._end - keep : self._end]
            self._start, self._end = 0, keep
        self._memory[self._end : self._end + len(rows)] = rows
        self._end += len(rows)

    def last(self, count: int) -> NDArray[Any]:
        """Return a view of the last `count` rows, or of all if fewer, valid until `append`."""
        return self._memory[self._end - min(count, len(self)) : self._end]

    def clear(self) -> None:
        """Forget all rows."""
        self._start = self._end = 0
