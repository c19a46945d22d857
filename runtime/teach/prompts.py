"""Sentences to say in a guided session, and how: which clip is to be recorded next."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sernet_edge.runtime.contract import NONE

ENOUGH = 2
"""Clips of each emotion with which a session is worth teaching from, ..."""

MOST = 4
"""... and with which it ends: more help little (docs/evidence/teaching.md)."""

# They say nothing of an emotion, as the sentences of acted corpora. Each is said in all emotions,
# so that what differs is the emotion.
_SENTENCES = (
    "The cloth is lying on the fridge.",
    "Tonight I could tell him.",
    "The black sheet of paper is up there beside the piece of wood.",
    "They just carried it upstairs, and now they are coming down again.",
)

_CUES = {
    "anger": "as if somebody had broken it on purpose",
    "boredom": "as if you had said it a hundred times today",
    "calm": "as if you had all the time in the world",
    "disgust": "as if it smelled",
    "fear": "as if somebody were behind the door",
    "happiness": "as if it were the best news of the year",
    "neutral": "as you would read out a shopping list",
    "sadness": "as if it were the last time",
    "surprise": "as if you could hardly believe it",
}


@dataclass(frozen=True)
class Prompt:
    """A clip to record.

    Attributes:
        label: The emotion, or `NONE`.
        sentence: What to say; empty where nobody is to speak.
        cue: How to say it; may be empty.
        take: Which clip of its label it will be, counted from 1.
    """

    label: str
    sentence: str
    cue: str
    take: int


def next_prompt(counts: Mapping[str, int], skipped: Collection[str] = ()) -> Prompt | None:
    """Return the clip that is missing most, the first label first; None where all are there.

    Args:
        counts: Clips by label, in the model's order.
        skipped: Labels that the person does not want to say.
    """
    wanted = [label for label in counts if label not in skipped and counts[label] < MOST]
    if not wanted:
        return None
    label = min(wanted, key=counts.__getitem__)
    take = counts[label] + 1
    if label == NONE:
        return Prompt(label, "", "let the microphone hear the room for some seconds", take)
    return Prompt(label, _SENTENCES[(take - 1) % len(_SENTENCES)], _CUES.get(label, ""), take)


def is_enough(counts: Mapping[str, int], skipped: Collection[str] = ()) -> bool:
    """Whether there are clips enough of each label that is not skipped."""
    wanted = [label for label in counts if label not in skipped]
    return bool(wanted) and all(counts[label] >= ENOUGH for label in wanted)
