"""SAVEE, Surrey Audio-Visual Expressed Emotion: 480 utterances of four men, 7 emotions.

Files are named by emotion and number, `sa01.wav`, in a folder for each speaker, `DC`, `JE`, `JK`
and `KL`. Some copies have all files in one folder, with names such as `DC_sa01.wav`.
"""

from __future__ import annotations

import re
from pathlib import Path

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance, named_recordings

LICENCE = "for research, on registration"
SOURCE = "http://kahlan.eps.surrey.ac.uk/savee/"
CITATION = (
    "S. Haq, P. J. B. Jackson: Multimodal Emotion Recognition. In: Machine Audition, "
    "IGI Global, 2010"
)

_CODES = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
LABELS = tuple(_CODES.values())
PUBLISHED = 480
SPEAKERS = ("DC", "JE", "JK", "KL")

_NAME = re.compile(
    r"(?:(?P<speaker>DC|JE|JK|KL)_)?(?P<emotion>sa|su|a|d|f|h|n)\d\d\.\w+", re.IGNORECASE
)


def read(folder: Path) -> list[Utterance]:
    """List the utterances of SAVEE in `folder`, at any depth.

    Raises:
        SernetError: There is no such folder, it has no audio, its names are not SAVEE's, or
            neither the name nor the folder of a recording tells its speaker.
    """
    utterances = []
    for path, match in named_recordings(folder, _NAME, "SAVEE", "DC/sa01.wav"):
        speaker = (match["speaker"] or path.parent.name).upper()
        if speaker not in SPEAKERS:
            raise SernetError(
                f"{path}: the folder {path.parent.name} is not a speaker of SAVEE",
                f"keep the folders {', '.join(SPEAKERS)} as they were unpacked",
            )
        utterances.append(Utterance(path, _CODES[match["emotion"].lower()], speaker))
    return utterances
