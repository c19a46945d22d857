"""IEMOCAP, the Interactive Emotional Dyadic Motion Capture database, as papers use it.

Four classes, happiness merged with excitement: 5,531 utterances of 10 speakers in 5 sessions.
Labels are in each session's evaluation files:

    [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
"""

from __future__ import annotations

import re
from pathlib import Path

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance

LICENCE = "by agreement with its authors, for research"
SOURCE = "https://sail.usc.edu/iemocap/"
CITATION = (
    "C. Busso et al.: IEMOCAP: Interactive emotional dyadic motion capture database. "
    "Language Resources and Evaluation 42(4), 2008"
)

_CODES = {
    "ang": "anger",
    "hap": "happiness",
    "exc": "happiness",
    "neu": "neutral",
    "sad": "sadness",
}
LABELS = ("anger", "happiness", "neutral", "sadness")
PUBLISHED = {"impro": 2943, "script": 2588}
"""Utterances of the four classes, improvised and scripted: 1,103 of anger, 1,636 of happiness,
1,708 neutral and 1,084 of sadness in all."""
SPEAKERS = tuple(f"Ses{session:02}{gender}" for session in range(1, 6) for gender in "FM")

_LINE = re.compile(
    r"^\[[\d.]+ - [\d.]+\]\t(?P<name>(?P<session>Ses\d\d)[FM]_(?P<kind>impro|script)\S*"
    r"_(?P<gender>[FM])\w+)\t(?P<code>\w+)\t",
    re.MULTILINE,
)


def read(folder: Path, kind: str = "") -> list[Utterance]:
    """List the utterances of the four classes in `folder`, which contains Session1 to Session5.

    Args:
        folder: IEMOCAP_full_release.
        kind: "impro", "script", or "" for both.

    Raises:
        SernetError: There is no session, a session has no evaluation files, or a WAV is missing.
    """
    sessions = sorted(folder.glob("Session[1-5]"))
    if not sessions:
        raise SernetError(
            f"{folder} holds no folder Session1 to Session5",
            hint="name the folder IEMOCAP_full_release",
        )
    utterances = []
    for session in sessions:
        evaluations = sorted((session / "dialog" / "EmoEvaluation").glob("Ses*.txt"))
        if not evaluations:
            raise SernetError(f"{session}/dialog/EmoEvaluation holds no evaluation file")
        for evaluation in evaluations:
            for match in _LINE.finditer(evaluation.read_text(encoding="latin-1")):
                if match["code"] not in _CODES or (kind and match["kind"] != kind):
                    continue
                dialogue = match["name"].rpartition("_")[0]
                path = session / "sentences" / "wav" / dialogue / f"{match['name']}.wav"
                if not path.is_file():
                    raise SernetError(f"{evaluation} names {match['name']}, but {path} is missing")
                # The last letter of the turn's name is the speaker's; that of the session's name
                # is the wearer's of the motion-capture markers.
                speaker = f"{match['session']}{match['gender']}"
                utterances.append(Utterance(path, _CODES[match["code"]], speaker))
    if not utterances:
        raise SernetError(f"{folder} holds no {kind or 'labelled'} utterance of the four classes")
    return utterances
