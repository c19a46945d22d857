"""EMO-DB, the Berlin Database of Emotional Speech: 535 utterances, 10 actors, 7 emotions.

Files are named `SSTTTEv.wav`: speaker (two digits), text (three), emotion (the initial of its
German name), version.
"""

from __future__ import annotations

import re
from pathlib import Path

from sernet_edge.train.corpora.utterance import Utterance, named_recordings

LICENCE = "CC0-1.0"
SOURCE = "http://emodb.bilderbar.info; https://audeering.github.io/datasets/datasets/emodb.html"
CITATION = (
    "F. Burkhardt, A. Paeschke, M. Rolfes, W. Sendlmeier, B. Weiss: "
    "A Database of German Emotional Speech. Interspeech 2005"
)

_LETTERS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
LABELS = tuple(_LETTERS.values())
PUBLISHED = 535
SPEAKERS = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")

_NAME = re.compile(
    r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]\.\w+", re.IGNORECASE
)


def read(folder: Path) -> list[Utterance]:
    """List the utterances of EMO-DB in `folder`, at any depth, by file name.

    Raises:
        SernetError: There is no such folder, it has no audio, or its names are not EMO-DB's.
    """
    return [
        Utterance(
            path,
            _LETTERS[match["emotion"].upper()],
            match["speaker"],
            sentence=match["sentence"].lower(),
        )
        for path, match in named_recordings(folder, _NAME, "EMO-DB", "03a01Fa.wav")
    ]
