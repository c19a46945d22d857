"""Writes one row a result, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs.lines import Lines, utc_now
from sernet_edge.runtime.records import Record, Result

_COLUMNS = (
    "time_s",
    "label",
    "sure",
    "arousal",
    "speech",
    "level_dbfs",
    "clipped",
    "drift",
    "overflows",
    "skipped",
    "padded",
)
_TIMING_COLUMNS = ("feature_ms", "inference_ms")


class CsvRows:
    """Writes each result as a row. Events and notices have other columns and are left out.

    The columns are the date and time, the fields of `Result.record`, and the scores, one column a
    label. True is 1, false 0, None is empty.
    """

    def __init__(self, lines: Lines, labels: tuple[str, ...], timing: bool = True) -> None:
        """Write the header, unless the file already has rows with the same columns.

        Args:
            lines: Where the rows go; closed with the output.
            labels: The contract's labels.
            timing: Whether to write what differs between two runs: date and computing times.

        Raises:
            SernetError: The file has other columns.
        """
        self._lines = lines
        self._labels = labels
        self._timing = timing
        columns = [*_COLUMNS, *(f"score_{label}" for label in labels)]
        if timing:
            columns = ["utc", *_COLUMNS, *_TIMING_COLUMNS, *columns[len(_COLUMNS) :]]
        header = _row(columns)
        if lines.first_line == header:
            return
        if not header.startswith(lines.first_line):  # a power cut may leave a part of the header
            lines.close()
            raise SernetError(
                f"{lines.name} has other columns than this model's results",
                hint="name another file, or move this one away",
            )
        lines.write(header)

    def write(self, record: Record) -> None:
        """Write a row for a result."""
        if not isinstance(record, Result):
            return
        values = record.record(self._timing)
        names = (*_COLUMNS, *_TIMING_COLUMNS) if self._timing else _COLUMNS
        row = [_cell(values.get(name, False)) for name in names]
        row += [values["scores"].get(label, "") for label in self._labels]
        if self._timing:
            row.insert(0, utc_now())
        self._lines.write(_row(row))

    def finish(self) -> None:
        """Write nothing: there is no summary."""

    def close(self) -> None:
        """Close the file; standard output stays open."""
        self._lines.close()


def _cell(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


def _row(values: list[object] | list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()
