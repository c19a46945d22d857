"""Sentences to say in a guided session, how to say them, and which clip comes next."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sernet_edge.runtime.contract import NONE

ENOUGH = 2
"""Number of clips of each emotion that is enough to teach with, ..."""

MOST = 4
"""... and that ends the session: more help little (docs/evidence/teaching.md)."""

# Neutral sentences, as in acted corpora. Each is said in all emotions, so that only the emotion
# differs.
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
        sentence: The sentence to say; empty if nobody should speak.
        cue: How to say it; may be empty.
        take: Number of the clip among those of its label, from 1.
    """

    label: str
    sentence: str
    cue: str
    take: int


def next_prompt(counts: Mapping[str, int], skipped: Collection[str] = ()) -> Prompt | None:
    """Return the next clip: of the label with the fewest clips; None if all are recorded.

    Args:
        counts: Number of clips of each label, in the model's order.
        skipped: Labels that the person has skipped.
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
    """Whether there are enough clips of each label that is not skipped."""
    wanted = [label for label in counts if label not in skipped]
    return bool(wanted) and all(counts[label] >= ENOUGH for label in wanted)
