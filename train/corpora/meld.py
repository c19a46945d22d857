"""MELD, the Multimodal EmotionLines Dataset: 13,708 utterances of a television series.

`train_sent_emo.csv`, `dev_sent_emo.csv` and `test_sent_emo.csv` list the utterances. The films are
in `train_splits`, `dev_splits_complete` and `output_repeated_splits_test`, with names
`diaDIALOGUE_uttUTTERANCE.mp4`. Extract their sound first, beside them:

    for f in */dia*.mp4; do ffmpeg -i "$f" -ac 1 -ar 16000 "${f%.mp4}.wav"; done

Known faults: the film of dialogue 110, utterance 7 of the development part is missing, that of
dialogue 125, utterance 3 of the training part is damaged. The reader leaves out listed utterances
without sound. Speakers of small roles share names such as "Man" and "All".
"""

from __future__ import annotations

import csv
from pathlib import Path

from sernet_edge.runtime.audio.containers import AUDIO_SUFFIXES
from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance

LICENCE = "GPL-3.0 for the annotations; the sound belongs to the series' owners"
SOURCE = "https://github.com/declare-lab/MELD"
CITATION = (
    "S. Poria, D. Hazarika, N. Majumder, G. Naik, E. Cambria, R. Mihalcea: MELD: A Multimodal "
    "Multi-Party Dataset for Emotion Recognition in Conversations. ACL 2019"
)

_NAMES = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprise": "surprise",
}
LABELS = tuple(_NAMES.values())
PUBLISHED = 13_708

_PARTS = {
    "train_sent_emo.csv": "train_splits",
    "dev_sent_emo.csv": "dev_splits_complete",
    "test_sent_emo.csv": "output_repeated_splits_test",
}
_COLUMNS = ("Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")


def read(folder: Path) -> list[Utterance]:
    """List the utterances with extracted sound, of all three parts in `folder`.

    Raises:
        SernetError: There is no table, a table lacks a column or has an unknown emotion, or there
            is no sound.
    """
    tables = [folder / name for name in _PARTS if (folder / name).is_file()]
    if not tables:
        raise SernetError(
            f"{folder} holds none of {', '.join(_PARTS)}",
            "name the folder with MELD's tables and films",
        )
    utterances = [utterance for table in tables for utterance in _read_table(table)]
    if not utterances:
        raise SernetError(
            f"{folder} holds no sound of the utterances in its tables",
            'extract it: for f in */dia*.mp4; do ffmpeg -i "$f" -ac 1 -ar 16000 "${f%.mp4}.wav"; '
            "done",
        )
    return utterances


def _read_table(table: Path) -> list[Utterance]:
    sound = {
        path.stem: path
        for path in sorted((table.parent / _PARTS[table.name]).glob("dia*_utt*.*"))
        if path.suffix.lower() in AUDIO_SUFFIXES
    }
    utterances = []
    # Some of the text, which is not used, is Windows-1252.
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
            raise SernetError(f"{table} has no column {', '.join(missing)}")
        for row in rows:
            if row["Emotion"] not in _NAMES:
                raise SernetError(
                    f"{table}, line {rows.line_num}: {row['Emotion']!r} is not an emotion of MELD"
                )
            path = sound.get(f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}")
            if path is not None:
                utterances.append(Utterance(path, _NAMES[row["Emotion"]], row["Speaker"].strip()))
    return utterances
