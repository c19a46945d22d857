"""One labelled recording of one speaker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sernet_edge.runtime.errors import SernetError


@dataclass(frozen=True)
class Utterance:
    """One labelled recording of one speaker.

    Attributes:
        path: The WAV file.
        label: The emotion, one of the corpus's labels.
        speaker: Who speaks; the same text for the same person throughout the corpus. Empty
            if nobody knows.
    """

    path: Path
    label: str
    speaker: str


def wavs_below(folder: Path) -> list[Path]:
    """Return every .wav file in `folder` at any depth, sorted.

    Raises:
        SernetError: No such folder, or no WAV in it.
    """
    if not folder.is_dir():
        raise SernetError(f"the corpus folder {folder} does not exist")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".wav")
    if not paths:
        raise SernetError(
            f"{folder} holds no .wav file", hint="name the folder that the corpus was unpacked to"
        )
    return paths
