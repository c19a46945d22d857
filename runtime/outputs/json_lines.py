"""Writes one JSON object a line, for programs."""

from __future__ import annotations

import json

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs.lines import Lines, utc_now
from sernet_edge.runtime.records import Record


class JsonLines:
    """Writes each record as a line of JSON, with the date and time as `utc`.

    The other times in a record start at 0 with each run, and a file may hold several runs.
    """

    def __init__(self, lines: Lines, timing: bool = True) -> None:
        """Write to `lines`; without `timing` the same audio always gives the same lines.

        Raises:
            SernetError: The file holds something else.
        """
        if lines.first_line and not lines.first_line.startswith("{"):
            lines.close()
            raise SernetError(
                f"{lines.name} holds something else than JSON lines",
                hint="name another file, or move this one away",
            )
        self._lines = lines
        self._timing = timing

    def write(self, record: Record) -> None:
        """Write one line."""
        values = record.record(self._timing)
        if self._timing:
            values["utc"] = utc_now()
        self._lines.write(json.dumps(values, ensure_ascii=False))

    def finish(self) -> None:
        """Write nothing: there is no summary."""

    def close(self) -> None:
        """Close the file; standard output stays open."""
        self._lines.close()
