"""Any corpus, as a CSV file with a header and the columns path, label and, if known, speaker."""

from __future__ import annotations

import csv
from pathlib import Path

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance


def read(table: Path) -> list[Utterance]:
    """List the utterances of a CSV file; relative paths start from the file's own folder.

    Without a column speaker, or where it is empty, nobody knows who speaks: such a corpus
    has no speaker-disjoint protocol.

    Raises:
        SernetError: Unreadable, a column or value is missing, a WAV does not exist.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SernetError(f"cannot read the table {table}: {error}") from error
    if missing := [name for name in ("path", "label") if name not in columns]:
        raise SernetError(
            f"{table} has no column {' and no column '.join(missing)}",
            hint="its first line must be path,label,speaker",
        )
    utterances = []
    for number, row in enumerate(rows, 2):
        if not (row["path"] and row["label"]):
            raise SernetError(f"{table}, line {number}: the path or the label is empty")
        path = table.parent / row["path"]
        if not path.is_file():
            raise SernetError(f"{table}, line {number}: {path} does not exist")
        utterances.append(Utterance(path, row["label"].strip(), (row.get("speaker") or "").strip()))
    if not utterances:
        raise SernetError(f"{table} names no recording")
    return utterances
