"""RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song: its speech.

1440 utterances of 24 actors, in folders `Actor_01` to `Actor_24`. File names are seven numbers:
modality, vocal channel, emotion, intensity, statement, repetition, actor.
"""

from __future__ import annotations

import re
from pathlib import Path

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance, named_recordings

LICENCE = "CC BY-NC-SA 4.0"
SOURCE = "https://zenodo.org/records/1188976"
CITATION = (
    "S. R. Livingstone, F. A. Russo: The Ryerson Audio-Visual Database of Emotional Speech and "
    "Song (RAVDESS). PLoS ONE 13(5), 2018"
)

LABELS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
PUBLISHED = 1440
SPEAKERS = tuple(f"{actor:02}" for actor in range(1, 25))

_NAME = re.compile(
    r"(?P<modality>\d\d)-(?P<channel>\d\d)-(?P<emotion>0[1-8])-\d\d-(?P<statement>\d\d)"
    r"-\d\d-(?P<actor>\d\d)\.\w+",
    re.IGNORECASE,
)
_AUDIO_ONLY, _SPEECH = "03", "01"


def read(folder: Path) -> list[Utterance]:
    """List the audio-only speech in `folder`, at any depth; song and video are left out.

    Raises:
        SernetError: There is no such folder, it has no audio, or its names are not RAVDESS's.
    """
    utterances = [
        Utterance(
            path,
            LABELS[int(match["emotion"]) - 1],
            match["actor"],
            sentence=match["statement"],
        )
        for path, match in named_recordings(folder, _NAME, "RAVDESS", "03-01-05-01-02-01-12.wav")
        if (match["modality"], match["channel"]) == (_AUDIO_ONLY, _SPEECH)
    ]
    if not utterances:
        raise SernetError(
            f"{folder} holds no speech of RAVDESS, only song or video's sound",
            hint="unpack Audio_Speech_Actors_01-24.zip",
        )
    return utterances
