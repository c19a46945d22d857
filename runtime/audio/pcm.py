"""Samples without a container: converts bytes to numbers, and makes a source of them."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.audio.containers import (
    HEAD_BYTES,
    LONG_HEAD_BYTES,
    container,
    needs_more,
    with_article,
)
from sernet_edge.runtime.audio.sources import Frames, Incident, Source
from sernet_edge.runtime.audio.suspension import Suspension, clock_s, suspended
from sernet_edge.runtime.errors import AudioError

SAMPLE_BYTES = {
    "u8": 1,
    "s16le": 2,
    "s16be": 2,
    "s24le": 3,
    "s24in32le": 4,
    "s32le": 4,
    "f32le": 4,
    "f64le": 8,
}
"""Bytes of a sample, by format: s signed, u unsigned, f float; bits; le or be byte order."""

RAW_FORMATS = ("s16le", "s16be", "s24le", "s32le", "f32le", "u8")
"""Formats that samples without a header may have, by ffmpeg's names."""

# Each read of a pipe returns another number of bytes. Python allocates the full size and shrinks it
# to that; with larger blocks this fragments the C library's heap by megabytes an hour.
_READ_BYTES = 8_192

# A pipe holds 64 kB, 2 s of 16-bit samples at 16 kHz. A live one can be this far ahead of the time
# that has passed since the first read.
_AHEAD_S = 2.5
# The most reads for which `drop_ready` drops audio.
_MOST_DROPPED = 1_000

# The peaks of a float recording that was mixed too loud exceed full scale by some decibels, and are
# clipped. A recording with higher peaks, or mostly beyond full scale, has another full scale.
_FAR_BEYOND = 8.0
_MOSTLY = 0.5


def decode(data: bytes, sample_format: str, channels: int, name: str) -> Frames:
    """Convert interleaved samples to frames in int16 units.

    Args:
        data: Whole frames.
        sample_format: A key of `SAMPLE_BYTES`.
        channels: Interleaved channels.
        name: The source, for errors.

    Returns:
        int16 (frames, channels) for 16-bit samples, else float64; both are exact.

    Raises:
        AudioError: See `from_floats`.
    """
    samples: NDArray[Any]
    if sample_format in ("s16le", "s16be"):
        order = "<i2" if sample_format == "s16le" else ">i2"
        samples = np.frombuffer(data, order).astype(np.int16, copy=False)
    elif sample_format == "u8":
        samples = (np.frombuffer(data, np.uint8) - 128.0) * 256
    elif sample_format == "s24le":
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        samples = wide.view("<i4")[:, 0] / 65536.0
    elif sample_format == "s24in32le":
        samples = (np.frombuffer(data, "<i4") << 8) / 65536.0
    elif sample_format == "s32le":
        samples = np.frombuffer(data, "<i4") / 65536.0
    else:
        samples = from_floats(np.frombuffer(data, f"<f{SAMPLE_BYTES[sample_format]}"), name)
    return samples.reshape(-1, channels)


def from_floats(floats: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Convert samples with a full scale of 1 to int16 units; clip peaks a little beyond it.

    Raises:
        AudioError: A sample is NaN or infinite, or full scale is not 1, as in integers that were
            written as floats. They are refused, since their full scale can only be guessed.
    """
    if not np.isfinite(floats).all():
        raise AudioError(f"{name} holds samples that are NaN or infinite")
    sizes = np.abs(floats)
    peak = float(sizes.max(initial=0.0))
    if peak > _FAR_BEYOND or (peak > 1 and np.count_nonzero(sizes > 1) > _MOSTLY * sizes.size):
        scale = next((scale for scale in (2**15, 2**23) if peak <= scale), 2**31)
        raise AudioError(
            f"{name} holds float samples up to {peak:g}, far beyond full scale, which is 1",
            hint=f"if {scale} is its full scale: "
            f"ffmpeg -i INPUT -af volume=1/{scale} -c:a pcm_s16le OUTPUT.wav",
        )
    return np.clip(floats, -1, 1).astype(np.float64) * 32768


class Readable(Protocol):
    """A file, or an object that reads like one."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, fewer than `size` only at the end."""

    def read1(self, size: int, /) -> bytes:
        """Return the next bytes that are available, at most `size`; none at the end."""

    def fileno(self) -> int:
        """Return the file descriptor."""

    def close(self) -> None:
        """Close it."""


class ByteFrames:
    """Cuts the bytes of a file into whole frames, whatever sizes its reads return.

    Attributes:
        read_bytes: Bytes read so far.
        leftover_bytes: Set at the end: bytes of an incomplete last frame, which were dropped.
    """

    def __init__(self, file: Readable, frame_bytes: int, limit: int | None = None) -> None:
        """Read from `file`'s position, at most `limit` bytes."""
        self._file = file
        self._frame_bytes = frame_bytes
        self._limit = limit
        self.read_bytes = 0
        self.leftover_bytes = 0
        self._pending = b""

    def __iter__(self) -> Iterator[bytes]:
        """Yield frames as soon as they arrive, for a live pipe; stop at the file's end."""
        while data := self._read():
            self._pending += data
            if whole := self._whole():
                ready, self._pending = self._pending[:whole], self._pending[whole:]
                yield ready
        self.leftover_bytes = len(self._pending)

    def drop_ready(self) -> None:
        """Drop what is in the pipe now, in whole frames."""
        pipe = self._file.fileno()
        for _ in range(_MOST_DROPPED):
            if not select.select([pipe], [], [], 0)[0] or not (data := self._read()):
                break
            self._pending += data
            self._pending = self._pending[self._whole() :]

    def _whole(self) -> int:
        """Return how many pending bytes make up whole frames."""
        return len(self._pending) // self._frame_bytes * self._frame_bytes

    def _read(self) -> bytes:
        """Wait for bytes and return those that are available; none at the end."""
        wanted = _READ_BYTES
        if self._limit is not None:
            wanted = min(wanted, self._limit - self.read_bytes)
        data = self._file.read1(wanted) if wanted else b""
        self.read_bytes += len(data)
        return data


def as_it_comes(frames: ByteFrames, bytes_a_second: float) -> Iterator[bytes | Incident]:
    """Yield the frames of a live pipe; after this program was stopped, drop the stale ones.

    A recording that comes through a pipe loses nothing, since it can wait. Two signs tell it from
    live audio: it comes faster than it plays, and this program spends its time computing, where it
    would mostly wait for a live source.

    Args:
        frames: The pipe's frames.
        bytes_a_second: The audio's rate.
    """
    suspension = Suspension()
    began_s = last_s = asked_s = clock_s()
    heard_s = waited_s = 0.0
    try:
        for data in frames:
            missed_s = suspension.missed_s()
            passed_s = last_s - began_s
            if missed_s and heard_s < passed_s + _AHEAD_S and waited_s > passed_s / 2:
                frames.drop_ready()
                yield suspended(missed_s, clock_s() - last_s)
                began_s = last_s = asked_s = clock_s()
                heard_s = waited_s = 0.0
                continue
            last_s = clock_s()
            waited_s += last_s - asked_s - missed_s
            heard_s += len(data) / bytes_a_second
            yield data
            asked_s = clock_s()
    finally:
        suspension.close()


def decoded(frames: ByteFrames, source: Source, sample_format: str) -> Iterator[Frames | Incident]:
    """Yield a source's frames as numbers, and the incidents of a live source.

    Raises:
        AudioError: See `from_floats`.
    """
    items: Iterator[bytes | Incident] = iter(frames)
    if source.live:
        bytes_a_second = SAMPLE_BYTES[sample_format] * source.channels * source.rate_hz
        items = as_it_comes(frames, bytes_a_second)
    for item in items:
        if isinstance(item, Incident):
            yield item
        else:
            yield decode(item, sample_format, source.channels, source.name)


def read_head(file: Readable) -> bytes:
    """Read as many of a file's first bytes as `container` needs; a shorter file's bytes."""
    head = file.read(HEAD_BYTES)
    return head + file.read(LONG_HEAD_BYTES - len(head)) if needs_more(head) else head


class Prepended:
    """A file that gives again the first bytes, which were already read. It is not seekable."""

    def __init__(self, head: bytes, file: Readable) -> None:
        """Give `head`, then what `file` gives."""
        self._head = head
        self._file = file

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer than `size` only at the end."""
        head, self._head = self._head[:size], self._head[size:]
        return head + self._file.read(size - len(head)) if len(head) < size else head

    def read1(self, size: int) -> bytes:
        """Return the next bytes that are available, at most `size`; none at the end."""
        if self._head:
            head, self._head = self._head[:size], self._head[size:]
            return head
        return self._file.read1(size)

    def peek(self, size: int) -> bytes:
        """Return the next bytes, fewer than `size` only at the end, without consuming them."""
        self._head += self._file.read(max(0, size - len(self._head)))
        return self._head

    def fileno(self) -> int:
        """Return the file's descriptor."""
        return self._file.fileno()

    def seek(self, position: int) -> int:
        """Refuse to."""
        raise OSError(errno.ESPIPE, os.strerror(errno.ESPIPE))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class RawSource:
    """Samples without a header from an open file such as standard input."""

    def __init__(
        self,
        file: Readable,
        rate_hz: int,
        channels: int,
        name: str,
        sample_format: str = "s16le",
        head: bytes | None = None,
        live: bool = False,
    ) -> None:
        """Read samples from `file`; see `Source` for the rest.

        Args:
            file: Holds the samples.
            rate_hz: Their rate.
            channels: Interleaved channels.
            name: The source's name in messages.
            sample_format: A key of `SAMPLE_BYTES`.
            head: The bytes that `read_head` returned; None if nothing was read yet.
            live: Whether the samples come as they are recorded.

        Raises:
            AudioError: The file has a container, which would be played as noise.
        """
        self.name = name
        self.rate_hz = rate_hz
        self.channels = channels
        self.overflows = 0
        self.lag_s = 0.0
        self.live = live
        self.ticks = False
        self.notes: list[str] = []
        self._file = file
        self._format = sample_format
        self._head = read_head(file) if head is None else head
        if kind := container(self._head):
            raise AudioError(
                f"{name} holds {with_article(kind)} file, and raw samples were expected"
            )

    def blocks(self) -> Iterator[Frames | Incident]:
        """Yield the audio as it comes.

        Raises:
            AudioError: See `from_floats`.
        """
        frame_bytes = SAMPLE_BYTES[self._format] * self.channels
        frames = ByteFrames(Prepended(self._head, self._file), frame_bytes)
        yield from decoded(frames, self, self._format)
        if frames.leftover_bytes:
            self.notes.append(
                f"{self.name} ended in the middle of a sample: "
                f"{frames.leftover_bytes} of {frame_bytes} bytes dropped"
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()
