"""nEMO, the dataset of emotional speech in Polish: 4,481 utterances, 9 speakers, 6 emotions.

`data.tsv` lists the recordings in `samples/`, FLAC or WAV, with emotion and speaker.
"""

from __future__ import annotations

import csv
from pathlib import Path

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance

LICENCE = "CC BY-NC-SA 4.0"
SOURCE = "https://huggingface.co/datasets/amu-cai/nEMO"
CITATION = "I. Christop: nEMO: Dataset of Emotional Speech in Polish. LREC-COLING 2024"

_NAMES = {
    "anger": "anger",
    "fear": "fear",
    "happiness": "happiness",
    "sadness": "sadness",
    "surprised": "surprise",
    "neutral": "neutral",
}
LABELS = tuple(_NAMES.values())
PUBLISHED = 4481

_COLUMNS = ("file_id", "emotion", "speaker_id")


def read(folder: Path) -> list[Utterance]:
    """List the utterances of `folder`/data.tsv with recordings in `folder`/samples.

    The published table names WAV files. Some copies contain FLAC, or only a part of the files.

    Raises:
        SernetError: There is no table, it lacks a column or has an unknown emotion, or there is
            no recording.
    """
    table = folder / "data.tsv"
    if not table.is_file():
        raise SernetError(
            f"{folder} holds no data.tsv", "name the folder of nEMO, with data.tsv and samples/"
        )
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
            raise SernetError(f"{table} has no column {', '.join(missing)}")
        utterances = []
        for row in rows:
            emotion = (row["emotion"] or "").strip()
            if emotion not in _NAMES:
                raise SernetError(
                    f"{table}, line {rows.line_num}: {emotion!r} is not an emotion of nEMO"
                )
            path = _recording(folder / "samples", (row["file_id"] or "").strip())
            if path is not None:
                # The published table pads speakers' names with spaces.
                speaker = (row["speaker_id"] or "").strip()
                number = path.stem.rpartition("_")[2]
                utterances.append(Utterance(path, _NAMES[emotion], speaker, sentence=number))
    if not utterances:
        raise SernetError(f"{folder}/samples holds none of the recordings that {table} lists")
    return utterances


def _recording(samples: Path, name: str) -> Path | None:
    """Return a recording's file, which may have another format than its name; None if missing."""
    named = samples / name
    for path in (named, named.with_suffix(".flac"), named.with_suffix(".wav")):
        if name and path.is_file():
            return path
    return None
