"""WAV files that libsndfile cannot read: from a pipe, or with an incomplete header.

Where a header's fields contradict each other, this reader decides as libsndfile and all common
players do: a sample has as many whole bytes as its bits need, whatever the block align and the byte
rate say.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from sernet_edge.runtime.audio.pcm import SAMPLE_BYTES, ByteFrames, Readable, decoded
from sernet_edge.runtime.audio.sources import MAX_RATE_HZ, MIN_RATE_HZ, Frames, Incident
from sernet_edge.runtime.errors import AudioError

# wFormatTag, from Microsoft's mmreg.h; the names are for the error message only.
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
# The GUID of an extensible format is the format tag followed by these bytes.
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")

_SAMPLE_FORMATS = {
    (_PCM, 1): "u8",
    (_PCM, 2): "s16le",
    (_PCM, 3): "s24le",
    (_PCM, 4): "s32le",
    (_FLOAT, 4): "f32le",
    (_FLOAT, 8): "f64le",
}

# A tool that pipes a WAV cannot know its length: ffmpeg writes 0xFFFFFFFF, arecord 2^31,
# sox 0x7FFFF000, others 0.
_UNKNOWN_LENGTH = 0x7FFF_F000

_CHUNKS = (b"data", b"fmt ", b"fact", b"LIST", b"JUNK", b"bext", b"cue ", b"smpl", b"PEAK")

CONVERT = "convert it: ffmpeg -i INPUT -c:a pcm_s16le OUTPUT.wav"


class _File(Readable, Protocol):
    """A file, or a pipe whose first bytes were already read."""

    def peek(self, size: int, /) -> bytes:
        """Return the next bytes without consuming them."""

    def seek(self, position: int, /) -> int:
        """Go to a position from the beginning; called only if the file's size is known."""


@dataclass(frozen=True)
class WavFormat:
    """Contents of a `fmt ` chunk.

    Attributes:
        rate_hz: Sample rate.
        channels: Interleaved channels.
        sample_format: A key of `SAMPLE_BYTES`; None if the samples are coded.
        problem: Why there is no sample format.
        padded: Whether the block align gives 24-bit samples four bytes each. libsndfile only
            guesses their layout, and is sometimes wrong.
    """

    rate_hz: int
    channels: int
    sample_format: str | None
    problem: str = ""
    padded: bool = False

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return self.channels * SAMPLE_BYTES[self.sample_format or "u8"]


class WavStream:
    """A WAV file read in order: 8 to 32-bit integers or floats, any rate and number of channels.

    See `audio.Source` for the attributes.

    Attributes:
        format: The header's format.
        data_bytes: Bytes of samples; None: all bytes up to the file's end.
    """

    def __init__(self, file: _File, name: str, live: bool = False, size: int | None = None) -> None:
        """Read the header.

        Args:
            file: The file at its beginning.
            name: The source's name in messages.
            live: Whether the samples come as they are recorded.
            size: Bytes of the whole file, which must be seekable; None for a pipe.

        Raises:
            AudioError: It is truncated or damaged.
            OSError: It cannot be read.
        """
        self.name = name
        self.overflows = 0
        self.lag_s = 0.0
        self.live = live
        self.ticks = False
        self.notes: list[str] = []
        self._file = file
        self._size = size
        self._position = 0
        self._format: WavFormat | None = None
        self.data_bytes: int | None = self._find_data()
        assert self._format is not None  # else `_find_data` has raised
        self.format: WavFormat = self._settled(self._format)
        self.rate_hz: int = self.format.rate_hz
        self.channels: int = self.format.channels

    def blocks(self) -> Iterator[Frames | Incident]:
        """Yield the audio from the file's start.

        Raises:
            AudioError: The samples are coded, the file is truncated, or see
                `pcm.from_floats`.
        """
        sample_format = self.format.sample_format
        if sample_format is None:
            raise AudioError(f"{self.name}: {self.format.problem}", hint=CONVERT)
        frames = ByteFrames(self._file, self.format.frame_bytes, self.data_bytes)
        yield from decoded(frames, self, sample_format)
        if self.data_bytes is not None:
            self._check_complete(frames.read_bytes, self.data_bytes)
        if self.data_bytes is None or self._size is None:
            self._note_leftover(frames.read_bytes)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def note_what_is_left(self) -> None:
        """Add a note about an incomplete last sample, and about a second chunk of samples.

        The file must be seekable, and at the beginning of its samples.
        """
        if self.data_bytes is None:
            return
        self._note_leftover(self.data_bytes)
        self._skip(self.data_bytes)
        while len(header := self._read(8)) == 8:
            size = int.from_bytes(header[4:], "little")
            if header[:4] == b"data" and size:
                self.notes.append(
                    f"{self.name} has a second 'data' chunk: its {size} bytes were not read"
                )
                return
            self._skip(size)

    def _note_leftover(self, data_bytes: int) -> None:
        if self.format.sample_format is None:
            return
        if leftover := data_bytes % self.format.frame_bytes:
            self.notes.append(
                f"{self.name} ends in the middle of a sample: "
                f"{leftover} of {self.format.frame_bytes} bytes dropped"
            )

    def _settled(self, said: WavFormat) -> WavFormat:
        """Return the format; look at the samples if it leaves their width open.

        A block align of four bytes for 24 bits may be true: ALSA's S24_LE uses the lower three
        bytes, other programs the upper three. Or it is wrong, as it may be with other widths.
        """
        if not said.padded:
            return said
        ahead = np.frombuffer(self._ahead(4_096), np.uint8)
        fours = ahead[: len(ahead) // 4 * 4].reshape(-1, 4)
        if fours.any() and not fours[:, 0].any():
            return replace(said, sample_format="s32le")
        if fours.any() and (fours[:, 3] == np.where(fours[:, 2] < 128, 0, 255)).all():
            return replace(said, sample_format="s24in32le")
        return said

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._position += len(data)
        return data

    def _ahead(self, size: int) -> bytes:
        """Return the next bytes, fewer than `size` only at the end, without consuming them."""
        if self._size is None:
            return self._file.peek(size)[:size]
        data = self._file.read(size)
        self._file.seek(self._position)
        return data

    def _find_data(self) -> int | None:
        """Go to the samples; return how many bytes they have, or None: up to the file's end."""
        riff_bytes = int.from_bytes(self._read(12)[4:8], "little")
        early: tuple[int, int] | None = None  # where `data` starts and its size, if before `fmt `
        while len(header := self._read(8)) == 8:
            name, size = header[:4], int.from_bytes(header[4:], "little")
            if name == b"data" and self._format is not None:
                return self._data_size(size, riff_bytes)
            if name == b"fmt ":
                # A format has 16 to about 50 bytes; a damaged size must not fill the memory.
                content = self._read(min(size, 65_536))
                self._format = _format(content, self.name)
                self._skip(size, already=len(content))
                if early is not None:
                    self._position = early[0]
                    self._file.seek(early[0])
                    return self._data_size(early[1], riff_bytes)
                continue
            if name == b"data":
                if self._size is None:
                    raise AudioError(
                        f"{self.name}: 'data' before 'fmt ' cannot be read from a pipe"
                    )
                early = self._position, size
            self._skip(size)
        missing = "data" if early is None else "fmt"
        raise AudioError(
            f"{self.name} is truncated or damaged: it has no '{missing}' chunk",
            hint="get the file again",
        )

    def _skip(self, size: int, already: int = 0) -> None:
        """Skip the rest of a chunk's content and its padding.

        A byte of padding follows a chunk of odd size. Some programs forget it: then the next
        chunk's name is there.

        Args:
            size: Bytes of the content.
            already: How many of them were read.
        """
        left = size - already
        if self._size is not None:
            self._position = min(self._position + left, self._size)
            self._file.seek(self._position)
        else:
            while left > 0 and (data := self._read(min(left, 65_536))):
                left -= len(data)
        if size % 2 == 0:
            return
        ahead = self._ahead(5)
        name = ahead[:4]
        if ahead[1:] in _CHUNKS or not (name.isascii() and name.decode().isprintable()):
            self._read(1)

    def _data_size(self, size: int, riff_bytes: int) -> int | None:
        """Return how many bytes of samples follow here; None: up to the file's end."""
        if size >= _UNKNOWN_LENGTH or (size == 0 and not self._is_empty(riff_bytes + 8)):
            return None
        if self._size is not None:
            # Found now, before any result is printed.
            self._check_complete(min(size, self._size - self._position), size)
        return size

    def _is_empty(self, end: int) -> bool:
        """Whether a size of 0 is true, in a file whose header says that it ends at `end`.

        It is true if the program that wrote the file completed the header: then the file's stated
        size reaches at least to here, and another chunk follows, or nothing.
        """
        if not self._position <= end < _UNKNOWN_LENGTH:
            return False
        header = self._ahead(8)
        name, size = header[:4], int.from_bytes(header[4:], "little")
        is_chunk = len(header) == 8 and name.isascii() and name.decode().isprintable()
        return not header or (is_chunk and self._position + 8 + size <= end)

    def _check_complete(self, present_bytes: int, data_bytes: int) -> None:
        if missing := data_bytes - present_bytes:
            raise AudioError(
                f"{self.name} is truncated: {missing} of its {data_bytes} bytes "
                "of audio are missing",
                hint="get the file again",
            )


def _format(content: bytes, name: str) -> WavFormat:
    """Return the format from the `fmt ` chunk of the file `name`.

    Raises:
        AudioError: The chunk is too short, or holds impossible numbers.
    """
    if len(content) < 16:
        raise AudioError(f"{name} is truncated or damaged: its 'fmt ' chunk is too short")
    tag, channels = _u16(content, 0), _u16(content, 2)
    rate_hz = int.from_bytes(content[4:8], "little")
    bits = _u16(content, 14)
    sub_format = content[24:40]
    if tag == _EXTENSIBLE and sub_format[2:] == _GUID_TAIL:
        tag = _u16(sub_format, 0)
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ or not channels:
        raise AudioError(f"{name} is damaged: its header says {rate_hz} Hz and {channels} channels")
    if tag not in (_PCM, _FLOAT):
        if tag == _EXTENSIBLE and len(sub_format) == 16:
            # Ambisonics, for example: a mean of its channels makes no sense.
            kind = f"sub-format {uuid.UUID(bytes_le=sub_format)}"
            raise AudioError(f"{name}: {kind} is not supported", hint=CONVERT)
        kind = f"format tag 0x{tag:04X}"
        if tag in _OTHER_FORMATS:
            kind += f" ({_OTHER_FORMATS[tag]})"
        return WavFormat(rate_hz, channels, None, f"{kind} is not supported")
    # Samples of odd widths (12 or 20 bits) are left-justified in whole bytes.
    sample_format = _SAMPLE_FORMATS.get((tag, (bits + 7) // 8))
    kind = "float" if tag == _FLOAT else "integer"
    problem = "" if sample_format else f"{kind} samples of {bits} bits are not supported"
    padded = sample_format == "s24le" and _u16(content, 12) == 4 * channels
    return WavFormat(rate_hz, channels, sample_format, problem, padded)


def _u16(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "little")
