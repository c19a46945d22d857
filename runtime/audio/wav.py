"""WAV files, read as a stream.

The standard library's `wave` refuses floats and, in Python 3.11, WAVE_FORMAT_EXTENSIBLE; here
both are read, and so are files whose header was never completed because they were piped.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from sernet_edge.runtime.audio.sources import (
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    ByteFrames,
    Frames,
    decode,
)
from sernet_edge.runtime.errors import AudioError

# wFormatTag, from Microsoft's mmreg.h; the names only serve the error message.
_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_OTHER_FORMATS = {
    0x0002: "Microsoft ADPCM",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0050: "MPEG audio",
    0x0055: "MP3",
    0x00FF: "AAC",
    0x0161: "Windows Media Audio",
}
# An extensible format's GUID is the format tag followed by this.
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")

_ENCODINGS = {
    (_PCM, 1): "u8",
    (_PCM, 2): "s16",
    (_PCM, 3): "s24",
    (_PCM, 4): "s32",
    (_FLOAT, 4): "f32",
    (_FLOAT, 8): "f64",
}

# A tool that pipes a WAV cannot know its length: ffmpeg writes 0xFFFFFFFF, arecord 2^31,
# sox 0x7FFFF000, others 0.
_UNKNOWN_LENGTH = 0x7FFF_F000

_CONVERT = "convert it: ffmpeg -i INPUT -c:a pcm_s16le OUTPUT.wav"


class WavSource:
    """An open WAV file: 8, 16, 24 or 32-bit integers, 32 or 64-bit floats, any rate and channels.

    See `audio.Source` for the attributes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open `path` and read its header.

        Raises:
            AudioError: Unreadable, not a WAV, truncated, or in a format that is not known.
        """
        self.name = str(path)
        self.overflows = 0
        self.lag_s = 0.0
        self.live = False
        self.notes: list[str] = []
        self.rate_hz = self.channels = self._frame_bytes = 0
        self._encoding = ""
        try:
            self._file: BufferedReader = Path(path).open("rb")  # noqa: SIM115 - `close` closes it
        except OSError as error:
            raise AudioError(f"cannot read the audio {path}: {error.strerror}") from error
        try:
            # None: everything up to the file's end.
            self._data_bytes: int | None = self._find_data()
        except OSError as error:
            self._file.close()
            raise AudioError(f"cannot read the audio {path}: {error.strerror}") from error
        except BaseException:
            self._file.close()
            raise

    def blocks(self) -> Iterator[Frames]:
        """Yield the audio from the file's start.

        Raises:
            AudioError: The file turns out to be truncated, or holds NaN.
        """
        frames = ByteFrames(self._file, self._frame_bytes, self._data_bytes)
        for data in frames:
            yield decode(data, self._encoding, self.channels, self.name)
        if self._data_bytes is not None:
            self._check_complete(frames.read_bytes, self._data_bytes)
            self._note_more_data(self._data_bytes % 2)
        if frames.leftover_bytes:
            self.notes.append(
                f"{self.name} ends in the middle of a sample: "
                f"{frames.leftover_bytes} of {self._frame_bytes} bytes dropped"
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _find_data(self) -> int | None:
        """Read chunks up to the samples; return their bytes, or None for up to the file's end."""
        riff = self._file.read(12)
        kind, riff_bytes = riff[:4], int.from_bytes(riff[4:8], "little")
        if kind in (b"RIFX", b"RF64") and riff[8:] == b"WAVE":
            raise AudioError(
                f"{self.name} is a WAV of the kind {kind.decode()}, which is not supported",
                hint=_CONVERT,
            )
        if kind != b"RIFF" or riff[8:] != b"WAVE":
            what = "not a WAV file" if riff else "an empty file"
            raise AudioError(f"{self.name} is {what}", hint=_CONVERT)
        position = 12
        early: tuple[int, int] | None = None  # where `data` starts and its size, if before `fmt `
        while len(header := self._file.read(8)) == 8:
            position += 8
            name, size = header[:4], int.from_bytes(header[4:], "little")
            padded_size = size + size % 2
            if name == b"data" and self._encoding:
                return self._data_size(position, size, riff_bytes)
            if name == b"fmt ":
                # A format is 16 to some 50 bytes; a damaged size must not fill the memory.
                self._read_format(self._file.read(min(padded_size, 65_536)))
                if early is not None:
                    self._file.seek(early[0])
                    return self._data_size(*early, riff_bytes)
            elif name == b"data" and not self._file.seekable():
                raise AudioError(f"{self.name}: 'data' before 'fmt ' cannot be read from a pipe")
            else:
                if name == b"data":
                    early = position, size
                self._skip(padded_size)
            position += padded_size
        missing = "data" if early is None else "fmt"
        raise AudioError(
            f"{self.name} is truncated or damaged: it has no '{missing}' chunk",
            hint="get the file again",
        )

    def _note_more_data(self, padding_bytes: int) -> None:
        """Tell of a second chunk of samples behind the one that was read."""
        if not self._file.seekable():
            return  # a pipe's writer may stay silent for ever
        self._skip(padding_bytes)
        while len(header := self._file.read(8)) == 8:
            size = int.from_bytes(header[4:], "little")
            if header[:4] == b"data" and size:
                self.notes.append(
                    f"{self.name} has a second 'data' chunk: its {size} bytes were not read"
                )
                return
            self._skip(size + size % 2)

    def _skip(self, size: int) -> None:
        # Reading, not seeking: the file may be a pipe.
        while size and (data := self._file.read(min(size, 65_536))):
            size -= len(data)

    def _data_size(self, position: int, size: int, riff_bytes: int) -> int | None:
        """Return how many bytes of samples follow `position`, or None for all there are."""
        if size >= _UNKNOWN_LENGTH or (size == 0 and not self._is_empty(position, riff_bytes + 8)):
            return None
        status = os.fstat(self._file.fileno())
        if stat.S_ISREG(status.st_mode):
            # Better to know now than after results have been printed.
            self._check_complete(min(size, status.st_size - position), size)
        return size

    def _is_empty(self, position: int, end: int) -> bool:
        """Whether a size of 0 at `position` means what it says, in a file said to end at `end`.

        It does if the header was completed: the size of the whole, written at the same time, then
        reaches at least as far as this; and if what follows is another chunk, or nothing.
        """
        if not position <= end < _UNKNOWN_LENGTH:
            return False
        header = self._file.peek(8)[:8]
        name, size = header[:4], int.from_bytes(header[4:], "little")
        is_chunk = len(header) == 8 and name.isascii() and name.decode().isprintable()
        return not header or (is_chunk and position + 8 + size <= end)

    def _check_complete(self, present_bytes: int, data_bytes: int) -> None:
        if missing := data_bytes - present_bytes:
            raise AudioError(
                f"{self.name} is truncated: {missing} of its {data_bytes} bytes "
                "of audio are missing",
                hint="get the file again",
            )

    def _read_format(self, chunk: bytes) -> None:
        """Take rate, channels and encoding from a `fmt ` chunk's content."""
        if len(chunk) < 16:
            raise AudioError(f"{self.name} is truncated or damaged: its 'fmt ' chunk is too short")
        tag, self.channels = _u16(chunk, 0), _u16(chunk, 2)
        self.rate_hz = int.from_bytes(chunk[4:8], "little")
        self._frame_bytes, bits = _u16(chunk, 12), _u16(chunk, 14)
        sub_format = chunk[24:40]
        if tag == _EXTENSIBLE and sub_format[2:] == _GUID_TAIL:
            tag = _u16(sub_format, 0)
        if tag not in (_PCM, _FLOAT):
            kind = f"format tag 0x{tag:04X}"
            if tag == _EXTENSIBLE and len(sub_format) == 16:
                kind = f"sub-format {uuid.UUID(bytes_le=sub_format)}"
            elif tag in _OTHER_FORMATS:
                kind += f" ({_OTHER_FORMATS[tag]})"
            raise AudioError(
                f"{self.name} does not hold plain samples: {kind} is not supported", hint=_CONVERT
            )
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ or not self.channels:
            raise AudioError(
                f"{self.name} is damaged: its header says {self.rate_hz} Hz "
                f"and {self.channels} channels"
            )
        # Samples of odd widths (12 or 20 bits) are left-justified in whole bytes.
        sample_bytes, rest = divmod(self._frame_bytes, self.channels)
        encoding = _ENCODINGS.get((tag, sample_bytes))
        if rest or bits > 8 * sample_bytes or encoding is None:
            kind = "float" if tag == _FLOAT else "integer"
            raise AudioError(
                f"{self.name}: {kind} samples of {bits} bits in frames of {self._frame_bytes} "
                f"bytes with {self.channels} channels are not supported",
                hint=_CONVERT,
            )
        self._encoding = encoding


def _u16(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "little")
