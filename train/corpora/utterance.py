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
        speaker: Who speaks; the same text for the same person throughout the corpus, and for
            nobody else in other corpora that are read with it. Empty if it is not known.
        corpus: The name of its corpus where several are read; empty where it is the only one.
        sentence: What is said: the same text for the same words throughout the corpus. Empty if
            it is not known.
    """

    path: Path
    label: str
    speaker: str
    corpus: str = ""
    sentence: str = ""


def label_named(name: str, where: str) -> str:
    """Return the label of this name, the same however Unicode spells it.

    macOS writes `ü` in the names of folders as a `u` and its dots, tables have it as one letter.

    Args:
        name: As a folder or a table has it.
        where: The folder or the table's line, for the error.

    Raises:
        SernetError: No label may be named so.
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
"""Folders that hold no recordings of a corpus, though files in them may be named so."""


def recordings_below(folder: Path) -> list[Path]:
    """Return every audio file in `folder` at any depth, by its name's ending, sorted.

    Names that begin with a dot are skipped, folders and files, and folders that operating systems
    make: trash, checkpoints, and the halves of files that macOS puts beside them.

    Raises:
        SernetError: No such folder, or no audio in it.
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
    """Return every audio file in `folder` with the match of its name.

    Args:
        folder: Searched at any depth.
        name: What every file name must match whole.
        corpus: The corpus's name, for errors.
        example: A file name as it should be, likewise.

    Raises:
        SernetError: No such folder, no audio in it, or other names.
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
