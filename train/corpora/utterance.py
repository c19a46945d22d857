"""One labelled recording of one speaker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Utterance:
    """One labelled recording of one speaker.

    Attributes:
        path: The WAV file.
        label: The emotion, one of the corpus's labels.
        speaker: Who speaks; the same text for the same person throughout the corpus.
    """

    path: Path
    label: str
    speaker: str
