"""The folder of `listen --record`: recordings of events, and people's marks.

A recording is a WAV file and a JSON file of the same name; its mark is a file NAME.mark.json.

The page asks for the list again and again, for weeks. So paths are strings here: from Python
3.12 on, pathlib interns the parts of every path, and the interpreter's table of interned strings
grows with each new name.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.documents import DocumentFormat
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import remove, write_text

Verdict = Literal["right", "wrong", "nobody"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

# Each recording has a higher number than those before it, whatever the clock says, so names sort by
# time. Files with other names are left alone.
_NAME = r"(\d{8,})-\d{8}T\d{6}Z-\w+-\d+"
_RECORDING = re.compile(_NAME)
_OWN_FILE = re.compile(rf"{_NAME}(\.mark)?\.(wav|json)")

# Temporary files of `files.replacing` that remain when the program is killed.
_UNFINISHED = re.compile(rf"\.{_NAME}(\.mark)?-\w+\.(wav|json)")

_AUDIO = ".wav"
_MARK_FILE = ".mark.json"

_MARK = DocumentFormat("sernet-edge-mark", 1, "a mark of a recording", "mark the recording again")


@dataclass(frozen=True)
class Mark:
    """A person's verdict on a recording.

    Attributes:
        verdict: "right": the event's label is right; "wrong": `label` is right; "nobody": nobody
            spoke.
        label: The emotion that was heard, or `NONE`.
    """

    verdict: Verdict
    label: str

    @classmethod
    def of(cls, verdict: Verdict, recording: Recording, label: str | None = None) -> Mark:
        """Return the mark that gives a recording this verdict.

        Args:
            verdict: The verdict.
            recording: The recording.
            label: With "wrong": the emotion that was heard instead.

        Raises:
            ValueError: The verdict is unknown, or the label is missing or is the event's own.
        """
        if verdict not in VERDICTS:
            raise ValueError(f"the mark must be one of {', '.join(VERDICTS)}")
        if verdict == "right":
            return cls(verdict, recording.label)
        if verdict == "nobody":
            return cls(verdict, NONE)
        if label is None or label == recording.label:
            raise ValueError("the mark wrong needs the emotion that was heard instead")
        return cls(verdict, label)


@dataclass(frozen=True)
class Recording:
    """A recording of an event.

    Attributes:
        audio: The path of the audio file.
        label: The event's label.
        began: Time of the audio's first sample, ISO 8601.
        onset_s: The event's start, in seconds from the start of the audio.
        end_s: The event's end, likewise; None if the audio ends earlier.
        peak: The event's highest smoothed score, 0..1.
    """

    audio: str
    label: str
    began: str
    onset_s: float
    end_s: float | None
    peak: float

    @property
    def path(self) -> Path:
        """The audio file."""
        return Path(self.audio)

    @property
    def name(self) -> str:
        """The name of its files, without a suffix."""
        return os.path.basename(self.audio).removesuffix(_AUDIO)

    def mark(self) -> Mark | None:
        """Return the recording's mark; None if it has none.

        Raises:
            SernetError: The mark's file cannot be read.
        """
        path = self._mark_path
        if not os.path.exists(path):
            return None
        document = _MARK.read(path)
        verdict, label = document.get("verdict"), document.get("label")
        if verdict not in VERDICTS or not isinstance(label, str):
            raise SernetError(f"{path} is damaged", _MARK.again)
        return Mark(verdict, label)

    def set_mark(self, mark: Mark | None) -> None:
        """Write a mark over an earlier one; None removes the mark.

        Raises:
            SernetError: It cannot be written or removed.
        """
        if mark is None:
            try:
                remove(self._mark_path)
            except OSError as error:
                raise SernetError(f"cannot remove {self._mark_path}: {error.strerror}") from error
            return
        about = {"recording": f"{self.name}{_AUDIO}", "verdict": mark.verdict, "label": mark.label}
        text = json.dumps(_MARK.head() | about, ensure_ascii=False, indent=1)
        write_text(self._mark_path, f"{text}\n")

    @property
    def _mark_path(self) -> str:
        return self.audio.removesuffix(_AUDIO) + _MARK_FILE


class EventFolder:
    """A folder of recordings. Other files in it are left alone."""

    def __init__(self, path: Path) -> None:
        """Choose the folder, which need not exist yet."""
        self.path = path
        self._listed: dict[str, Recording] = {}  # those of the last list, by path

    def files(self) -> list[tuple[int, str]]:
        """Return the paths of recordings and marks with their numbers, the oldest first.

        Raises:
            OSError: The folder cannot be read.
        """
        return self._named(_OWN_FILE)

    def unfinished(self) -> list[tuple[int, str]]:
        """Return the paths of recordings' temporary files with their numbers, the oldest first.

        Raises:
            OSError: The folder cannot be read.
        """
        return self._named(_UNFINISHED)

    def _named(self, pattern: re.Pattern[str]) -> list[tuple[int, str]]:
        folder = str(self.path)
        names = [pattern.fullmatch(name) for name in os.listdir(folder)]
        return sorted((int(name[1]), os.path.join(folder, name[0])) for name in names if name)

    def recordings(self) -> Iterator[Recording]:
        """Yield the finished recordings, the newest first.

        Those of the last list are not read again: a finished recording never changes.

        Raises:
            SernetError: The folder cannot be read.
        """
        try:
            files = self.files()
        except OSError as error:
            raise SernetError(f"cannot read {self.path}: {error.strerror}") from error
        known, self._listed = self._listed, {}
        for _, path in reversed(files):
            if path.endswith(_AUDIO) and (recording := known.get(path) or _read(path)) is not None:
                self._listed[path] = recording
                yield recording

    def find(self, name: str) -> Recording | None:
        """Return the recording with this name; None if there is none."""
        audio = os.path.join(self.path, f"{name}{_AUDIO}")
        return _read(audio) if _RECORDING.fullmatch(name) else None

    def forget(self) -> tuple[int, int]:
        """Delete all recordings and marks; return how many of each there were.

        Raises:
            SernetError: The folder cannot be read, or a file cannot be deleted.
        """
        try:
            files = self.files()
            for _, path in files + self.unfinished():
                remove(path)
        except OSError as error:
            where = error.filename or self.path
            raise SernetError(f"cannot delete {where}: {error.strerror}") from error
        deleted = [path for _, path in files]
        return (
            sum(path.endswith(_AUDIO) for path in deleted),
            sum(path.endswith(_MARK_FILE) for path in deleted),
        )


def _read(audio: str) -> Recording | None:
    """Return the recording whose audio is at the path `audio`; None where it is not whole."""
    try:
        with open(audio.removesuffix(_AUDIO) + ".json", "rb") as file:
            about = json.loads(file.read())
        return _recording(audio, about) if os.path.isfile(audio) else None
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


def _recording(audio: str, about: dict[str, Any]) -> Recording:
    event, from_s = about["event"], float(about["from_s"])
    end_s = event["end_s"]
    return Recording(
        audio=audio,
        label=str(event["label"]),
        began=str(about["began"]),
        onset_s=float(event["start_s"]) - from_s,
        end_s=None if end_s is None or about["cut"] else float(end_s) - from_s,
        peak=float(event["peak"]),
    )
