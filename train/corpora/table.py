"""Any corpus, as a text table with a header and the columns path, label and, if known, speaker."""

from __future__ import annotations

from pathlib import Path

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.tables import read_rows, recording
from sernet_edge.train.corpora.utterance import Utterance, label_named


def read(table: Path) -> list[Utterance]:
    """List the utterances of a table; relative paths start from the table's own folder.

    Where the column speaker is missing or empty, the speaker is unknown, and the corpus has no
    speaker-disjoint protocol. A repeated row counts once.

    Raises:
        SernetError: The table is unreadable, a column or value is missing, a row has more or fewer
            values than the header, or a recording does not exist or has two labels or speakers.
    """
    utterances: list[Utterance] = []
    known: dict[Path, tuple[str, Utterance]] = {}
    for where, row in read_rows(table, ("path", "label"), ("speaker",)):
        label = label_named(row["label"], where)
        path = recording(where, table.parent, row["path"])
        utterance = Utterance(path, label, row["speaker"])
        first, earlier = known.setdefault(path.resolve(), (where, utterance))
        if first == where:
            utterances.append(utterance)
        elif (earlier.label, earlier.speaker) != (label, utterance.speaker):
            line = first.removeprefix(f"{table}, ")
            raise SernetError(
                f"{where}: {row['path']} is {_who(utterance)}, but {_who(earlier)} in {line}",
                "remove the wrong line",
            )
    if not utterances:
        raise SernetError(f"{table} names no recording")
    return utterances


def _who(utterance: Utterance) -> str:
    return f"{utterance.label} by {utterance.speaker or 'an unknown speaker'}"
