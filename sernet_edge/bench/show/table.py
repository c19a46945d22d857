"""A table: its cells, and how they look on a terminal and in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from sernet_edge.bench.document import Section, is_measured

# On a narrow terminal the first column may become as narrow as this, its cells on several lines.
_NARROW = 20

_HEAD_LINES = 2


@dataclass
class Table:
    """A table with its title and its notes.

    Attributes:
        title: What it is about.
        header: Of its columns.
        rows: Cells as text.
        notes: Sentences.
        left: How many of the first columns are text, aligned to the left.
        by_model: Whether the first column is the model, which a terminal shows as a line of its
            own above the rows that it has.
        parts: Numbers of columns that stay beside each other, the model's not among them; the
            first number is that of the columns that say what a row is about. A terminal too
            narrow for all has the other parts below each other. (): in one part.
    """

    title: str
    header: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: int = 1
    by_model: bool = False
    parts: Sequence[int] = ()

    def cell(self, section: Section, show: Callable[[Section], str]) -> str:
        """Return a cell, or where there is no figure "not measured" with the reason in a note."""
        if is_measured(section):
            return show(section)
        return f"not measured [{self.note(section['not_measured'])}]"

    def note(self, text: str) -> int:
        """Return the number of a note, which is added if it is not there yet."""
        if text not in self.notes:
            self.notes.append(text)
        return self.notes.index(text) + 1


def as_markdown(found: Sequence[Table], level: int = 2) -> str:
    """Return tables as Markdown, with headings of a level."""
    return "\n".join(_markdown(table, level) for table in found)


def as_text(found: Sequence[Table], width: int) -> str:
    """Return tables for a terminal of so many columns."""
    return "\n\n".join("\n".join(_text(table, width)) for table in found) + "\n"


def _markdown(table: Table, level: int) -> str:
    rule = ["---" if i < table.left else "---:" for i in range(len(table.header))]

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    notes = [f"{i}. {note}" for i, note in enumerate(table.notes, 1)]
    return "\n".join(
        [f"{'#' * level} {table.title}", "", row(table.header), row(rule), *map(row, table.rows),
         "", *notes, ""]
    )  # fmt: skip


def _text(table: Table, width: int) -> Iterator[str]:
    yield from (table.title, "")
    yield from _columns(_below_models(table) if table.by_model else table, width)
    for number, note in enumerate(table.notes, 1):
        start = f"  [{number}] "
        # Names of files and options stay whole, so that they can be copied.
        yield from textwrap.wrap(
            note, width, initial_indent=start, subsequent_indent=" " * len(start),
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip


def _below_models(table: Table) -> Table:
    """Return a table without its column of models: each is a row of one cell above its own."""
    rows = []
    for model in dict.fromkeys(row[0] for row in table.rows):
        rows.append([f"{model}:"])
        rows += [[f"  {row[1]}", *row[2:]] for row in table.rows if row[0] == model]
    return replace(table, header=table.header[1:], rows=rows, left=table.left - 1)


def _columns(table: Table, width: int) -> Iterator[str]:
    """Yield the lines of a table's columns: beside each other, or if too wide part below part."""
    every = list(range(len(table.header)))
    blocks = [every]
    if table.parts and _width(table, every) > width:
        keys, *others = table.parts
        starts = [keys + sum(others[:number]) for number in range(len(others))]
        blocks = [
            every[:keys] + every[start : start + size]
            for start, size in zip(starts, others, strict=True)
        ]
    for number, columns in enumerate(blocks):
        if number:
            yield ""
        yield from _block(table, columns, width)


def _width(table: Table, columns: Sequence[int]) -> int:
    """Return how wide some columns are beside each other, with the first as narrow as may be."""
    widths = [_narrowest(table, columns[0]), *(_widest(table, column) for column in columns[1:])]
    return sum(widths) + 2 * (len(columns) - 1)


def _widest(table: Table, column: int) -> int:
    """Return how wide a column is whose heading alone is broken into lines."""
    head = table.header[column]
    least = next(width for width in count(1) if len(_head(head, width)) <= _HEAD_LINES)
    return max(map(len, [*_head(head, least), *_cells(table, column)]))


def _narrowest(table: Table, column: int) -> int:
    """Return how wide a column is whose cells are broken into lines, too."""
    words = [word for cell in _cells(table, column) for word in cell.split()]
    return min(_widest(table, column), max(_NARROW, *map(len, words)))


def _head(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _cells(table: Table, column: int) -> list[str]:
    return [row[column] for row in table.rows if len(row) > 1]


def _block(table: Table, columns: Sequence[int], width: int) -> Iterator[str]:
    """Yield the lines of some columns beside each other, the last of a heading's at the bottom."""
    widths = [_widest(table, column) for column in columns]
    over = sum(widths) + 2 * (len(widths) - 1) - width
    widths[0] = max(widths[0] - max(over, 0), _narrowest(table, columns[0]))

    def aligned(cells: Sequence[str]) -> str:
        return "  ".join(
            cell.ljust(size) if column < table.left else cell.rjust(size)
            for column, cell, size in zip(columns, cells, widths, strict=True)
        ).rstrip()

    heads = [
        _head(table.header[column], size) for column, size in zip(columns, widths, strict=True)
    ]
    height = max(map(len, heads))
    for line in zip(*([""] * (height - len(head)) + head for head in heads), strict=True):
        yield aligned(line)
    for row in table.rows:
        first, *more = textwrap.wrap(
            row[0], widths[0], subsequent_indent="    ", break_on_hyphens=False
        )
        if len(row) == 1:
            yield row[0]
            continue
        yield aligned([first, *(row[column] for column in columns[1:])])
        yield from more
