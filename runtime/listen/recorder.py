"""Keeps the audio around events where `--record` asks for it; without it nothing is kept.

Each event becomes a WAV file and a JSON file of the same name, written whole or not at all. No
recording is ever replaced: neither another process that writes to the folder nor a clock that is
set back can lead to a name that is taken.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.episode import Lasting
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.event_folder import EventFolder
from sernet_edge.runtime.files import replacing, write_text
from sernet_edge.runtime.records import Event, Notice, Record, Result
from sernet_edge.runtime.ring import Ring

# Kept before an onset, which lies somewhere in the window that found it, and after an end.
_BEFORE_S = 3.0
_AFTER_S = 1.0

# An event that lasts longer is cut; 60 s are 2 MB.
_MOST_S = 60.0

# Audio arrives in chunks, and results lag behind it.
_SLACK_S = 5.0

# File names have at most 255 bytes, and a letter up to 4.
_LABEL_LETTERS = 40


@dataclass
class _Clip:
    """An event that is being recorded: where its audio starts, and its results so far."""

    event: Event
    from_s: float
    results: list[Result] = field(default_factory=list)


class EventRecorder:
    """Follows a stream and its records, and writes the audio of each event to a folder.

    Attributes:
        folder: The folder.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int,
        contract: Contract,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare the folder.

        Args:
            folder: Made if it is not there, for its owner's eyes alone.
            limit_bytes: What the recordings in it may take; the oldest make room for new ones.
            contract: Of the model that the events come from.
            clock: The time of day, in seconds since 1970, for the files' names.

        Raises:
            SernetError: The folder cannot be made or written to.
        """
        self.folder = EventFolder(folder)
        self._limit_bytes = limit_bytes
        self._contract = contract
        self._clock = clock
        self._rate_hz = contract.sample_rate_hz
        self._audio = Ring(round((_MOST_S + _SLACK_S) * self._rate_hz), (), np.int16)
        self._end_s = 0.0  # the stream's time behind the last sample
        self._clip: _Clip | None = None
        self._failing = Lasting()
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):  # better to know now than at an event
                pass
        except OSError as error:
            raise SernetError(
                f"cannot record to {folder}: {error.strerror}",
                "name a folder, or one that can be made, and that can be written to",
            ) from error

    def push(
        self, samples: NDArray[np.int16], records: Sequence[Record], time_s: float
    ) -> list[Notice]:
        """Take audio and what the listener made of it; return what went wrong in writing.

        Args:
            samples: int16 (n,), as pushed to the listener.
            records: What that returned.
            time_s: The listener's time behind the samples.
        """
        self._audio.append(samples)
        self._end_s = time_s
        notices = []
        for record in records:
            if isinstance(record, Event):
                if record.kind == "start":
                    self._clip = _Clip(record, max(record.start_s - _BEFORE_S, self._start_s))
                elif self._clip is not None:
                    self._clip.event = record
                    notices += self._write(self._clip)
            elif isinstance(record, Result) and self._clip is not None:
                self._clip.results.append(record)
        if self._clip is not None and time_s - self._clip.from_s >= _MOST_S:
            notices += self._write(self._clip)
        return notices

    def gap(self, records: Sequence[Record], time_s: float) -> list[Notice]:
        """Take what the listener made of a gap: no recording reaches over it."""
        notices = self.push(np.zeros(0, np.int16), records, self._end_s)
        self._audio.clear()
        self._end_s = time_s
        return notices

    def __str__(self) -> str:
        """Return what it does, for the user."""
        limit_mb = self._limit_bytes / 1_000_000
        return f"the audio around events to {self.folder.path}, at most {limit_mb:g} MB"

    @property
    def _start_s(self) -> float:
        """The stream's time of the oldest sample that is here."""
        return self._end_s - len(self._audio) / self._rate_hz

    def _write(self, clip: _Clip) -> list[Notice]:
        """Write a clip's files, and let go of it; return a notice if that fails."""
        self._clip = None
        end_s = clip.event.end_s
        until_s = clip.from_s + _MOST_S
        if end_s is not None:
            until_s = min(until_s, end_s + _AFTER_S)
        heard = self._audio.last(round((self._end_s - clip.from_s) * self._rate_hz))
        samples = heard[: round((until_s - clip.from_s) * self._rate_hz)]
        began = datetime.fromtimestamp(self._clock() - (self._end_s - clip.from_s), UTC)
        about = {
            "began": began.isoformat(timespec="milliseconds"),
            "from_s": round(clip.from_s, 3),
            "event": clip.event.record(),
            "cut": end_s is None or end_s > until_s,
            "contract": self._contract.id,
            "results": [result.record(timing=False) for result in clip.results],
        }
        label = re.sub(r"\W", "_", clip.event.label)[:_LABEL_LETTERS]
        try:
            self._write_files(f"{began:%Y%m%dT%H%M%SZ}-{label}-{clip.event.id}", samples, about)
        except SernetError as error:
            if self._failing.begins(True, self._end_s):
                return [Notice("record-failed", str(error), self._end_s, "warning")]
        else:
            self._failing.begins(False, self._end_s)
        return []

    def _write_files(self, rest: str, samples: NDArray[np.int16], about: dict[str, Any]) -> None:
        """Write the audio and what there is to say about it, under a number and `rest`.

        Raises:
            SernetError: The folder cannot be read or written to.
        """
        self._make_room(2 * len(samples) + 2 * len(json.dumps(about).encode()) + 1024)
        audio = self._claim(rest)
        try:
            with replacing(audio) as path, wave.open(str(path), "wb") as file:
                file.setparams((1, 2, self._rate_hz, 0, "NONE", ""))
                file.writeframes(samples.astype("<i2").tobytes())
            text = json.dumps({"audio": audio.name, **about}, ensure_ascii=False, indent=1)
            write_text(audio.with_suffix(".json"), f"{text}\n")
        except BaseException:
            audio.unlink(missing_ok=True)
            raise

    def _claim(self, rest: str) -> Path:
        """Return a name for the audio, which no file had: an empty one has it now.

        Raises:
            SernetError: The folder cannot be read or written to.
        """
        try:
            number = 1 + max((number for number, _ in self.folder.files()), default=0)
            while True:
                audio = self.folder.path / f"{number:08}-{rest}.wav"
                try:
                    audio.open("xb").close()
                except FileExistsError:  # another process was faster
                    number += 1
                else:
                    return audio
        except OSError as error:
            raise SernetError(f"cannot record to {self.folder.path}: {error.strerror}") from error

    def _make_room(self, size_bytes: int) -> None:
        """Remove recordings until another of `size_bytes` fits under the limit.

        The oldest go first, what a killed program left of them too, and those that a person marked
        go last.
        """
        try:
            files = [path for _, path in sorted(self.folder.files() + self.folder.unfinished())]
            marked = {path.name.partition(".")[0] for path in files if ".mark." in path.name}
            files.sort(key=lambda path: path.name.partition(".")[0] in marked)
            sizes = {path: _size_bytes(path) for path in files}
            total = sum(sizes.values())
            for path, size in sizes.items():
                if total + size_bytes <= self._limit_bytes:
                    break
                path.unlink(missing_ok=True)
                total -= size
        except OSError as error:
            raise SernetError(f"cannot tidy {self.folder.path}: {error.strerror}") from error


def _size_bytes(path: Path) -> int:
    """Return a file's size, 0 for one that another process has removed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
