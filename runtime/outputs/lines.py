"""Writes lines to standard output, or to a file that survives power cuts and full disks."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TextIO

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import readable
from sernet_edge.runtime.outputs.fan_out import Tell


def utc_now() -> str:
    """Return the date and time for a line, ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Lines(Protocol):
    """A file, or standard output, to which lines are written."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def first_line(self) -> str:
        """The first line before anything is written, without its line end; empty if none."""

    def write(self, line: str) -> None:
        """Write a line, given without its line end, at once."""

    def close(self) -> None:
        """Close what this object has opened."""


class Standard:
    """Writes lines to standard output, which stays open."""

    name = "standard output"
    first_line = ""

    def __init__(self, file: TextIO) -> None:
        """Write to `file`."""
        self._file = file

    def write(self, line: str) -> None:
        """Write a line, flushed at once."""
        self._file.write(f"{line}\n")
        self._file.flush()

    def close(self) -> None:
        """Leave the file open, since the caller opened it."""


class Appended:
    """Appends lines to a file.

    An incomplete last line, as a power cut leaves it, is cut off before the first line is written.
    While the disk is full or gone, lines are dropped, which one notice reports; listening goes on.
    """

    def __init__(self, path: Path, tell: Tell) -> None:
        """Open or create `path`: a file, or something else that takes text, such as a named pipe.

        Raises:
            SernetError: It cannot be written; names it.
        """
        self.name = str(path)
        self._tell = tell
        self._missing = 0
        self._begun = False
        try:
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - `close` does
            self._cuttable = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
            self._length = _whole_lines(path) if self._cuttable else 0
            self.first_line = first_line(path) if self._cuttable else ""
        except OSError as error:
            raise SernetError(
                f"cannot write {path}: {error.strerror or error}",
                hint="check that the folder exists, is writable and has space",
            ) from error

    def write(self, line: str) -> None:
        """Append a whole line or nothing."""
        data = f"{readable(line)}\n".encode()
        try:
            if not self._begun:
                self._cut()
                self._begun = True
            written = 0
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError as error:
            with suppress(OSError):
                self._cut()
            if not self._missing:
                reason = error.strerror or str(error)
                self._tell("file-lost", f"cannot write {self.name}: {reason}; make room")
            self._missing += 1
            return
        self._length += len(data)
        if self._missing:
            self._tell(
                "file-back", f"{self.name} is written again; missing: {self._missing}", "info"
            )
            self._missing = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut(self) -> None:
        """Cut off an incomplete last line."""
        if self._cuttable:
            self._file.truncate(self._length)


def first_line(path: Path) -> str:
    """Return the first line of a file, without its end."""
    with open(path, "rb") as file:
        # An editor or spreadsheet may have added a byte order mark.
        return file.readline(65_536).decode("utf-8-sig", "replace").rstrip("\r\n")


def _whole_lines(path: Path) -> int:
    """Return the number of bytes of a file up to its last line end."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65_536)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
