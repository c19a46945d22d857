"""CREMA-D, the Crowd-sourced Emotional Multimodal Actors Dataset: 7,442 utterances, 91 actors.

Files are named `ACTOR_SENTENCE_EMOTION_LEVEL.wav`, such as `1001_DFA_ANG_XX.wav`. Known fault:
`1076_MTI_SAD_XX.wav` holds no sound; `--skip-bad` leaves it out.
"""

from __future__ import annotations

import re
from pathlib import Path

from sernet_edge.train.corpora.utterance import Utterance, named_recordings

LICENCE = "ODbL-1.0"
SOURCE = "https://github.com/CheyneyComputerScience/CREMA-D"
CITATION = (
    "H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma: CREMA-D: "
    "Crowd-sourced Emotional Multimodal Actors Dataset. IEEE Trans. Affective Computing 5(4), 2014"
)

_CODES = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
LABELS = tuple(_CODES.values())
PUBLISHED = 7442
SPEAKERS = tuple(str(actor) for actor in range(1001, 1092))

_NAME = re.compile(
    r"(?P<speaker>1\d{3})_(?P<sentence>[A-Z]{3})_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)"
    r"_(?:LO|MD|HI|XX?)\.\w+",
    re.IGNORECASE,
)


def read(folder: Path) -> list[Utterance]:
    """List the utterances of CREMA-D in `folder`, at any depth, by file name.

    Raises:
        SernetError: There is no such folder, it has no audio, or its names are not CREMA-D's.
    """
    return [
        Utterance(
            path,
            _CODES[match["emotion"].upper()],
            match["speaker"],
            sentence=match["sentence"].upper(),
        )
        for path, match in named_recordings(folder, _NAME, "CREMA-D", "1001_DFA_ANG_XX.wav")
    ]
