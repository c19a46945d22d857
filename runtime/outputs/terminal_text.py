"""Text for a terminal's columns: measured, clipped, wrapped and coloured."""

from __future__ import annotations

import functools
import unicodedata
from typing import Any

import click

from sernet_edge.runtime.contract import JOINERS

Style = dict[str, Any]
"""Arguments of `click.style`."""

Line = list[tuple[str, Style]]
"""Pieces of text, each with its style."""


def columns(text: str) -> int:
    """Return the number of terminal columns that `text` takes."""
    return len(text) if text.isascii() else sum(map(_character_columns, text))


def padded(text: str, width: int) -> str:
    """Return `text` followed by spaces, `width` columns in all."""
    return text + " " * (width - columns(text))


def printable(text: str) -> str:
    """Return `text` without characters that move the cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in JOINERS else "?" for c in text)


def clipped(text: str, width: int, mark: str = "…") -> str:
    """Return at most `width` columns of `text`; `mark` replaces the rest."""
    if columns(text) <= width:
        return text
    return _beginning(text, width - columns(mark)) + mark if width >= columns(mark) else ""


def wrapped(text: str, width: int) -> list[str]:
    """Return `text` as lines of at most `width` columns, broken between words if possible."""
    lines = [""]
    for word in text.split():
        extended = f"{lines[-1]} {word}".lstrip()
        if columns(extended) <= width:
            lines[-1] = extended
            continue
        if lines[-1]:
            lines.append("")
        while columns(word) > width:
            # A character that is wider than a line gets a line of its own.
            part = _beginning(word, width) or word[0]
            lines[-1:] = [part, ""]
            word = word[len(part) :]
        lines[-1] = word
    return lines


def line_columns(line: Line) -> int:
    """Return the number of columns of a line."""
    return sum(columns(text) for text, _ in line)


def rendered(line: Line, width: int, colour: bool, mark: str = "…") -> str:
    """Return a line with its colours, at most `width` columns wide."""
    text = ""
    for piece, style in line:
        part = clipped(piece, width, mark)
        width -= columns(part)
        text += click.style(part, **style) if colour and style else part
    return text


def _beginning(text: str, width: int) -> str:
    """Return as many characters of `text` as fit in `width` columns."""
    taken = 0
    for index, character in enumerate(text):
        taken += _character_columns(character)
        if taken > width:
            return text[:index]
    return text


@functools.cache
def _character_columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
