"""The folder of `listen --record`: recordings of events, and the marks that people gave them.

A recording is a WAV file and a JSON file of the same name; its mark is a file NAME.mark.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.documents import DocumentFormat
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text

Verdict = Literal["right", "wrong", "nobody"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

# The number rises with each recording in the folder, whatever the clock says, so names sort by
# time. Other files in the folder are left alone.
_NAME = r"(\d{8,})-\d{8}T\d{6}Z-\w+-\d+"
_RECORDING = re.compile(_NAME)
_OWN_FILE = re.compile(rf"{_NAME}(\.mark)?\.(wav|json)")

# What `files.replacing` leaves behind where the program was killed.
_UNFINISHED = re.compile(rf"\.{_NAME}(\.mark)?-\w+\.(wav|json)")

_MARK = DocumentFormat("sernet-edge-mark", 1, "a mark of a recording", "mark the recording again")


@dataclass(frozen=True)
class Mark:
    """A person's word on a recording.

    Attributes:
        verdict: "right": the event's label is what was heard; "wrong": `label` is; "nobody":
            nobody spoke.
        label: The emotion that was heard, or `NONE`.
    """

    verdict: Verdict
    label: str

    @classmethod
    def of(cls, verdict: Verdict, recording: Recording, label: str | None = None) -> Mark:
        """Return the mark with a verdict on a recording.

        Args:
            verdict: The verdict.
            recording: What it is about.
            label: With "wrong": what was heard instead.

        Raises:
            ValueError: The verdict is unknown, or a label is missing or is the event's own.
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
        path: Its audio.
        label: The event's.
        began: When the audio begins, ISO 8601.
        onset_s: Where the event starts, in seconds of the audio.
        end_s: Likewise where it ends; None where the audio ends before.
        peak: The event's highest smoothed score, 0..1.
    """

    path: Path
    label: str
    began: str
    onset_s: float
    end_s: float | None
    peak: float

    @property
    def name(self) -> str:
        """The name of its files, without a suffix."""
        return self.path.stem

    def mark(self) -> Mark | None:
        """Return its mark; None where it has none.

        Raises:
            SernetError: The mark's file cannot be read.
        """
        path = self._mark_path
        if not path.exists():
            return None
        document = _MARK.read(path)
        verdict, label = document.get("verdict"), document.get("label")
        if verdict not in VERDICTS or not isinstance(label, str):
            raise SernetError(f"{path} is damaged", _MARK.again)
        return Mark(verdict, label)

    def set_mark(self, mark: Mark | None) -> None:
        """Write a mark in the place of any other, or take the mark back.

        Raises:
            SernetError: It cannot be written or removed.
        """
        if mark is None:
            try:
                self._mark_path.unlink(missing_ok=True)
            except OSError as error:
                raise SernetError(f"cannot remove {self._mark_path}: {error.strerror}") from error
            return
        about = {"recording": self.path.name, "verdict": mark.verdict, "label": mark.label}
        text = json.dumps(_MARK.head() | about, ensure_ascii=False, indent=1)
        write_text(self._mark_path, f"{text}\n")

    @property
    def _mark_path(self) -> Path:
        return self.path.with_suffix(".mark.json")


class EventFolder:
    """A folder of recordings. It may hold other files, which are left alone."""

    def __init__(self, path: Path) -> None:
        """Name the folder, which need not exist yet."""
        self.path = path

    def files(self) -> list[tuple[int, Path]]:
        """Return the files of recordings and marks with their numbers, the oldest first.

        Raises:
            OSError: The folder cannot be read.
        """
        return self._named(_OWN_FILE)

    def unfinished(self) -> list[tuple[int, Path]]:
        """Return the files that are being written, or never will be, as `files` does.

        Raises:
            OSError: The folder cannot be read.
        """
        return self._named(_UNFINISHED)

    def _named(self, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
        names = [(pattern.fullmatch(path.name), path) for path in self.path.iterdir()]
        return sorted((int(name[1]), path) for name, path in names if name)

    def recordings(self) -> Iterator[Recording]:
        """Yield the recordings, the newest first; one that is being written is none yet.

        Raises:
            SernetError: The folder cannot be read.
        """
        try:
            files = self.files()
        except OSError as error:
            raise SernetError(f"cannot read {self.path}: {error.strerror}") from error
        for _, path in reversed(files):
            if path.suffix == ".wav" and (recording := self.find(path.stem)) is not None:
                yield recording

    def find(self, name: str) -> Recording | None:
        """Return the recording with a name; None where there is none."""
        if not _RECORDING.fullmatch(name):
            return None
        path = self.path / f"{name}.wav"
        try:
            about = json.loads(path.with_suffix(".json").read_bytes())
            return _recording(path, about) if path.is_file() else None
        except (OSError, ValueError, RecursionError, KeyError, TypeError):
            return None

    def forget(self) -> tuple[int, int]:
        """Delete the recordings and the marks; return how many of each there were.

        Raises:
            SernetError: The folder cannot be read, or a file cannot be deleted.
        """
        recordings = marks = 0
        try:
            for _, path in self.files():
                path.unlink(missing_ok=True)
                recordings += path.suffix == ".wav"
                marks += path.name.endswith(".mark.json")
            for _, path in self.unfinished():
                path.unlink(missing_ok=True)
        except OSError as error:
            where = error.filename or self.path
            raise SernetError(f"cannot delete {where}: {error.strerror}") from error
        return recordings, marks


def _recording(path: Path, about: dict[str, Any]) -> Recording:
    event, from_s = about["event"], float(about["from_s"])
    end_s = event["end_s"]
    return Recording(
        path=path,
        label=str(event["label"]),
        began=str(about["began"]),
        onset_s=float(event["start_s"]) - from_s,
        end_s=None if end_s is None or about["cut"] else float(end_s) - from_s,
        peak=float(event["peak"]),
    )
