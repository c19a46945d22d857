"""Writes the figures of each epoch as a table, for other programs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO


def epochs_table(rows: Sequence[Mapping[str, float]]) -> str:
    """Return CSV with a header and a line for each epoch.

    Args:
        rows: The figures of each epoch by name, with the same names in all epochs.
    """
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["epoch", *rows[0]])
    for number, row in enumerate(rows, 1):
        table.writerow([number, *row.values()])
    return text.getvalue()
