"""One JSON object a line, for programs."""

from __future__ import annotations

import json
from typing import TextIO

from sernet_edge.runtime.records import Record


class JsonLines:
    """Writes each record as a line of JSON, flushed at once."""

    def __init__(self, file: TextIO, timing: bool = True) -> None:
        """Write to `file`; without `timing` the same audio always gives the same lines."""
        self._file = file
        self._timing = timing

    def write(self, record: Record) -> None:
        """Write one line."""
        line = json.dumps(record.record(self._timing), ensure_ascii=False)
        self._file.write(f"{line}\n")
        self._file.flush()

    def finish(self) -> None:
        """Add nothing: every line is a record."""

    def close(self) -> None:
        """Leave the file open: it is the caller's."""
