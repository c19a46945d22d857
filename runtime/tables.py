"""Reads text tables with a header, which name recordings.

Commas, semicolons, tabs or bars separate the columns; the header shows which. The reader accepts
only rows with a single possible meaning, and refuses all others with their line: a value in the
wrong column would train a wrong label without an error.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sernet_edge.runtime.errors import SernetError

_SEPARATORS = ",;\t|"

# UTF-32 comes first, since its little-endian mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


def read_rows(
    table: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a table that are not empty.

    Args:
        table: The file: text in UTF-8, or in UTF-16 or UTF-32, as spreadsheets write it.
        required: Names of columns, lower case, that the header must have and that hold a value in
            each row.
        optional: Names of further columns to read. Others are skipped.

    Yields:
        The table and the row's line, for messages; and the row's values by column, "" where an
        optional one is missing.

    Raises:
        SernetError: The table is unreadable, a column or value is missing, or a row has more or
            fewer values than the header.
    """
    columns = (*required, *optional)
    rows = _lines(table, _text(table), required)
    number, header = next(rows, (1, []))
    places = _places(f"{table}, line {number}", header, required, columns)
    for number, values in rows:
        where = f"{table}, line {number}"
        _check_row(where, values, header)
        row = {name: values[places[name]] if name in places else "" for name in columns}
        for name in required:
            if not row[name]:
                raise SernetError(f"{where}: the {name} is empty", "fill it in or remove the line")
        yield where, row


def recording(where: str, folder: Path, name: str) -> Path:
    """Return the path of a recording that a table names; Windows may have written the name.

    Args:
        where: The table and the line, for messages.
        folder: The table's folder.
        name: The path in the table, absolute or relative to the folder.

    Raises:
        SernetError: The recording does not exist.
    """
    path = folder / name
    # Unlike Path.exists, os.path.exists is False for a name that is too long.
    if not os.path.exists(path) and os.path.exists(folder / name.replace("\\", "/")):
        path = folder / name.replace("\\", "/")
    if not os.path.exists(path):
        raise SernetError(f"{where}: {path} does not exist")
    if not path.is_file():
        raise SernetError(f"{where}: {path} is not a file")
    return path


def _text(table: Path) -> str:
    """Return the table's text, from UTF-8, or from UTF-16 or UTF-32, as spreadsheets write it."""
    try:
        data = table.read_bytes()
    except OSError as error:
        raise SernetError(f"cannot read the table {table}: {error.strerror}") from error
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and len(data) % 2 == 0 and b"\0" in data[:2]:
        # The header has Latin letters only: one byte of each is 0.
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SernetError(
            f"{table}, line {line}: not {encoding.upper()}: {error.reason}",
            "save the table as CSV in UTF-8",
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SernetError(f"{table}, line {line}: a zero byte: the file is not a table of text")
    return text


def _lines(table: Path, text: str, required: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, with their line numbers; the header is first."""
    # Unlike str.splitlines, this splits at line ends only.
    lines = list(io.StringIO(text, newline=""))
    separator, skipped = _separator(lines, required)
    reader = csv.reader(lines[skipped:], delimiter=separator, skipinitialspace=True, strict=True)
    number = skipped
    try:
        for values in reader:
            begins, number = number + 1, reader.line_num + skipped
            if number > begins:
                raise SernetError(
                    f"{table}, line {begins}: a quote that opens here does not close in its line"
                )
            stripped = [value.strip() for value in values]
            if any(value.strip(_SEPARATORS) for value in stripped):
                yield number, stripped
    except csv.Error as error:
        reason = "a quote that opens here does not close" if "end of data" in str(error) else error
        raise SernetError(f"{table}, line {number + 1}: {reason}") from error


def _separator(lines: list[str], required: Sequence[str]) -> tuple[str, int]:
    """Return the character that separates the columns, and how many lines the header follows."""
    for number, line in enumerate(lines):
        head = line.strip()
        if head[:4].lower() == "sep=" and len(head) == 5 and head[4] in _SEPARATORS:
            return head[4], number + 1  # a line of Excel's that names the separator
        if head.strip(_SEPARATORS):
            found = {one: _found(head, one, required) for one in _SEPARATORS}
            return max(_SEPARATORS, key=lambda one: (found[one], head.count(one))), number
    return ",", 0


def _found(head: str, separator: str, required: Sequence[str]) -> int:
    """Return how many of the required columns a header has with this separator."""
    names = {name.strip(' "').lower() for name in head.split(separator)}
    return len(names & set(required))


def _places(
    where: str, header: list[str], required: Sequence[str], columns: Sequence[str]
) -> dict[str, int]:
    """Return the index of each known column; upper and lower case are the same."""
    names, hint = [name.lower() for name in header], f"its first line must be {','.join(columns)}"
    if missing := [name for name in required if name not in names]:
        found = f", only {', '.join(filter(None, header))}" if header else ""
        raise SernetError(f"{where}: no column {' and no column '.join(missing)}{found}", hint)
    if twice := [name for name in columns if names.count(name) > 1]:
        raise SernetError(f"{where}: the column {twice[0]} appears twice", hint)
    return {name: names.index(name) for name in columns if name in names}


def _check_row(where: str, values: list[str], header: list[str]) -> None:
    """Refuse a row with more or fewer values than the header has names."""
    while len(values) > len(header) and not values[-1]:
        values.pop()
    if len(values) > len(header):
        raise SernetError(
            f"{where}: {_count(values)} under {len(header)} columns",
            "put a value that holds a separator in double quotes",
        )
    if len(values) < (named := max(place for place, name in enumerate(header, 1) if name)):
        raise SernetError(
            f"{where}: {_count(values)} under {named} columns",
            "leave the place of an unknown value empty, but write its separator",
        )
    for value, name in zip(values, header, strict=False):
        if value and not name:
            raise SernetError(f"{where}: {value!r} is in a column without a name")


def _count(values: list[str]) -> str:
    return f"{len(values)} value{'' if len(values) == 1 else 's'}"
