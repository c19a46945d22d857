"""TESS, the Toronto Emotional Speech Set: 2,800 utterances of two women, 7 emotions.

Files are named `SPEAKER_WORD_EMOTION.wav`, such as `OAF_back_angry.wav`; "ps" is pleasant
surprise. Known faults: one file is named `OA_bite_neutral.wav`, and a widely copied archive holds
every recording twice, which the check for equal audio reports.
"""

from __future__ import annotations

import re
from pathlib import Path

from sernet_edge.train.corpora.utterance import Utterance, named_recordings

LICENCE = "CC BY-NC-ND 4.0"
SOURCE = "https://doi.org/10.5683/SP2/E8H2MF"
CITATION = (
    "M. K. Pichora-Fuller, K. Dupuis: Toronto emotional speech set (TESS). "
    "University of Toronto, 2010"
)

_NAMES = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "ps": "surprise",
    "sad": "sadness",
    "neutral": "neutral",
}
LABELS = tuple(_NAMES.values())
PUBLISHED = 2800
SPEAKERS = ("OAF", "YAF")

_NAME = re.compile(
    rf"(?P<speaker>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>{'|'.join(_NAMES)})\.\w+", re.IGNORECASE
)


def read(folder: Path) -> list[Utterance]:
    """List the utterances of TESS in `folder`, at any depth, by file name.

    Raises:
        SernetError: There is no such folder, it has no audio, or its names are not TESS's.
    """
    return [
        Utterance(
            path,
            _NAMES[match["emotion"].lower()],
            f"{match['speaker'].upper().rstrip('F')}F",
            sentence=match["word"].lower(),
        )
        for path, match in named_recordings(folder, _NAME, "TESS", "OAF_back_angry.wav")
    ]
