"""Any corpus, as a text table with a header and the columns path, label and, if known, speaker.

Commas, semicolons, tabs or bars separate the columns; the header shows which. The reader accepts
only rows with a single possible meaning, and refuses all others with their line: a value in the
wrong column would train a wrong label without an error.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance, label_named

_SEPARATORS = ",;\t|"
_COLUMNS = ("path", "label", "speaker")
_HEADER_HINT = "its first line must be path,label,speaker"

# UTF-32 comes first, since its little-endian mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


def read(table: Path) -> list[Utterance]:
    """List the utterances of a table; relative paths start from the table's own folder.

    Where the column speaker is missing or empty, the speaker is unknown, and the corpus has no
    speaker-disjoint protocol. A repeated row counts once.

    Raises:
        SernetError: The table is unreadable, a column or value is missing, a row has more or fewer
            values than the header, or a recording does not exist or has two labels or speakers.
    """
    rows = _rows(table, _text(table))
    number, header = next(rows, (1, []))
    places = _places(f"{table}, line {number}", header)
    utterances: list[Utterance] = []
    lines: dict[Path, tuple[int, Utterance]] = {}
    for number, values in rows:
        where = f"{table}, line {number}"
        _check_row(where, values, header)
        path, label, speaker = (values[places[name]] if name in places else "" for name in _COLUMNS)
        for name, value in (("path", path), ("label", label)):
            if not value:
                raise SernetError(f"{where}: the {name} is empty", "fill it in or remove the line")
        label = label_named(label, where)
        utterance = Utterance(_recording(where, table.parent, path), label, speaker)
        first, earlier = lines.setdefault(utterance.path.resolve(), (number, utterance))
        if first == number:
            utterances.append(utterance)
        elif (earlier.label, earlier.speaker) != (label, speaker):
            raise SernetError(
                f"{where}: {path} is {_who(utterance)}, but {_who(earlier)} in line {first}",
                "remove the wrong line",
            )
    if not utterances:
        raise SernetError(f"{table} names no recording")
    return utterances


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


def _rows(table: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, with their line numbers; the header is first."""
    # Unlike str.splitlines, this splits at line ends only.
    lines = list(io.StringIO(text, newline=""))
    separator, skipped = _separator(lines)
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


def _separator(lines: list[str]) -> tuple[str, int]:
    """Return the character that separates the columns, and how many lines the header follows."""
    for number, line in enumerate(lines):
        head = line.strip()
        if head[:4].lower() == "sep=" and len(head) == 5 and head[4] in _SEPARATORS:
            return head[4], number + 1  # a line of Excel's that names the separator
        if head.strip(_SEPARATORS):
            return max(_SEPARATORS, key=lambda one: (_found(head, one), head.count(one))), number
    return ",", 0


def _found(head: str, separator: str) -> int:
    """Return how many of the required columns a header has with this separator."""
    names = {name.strip(' "').lower() for name in head.split(separator)}
    return len(names & {"path", "label"})


def _places(where: str, header: list[str]) -> dict[str, int]:
    """Return the index of each known column; upper and lower case are the same."""
    names = [name.lower() for name in header]
    if missing := [name for name in _COLUMNS[:2] if name not in names]:
        found = f", only {', '.join(filter(None, header))}" if header else ""
        raise SernetError(
            f"{where}: no column {' and no column '.join(missing)}{found}", _HEADER_HINT
        )
    if twice := [name for name in _COLUMNS if names.count(name) > 1]:
        raise SernetError(f"{where}: the column {twice[0]} appears twice", _HEADER_HINT)
    return {name: names.index(name) for name in _COLUMNS if name in names}


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


def _recording(where: str, folder: Path, name: str) -> Path:
    """Return the path of an existing recording; Windows may have written its name."""
    path = folder / name
    # Unlike Path.exists, os.path.exists is False for a name that is too long.
    if not os.path.exists(path) and os.path.exists(folder / name.replace("\\", "/")):
        path = folder / name.replace("\\", "/")
    if not os.path.exists(path):
        raise SernetError(f"{where}: {path} does not exist")
    if not path.is_file():
        raise SernetError(f"{where}: {path} is not a file")
    return path


def _count(values: list[str]) -> str:
    return f"{len(values)} value{'' if len(values) == 1 else 's'}"


def _who(utterance: Utterance) -> str:
    return f"{utterance.label} by {utterance.speaker or 'an unknown speaker'}"
