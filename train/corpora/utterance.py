"""One labelled recording of one speaker."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from sernet_edge.runtime.audio.containers import AUDIO_SUFFIXES
from sernet_edge.runtime.contract import is_label
from sernet_edge.runtime.errors import SernetError


@dataclass(frozen=True)
class Utterance:
    """One labelled recording of one speaker.

    Attributes:
        path: The audio file.
        label: The emotion, one of the corpus's labels.
        speaker: The speaker: the same text for the same person throughout the corpus, and for no
            other person in the corpora that are read with it. Empty if unknown.
        corpus: Its corpus's name if several corpora are read; empty if there is only one.
        sentence: The spoken words: the same text for the same words throughout the corpus. Empty
            if unknown.
    """

    path: Path
    label: str
    speaker: str
    corpus: str = ""
    sentence: str = ""


def label_named(name: str, where: str) -> str:
    """Return a label's name in one Unicode form.

    macOS writes `ü` in the names of folders as `u` and two dots; tables have it as one character.

    Args:
        name: The name of a folder, or in a table.
        where: The folder or the table's line, for the error.

    Raises:
        SernetError: The name is not valid for a label.
    """
    label = unicodedata.normalize("NFC", name)
    if not is_label(label):
        raise SernetError(
            f"{where}: the label {label!r} holds unprintable characters", "give it another name"
        )
    return label


_MADE_BY_SYSTEMS = {
    "__macosx",  # macOS, in archives
    "$recycle.bin",  # Windows
    "system volume information",
    "lost+found",  # Linux
    "@eadir",  # Synology
    "#recycle",
}
"""Folders of systems and programs, which contain no recordings, though files may look so."""


def recordings_below(folder: Path) -> list[Path]:
    """Return the audio files in `folder` at any depth, found by their endings, sorted.

    Files and folders with a dot at the start of their names are skipped, and so are folders of
    operating systems: trash, checkpoints, and macOS's parts of files.

    Raises:
        SernetError: There is no such folder, or it has no audio.
    """
    if not folder.is_dir():
        raise SernetError(f"the corpus folder {folder} does not exist")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and not _is_hidden(path.relative_to(folder))
    )
    if not paths:
        raise SernetError(
            f"{folder} holds no audio file",
            hint="name the folder that the corpus was unpacked to",
        )
    return paths


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part.lower() in _MADE_BY_SYSTEMS for part in path.parts)


def named_recordings(
    folder: Path, name: re.Pattern[str], corpus: str, example: str
) -> list[tuple[Path, re.Match[str]]]:
    """Return the audio files in `folder` with the matches of their names.

    Args:
        folder: The folder, searched at any depth.
        name: The pattern of a whole file name.
        corpus: The corpus's name, for errors.
        example: A correct file name, for errors.

    Raises:
        SernetError: There is no such folder, it has no audio, or a name does not match.
    """
    paths = recordings_below(folder)
    matches = [(path, name.fullmatch(path.name)) for path in paths]
    if strange := [path.name for path, match in matches if not match]:
        raise SernetError(
            f"{folder}: {len(strange)} of {len(paths)} files are not named as {corpus}'s are "
            f"({example}), the first: {strange[0]}",
            hint=f"move them elsewhere, or check that the folder is {corpus}",
        )
    return [(path, match) for path, match in matches if match]
