"""Opens audio files: with libsndfile, or as a stream where libsndfile cannot read them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import closing
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.audio.containers import WAV, container, with_article
from sernet_edge.runtime.audio.pcm import Prepended, RawSource, from_floats, read_head
from sernet_edge.runtime.audio.sources import MAX_RATE_HZ, MIN_RATE_HZ, Frames, Source, mono
from sernet_edge.runtime.audio.wav import CONVERT, WavStream
from sernet_edge.runtime.errors import AudioError

# Frames in one read.
_BLOCK_FRAMES = 4_096

# libsndfile only estimates the length of these codecs, even inside a WAV file.
_ESTIMATED = "MPEG_LAYER"

# Lines of libsndfile's log that give a stated size and the size that the file allows.
_TOO_SHORT = re.compile(r"size|data|ssnd|riff|form")
_SHOULD_BE = re.compile(r"^\s*([^:\n]*?)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_LENGTH = 0x7FFF_F000


def open_recording(path: str | os.PathLike[str]) -> Source:
    """Open an audio file: WAV, FLAC, Ogg, MP3, AIFF and the other formats of libsndfile.

    Raises:
        AudioError: The file is unreadable, truncated, damaged, or of an unknown format.
    """
    name = str(path)
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - the source's `close` closes it
    except OSError as error:
        raise AudioError(f"cannot read the audio {name}: {error.strerror}") from error
    try:
        return _open(file, name)
    except OSError as error:
        file.close()
        raise AudioError(f"cannot read the audio {name}: {error.strerror}") from error
    except BaseException:
        file.close()
        raise


def read_recording(
    path: str | os.PathLike[str], rate_hz: int, advice: str = ""
) -> NDArray[np.int16]:
    """Return a whole audio file as `listen` would hear it, int16 (samples,) at `rate_hz`.

    Args:
        path: The file.
        rate_hz: The rate wanted.
        advice: The error's hint if the file holds no audio.

    Raises:
        AudioError: See `open_recording`; or the file holds no audio.
    """
    with closing(open_recording(path)) as source:
        blocks = [block for block in mono(source, rate_hz) if isinstance(block, np.ndarray)]
    samples = np.concatenate([np.zeros(0, np.int16), *blocks])
    if not len(samples):
        raise AudioError(f"{path} holds no audio", advice)
    return samples


def open_stream(
    file: BufferedReader,
    name: str,
    rate_hz: int,
    channels: int | None = None,
    sample_format: str | None = None,
) -> Source:
    """Open a pipe that holds a WAV file, or samples without a header.

    Args:
        file: The pipe; the source closes it.
        name: The source's name in messages.
        rate_hz: Rate of samples without a header.
        channels: Their channels; 1 if None.
        sample_format: Their format, a key of `pcm.SAMPLE_BYTES`; s16le if None.

    Raises:
        AudioError: It holds another container, or a damaged WAV file.
    """
    live = _file_bytes(file.fileno()) is None
    try:
        head = read_head(file)
        kind = container(head)
        if kind == WAV:
            return _readable(WavStream(Prepended(head, file), name, live))
    except OSError as error:
        raise AudioError(f"cannot read {name}: {error.strerror}") from error
    if kind is not None:
        raise _cannot_stream(name, kind, rate_hz, channels or 1, sample_format or "s16le")
    return RawSource(file, rate_hz, channels or 1, name, sample_format or "s16le", head, live)


def _open(file: BufferedReader, name: str) -> Source:
    """Choose the reader of an open file; see `open_recording`."""
    size = _file_bytes(file.fileno())
    head = read_head(file)
    kind = container(head)
    if not head:
        raise AudioError(f"{name} is an empty file", "record it, or get it, again")
    if size is None:
        if kind == WAV:
            return _readable(WavStream(Prepended(head, file), name, live=True))
        if kind is not None:
            raise _cannot_stream(name, kind)
        raise AudioError(f"{name} is a pipe and does not hold a WAV file", "give it to --input -")
    file.seek(0)
    if kind != WAV:
        source = LibrarySource(name, kind)
        file.close()
        return source
    return _open_wav(file, name, size)


def _open_wav(file: BufferedReader, name: str, size: int) -> Source:
    """Choose the reader of a WAV file of `size` bytes; see `open_recording`."""
    stream = WavStream(file, name, size=size)
    start = file.tell()
    stream.note_what_is_left()
    if stream.data_bytes is not None and not stream.format.padded:
        try:
            source = LibrarySource(name, WAV)
        except _NoLibraryError:
            if stream.format.sample_format is None:
                raise
        except AudioError:
            pass  # It finds no samples before `fmt `, nor after a chunk without padding.
        else:
            source.notes = stream.notes
            file.close()
            return source
    file.seek(start)
    return _readable(stream)


def _file_bytes(file_descriptor: int) -> int | None:
    """Return the size of a regular file; None for a pipe or a device."""
    status = os.fstat(file_descriptor)
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _readable(stream: WavStream) -> WavStream:
    """Return the stream if its samples are plain numbers.

    Raises:
        AudioError: The samples are coded.
    """
    if stream.format.sample_format is None:
        raise AudioError(f"{stream.name}: {stream.format.problem}", hint=CONVERT)
    return stream


def _cannot_stream(
    name: str, kind: str, rate_hz: int = 16_000, channels: int = 1, sample_format: str = "s16le"
) -> AudioError:
    return AudioError(
        f"{name} holds {with_article(kind)} file, which cannot be read from a pipe",
        "give the file's name to --input, or convert it on the way: "
        f"... | ffmpeg -i - -f {sample_format} -ar {rate_hz} -ac {channels} - "
        "| sernet-edge listen --input -",
    )


class LibrarySource:
    """An audio file that libsndfile reads; see `audio.Source` for the attributes."""

    def __init__(self, name: str, kind: str | None) -> None:
        """Open the file `name`.

        Args:
            name: A regular file.
            kind: Its container; None if unknown.

        Raises:
            AudioError: libsndfile is missing or cannot read it, or it is truncated.
            OSError: It cannot be opened.
        """
        self.name = name
        self.overflows = 0
        self.lag_s = 0.0
        self.live = self.ticks = False
        self.notes: list[str] = []
        library = soundfile()
        # An open file: libsndfile takes a name as UTF-8, and trusts its ending.
        self._file: _Endless | BufferedReader = Path(name).open("rb")  # noqa: SIM115 - see `close`
        try:
            self._audio = library.SoundFile(self._file.fileno(), closefd=False)
            if self._audio.subtype.startswith(_ESTIMATED) and not _says_how_long(self._file):
                self._file.seek(0)
                self._file = _Endless(self._file)
                self._audio = library.SoundFile(self._file)
        except library.LibsndfileError as error:
            self._file.close()
            if kind is None:
                raise AudioError(f"{name} is not an audio file", hint=CONVERT) from error
            raise AudioError(
                f"{name} is {with_article(kind)} file, and cannot be read: "
                f"{error.error_string.rstrip('.')}",
                hint=CONVERT,
            ) from error
        # soundfile would seek to its own position after each block. A frame of MP3 would then be
        # decoded without the earlier frames that it depends on.
        self._audio.seekable = lambda: False
        self._error: type[Exception] = library.LibsndfileError
        self.rate_hz: int = self._audio.samplerate
        self.channels: int = self._audio.channels
        try:
            self._check(kind)
        except BaseException:
            self.close()
            raise

    def blocks(self) -> Iterator[Frames]:
        """Yield the audio from the file's start.

        Raises:
            AudioError: The file is truncated or damaged; or see `pcm.from_floats`.
        """
        # libsndfile scales integers to full scale 1, exactly; 16 bits need no scaling.
        kind = "int16" if self._audio.subtype == "PCM_16" else "float64"
        read = 0
        while True:
            try:
                frames = self._audio.read(_BLOCK_FRAMES, dtype=kind, always_2d=True)
            except self._error as error:
                raise AudioError(
                    f"{self.name} is damaged or truncated after {read / self.rate_hz:.2f} s: "
                    f"{getattr(error, 'error_string', error)}",
                    hint="get the file again",
                ) from error
            if not len(frames):
                break
            read += len(frames)
            yield frames if kind == "int16" else from_floats(frames, self.name)
        if read < self._audio.frames and not self._audio.subtype.startswith(_ESTIMATED):
            raise AudioError(
                f"{self.name} is truncated: {self._audio.frames - read} of its "
                f"{self._audio.frames} samples are missing",
                hint="get the file again",
            )

    def close(self) -> None:
        """Close the file."""
        self._audio.close()
        self._file.close()

    def _check(self, kind: str | None) -> None:
        """Refuse an impossible header, and a file that is shorter than its header says."""
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ or not self.channels:
            raise AudioError(
                f"{self.name} is damaged: its header says {self.rate_hz} Hz "
                f"and {self.channels} channels"
            )
        if kind == WAV:
            return  # `WavStream` compares the sizes.
        for label, said, found in _SHOULD_BE.findall(self._audio.extra_info):
            stated, there = int(said), int(found)
            if _TOO_SHORT.search(label.lower()) and there < stated < _UNKNOWN_LENGTH:
                raise AudioError(
                    f"{self.name} is truncated: it has {there} of the {stated} bytes "
                    "that its header says",
                    hint="get the file again",
                )


class _Endless(RawIOBase):
    """A file that pretends to be much longer than it is.

    MPEG audio of variable rate need not state its length. libsndfile then estimates it from the
    file's length and the first frame, and stops reading there. It still notices the true end.
    """

    def __init__(self, file: BufferedReader) -> None:
        """Read `file`; closing this closes it."""
        self._file = file
        self._at_end = False
        self._pretended = 1_000 * os.fstat(file.fileno()).st_size

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with the next bytes; return how many there were."""
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, as in a file. The end serves only to find the length with `tell`."""
        self._at_end = (offset, whence) == (0, os.SEEK_END)
        return self._pretended if self._at_end else self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._pretended if self._at_end else self._file.tell()

    def readable(self) -> bool:
        """Return whether it can be read."""
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _says_how_long(file: BufferedReader) -> bool:
    """Whether the first frame of MPEG audio states the number of frames, as most encoders do."""
    start = 0
    head = os.pread(file.fileno(), 10, start)  # keeps the file's position, where libsndfile reads
    if head[:3] == b"ID3":  # It stores its size as bytes of seven bits.
        start = 10 + sum(
            byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False)
        )
    frame = os.pread(file.fileno(), 256, start)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


class _NoLibraryError(AudioError):
    """libsndfile, or its Python package, is missing."""


def soundfile() -> Any:
    """Return the module.

    Raises:
        AudioError: The package, or the library libsndfile, is missing.
    """
    try:
        import soundfile
    except ImportError as error:
        raise _NoLibraryError(
            "this kind of audio file needs the Python package soundfile", "pip install soundfile"
        ) from error
    except OSError as error:
        raise _NoLibraryError(
            f"this kind of audio file needs the library libsndfile: {error}",
            "apt install libsndfile1",
        ) from error
    return soundfile
