"""Records the audio around events, for `--record`; without it no audio is kept.

Each event becomes a WAV file and a JSON file of the same name, written whole or not at all. No
recording is ever overwritten, even if another process writes to the folder or the clock is set
back.
"""

from __future__ import annotations

import json
import os
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
from sernet_edge.runtime.files import remove, replacing, write_text
from sernet_edge.runtime.records import Event, Notice, Record, Result
from sernet_edge.runtime.ring import Ring

# Recorded before an onset, which is somewhere in the window that found it, and after an end.
_BEFORE_S = 3.0
_AFTER_S = 1.0

# A longer event's recording is cut; 60 s are 2 MB.
_MOST_S = 60.0

# Audio comes in chunks, and results lag behind it.
_SLACK_S = 5.0

# File names have at most 255 bytes; a letter has up to 4.
_LABEL_LETTERS = 40


@dataclass
class _Clip:
    """An event that is being recorded: the start of its audio, and its results so far."""

    event: Event
    from_s: float
    results: list[Result] = field(default_factory=list)


class EventRecorder:
    """Follows a stream and its records, and writes each event's audio to a folder.

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
            folder: Made if it does not exist, readable for its owner only.
            limit_bytes: The most that its recordings may take; the oldest are deleted.
            contract: The model's contract.
            clock: Returns the time of day in seconds since 1970, for the files' names.

        Raises:
            SernetError: The folder cannot be made or written to.
        """
        self.folder = EventFolder(folder)
        self._limit_bytes = limit_bytes
        self._contract = contract
        self._clock = clock
        self._rate_hz = contract.sample_rate_hz
        self._audio = Ring(round((_MOST_S + _SLACK_S) * self._rate_hz), (), np.int16)
        self._end_s = 0.0  # the stream's time after the last sample
        self._clip: _Clip | None = None
        self._failing = Lasting()
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):  # fail now, and not at the first event
                pass
        except OSError as error:
            raise SernetError(
                f"cannot record to {folder}: {error.strerror}",
                "name a folder, or one that can be made, and that can be written to",
            ) from error

    def push(
        self, samples: NDArray[np.int16], records: Sequence[Record], time_s: float
    ) -> list[Notice]:
        """Take audio and its records; return notices of failed writes.

        Args:
            samples: int16 (n,), as pushed to the listener.
            records: The records that the listener returned.
            time_s: The listener's time after the samples.
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
        """Take the records of a gap; end the recording there."""
        notices = self.push(np.zeros(0, np.int16), records, self._end_s)
        self._audio.clear()
        self._end_s = time_s
        return notices

    def __str__(self) -> str:
        """Return what the recorder does, for the user."""
        limit_mb = self._limit_bytes / 1_000_000
        return f"the audio around events to {self.folder.path}, at most {limit_mb:g} MB"

    @property
    def _start_s(self) -> float:
        """The stream's time of the oldest sample in memory."""
        return self._end_s - len(self._audio) / self._rate_hz

    def _write(self, clip: _Clip) -> list[Notice]:
        """Write a clip's files and forget the clip; return a notice if writing fails."""
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
        """Write a recording's audio and JSON, named by the next number and `rest`.

        Raises:
            SernetError: The folder cannot be read or written to.
        """
        self._make_room(2 * len(samples) + 2 * len(json.dumps(about).encode()) + 1024)
        audio = self._claim(rest)
        try:
            with replacing(audio) as path, wave.open(path, "wb") as file:
                file.setparams((1, 2, self._rate_hz, 0, "NONE", ""))
                # Without a copy: the allocator would keep the megabytes of the longest event.
                file.writeframes(samples.data)
            named = {"audio": os.path.basename(audio), **about}
            text = json.dumps(named, ensure_ascii=False, indent=1)
            write_text(f"{audio.removesuffix('.wav')}.json", f"{text}\n")
        except BaseException:
            remove(audio)
            raise

    def _claim(self, rest: str) -> str:
        """Return a new path for the audio, reserved by an empty file.

        Raises:
            SernetError: The folder cannot be read or written to.
        """
        try:
            number = 1 + max((number for number, _ in self.folder.files()), default=0)
            while True:
                audio = os.path.join(self.folder.path, f"{number:08}-{rest}.wav")
                try:
                    open(audio, "xb").close()
                except FileExistsError:  # another process was faster
                    number += 1
                else:
                    return audio
        except OSError as error:
            raise SernetError(f"cannot record to {self.folder.path}: {error.strerror}") from error

    def _make_room(self, size_bytes: int) -> None:
        """Delete recordings until a new one of `size_bytes` fits under the limit.

        The oldest are deleted first, with the temporary files of a killed program. Recordings
        that a person marked are deleted last.
        """
        try:
            files = [path for _, path in sorted(self.folder.files() + self.folder.unfinished())]
            names = {path: os.path.basename(path).partition(".") for path in files}
            marked = {name for name, _, kind in names.values() if kind.startswith("mark.")}
            files.sort(key=lambda path: names[path][0] in marked)
            sizes = {path: _size_bytes(path) for path in files}
            total = sum(sizes.values())
            for path, size in sizes.items():
                if total + size_bytes <= self._limit_bytes:
                    break
                remove(path)
                total -= size
        except OSError as error:
            raise SernetError(f"cannot tidy {self.folder.path}: {error.strerror}") from error


def _size_bytes(path: str) -> int:
    """Return a file's size; 0 if another process has removed it."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
