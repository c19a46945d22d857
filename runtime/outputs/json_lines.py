"""One JSON object a line, for programs."""

from __future__ import annotations

import json

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs.lines import Lines, utc_now
from sernet_edge.runtime.records import Record


class JsonLines:
    """Writes each record as a line of JSON, with `utc`, when that is.

    A record's own times begin anew with every start, and a file may hold many.
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
        """Add nothing: every line is a record."""

    def close(self) -> None:
        """Close the file, if it is one."""
        self._lines.close()
