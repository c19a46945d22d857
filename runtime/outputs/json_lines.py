"""One JSON object a line, for programs."""

from __future__ import annotations

import json
from typing import TextIO

from sernet_edge.runtime.stream import Result


class JsonLines:
    """Writes `Result.record` as a line of JSON per result, flushed at once."""

    def __init__(self, file: TextIO, timing: bool = True) -> None:
        """Write to `file`; without `timing` the same audio always gives the same lines."""
        self._file = file
        self._timing = timing

    def write(self, result: Result) -> None:
        """Write one line."""
        line = json.dumps(result.record(self._timing), ensure_ascii=False)
        self._file.write(f"{line}\n")
        self._file.flush()

    def finish(self) -> None:
        """Add nothing: every line is a result."""

    def close(self) -> None:
        """Leave the file open: it is the caller's."""
