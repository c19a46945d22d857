"""Audio from anywhere, turned into what the front end takes: mono int16 at the contract's rate.

A file and a microphone go through the same steps: samples in int16 units (-32768..32767; a
full-scale float of 1.0 is 32768), the mean of the channels, the resampler if the rates differ,
then rounding half to even and saturation. Mono int16 at the contract's rate passes untouched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.errors import AudioError

# Beyond these a rate is a damaged header, not audio.
MIN_RATE_HZ = 1_000
MAX_RATE_HZ = 768_000

# A pipe fills what it is asked for by ever other amounts. Larger blocks than this, shrunk to
# those, fragment the C library's heap by megabytes an hour.
_READ_BYTES = 8_192

Frames = NDArray[Any]
"""int16 or float64 (frames, channels), in int16 units."""


@dataclass(frozen=True)
class Incident:
    """Something that happened to a live source, between two blocks of its audio.

    Attributes:
        code: What it is, for programs; see `records.Notice`.
        text: What to tell a person.
        level: "warning" where results suffer or are missing, else "info".
        gap_s: Seconds of audio that are missing here, 0 where it is not known yet how many; None
            where what follows continues what came before.
    """

    code: str
    text: str
    level: Literal["info", "warning"]
    gap_s: float | None = None


class Source(Protocol):
    """Where audio comes from: a file, standard input, a microphone.

    Attributes:
        name: What to call it in messages.
        rate_hz: Sample rate; another one, perhaps, after a gap.
        channels: Interleaved channels; likewise.
        overflows: How often it has lost audio so far; 0 for a file.
        lag_s: How long ago a live source's latest block came; 0 for what can wait.
        live: Whether it gives control back when there is nothing. One that does not may be
            interrupted by a signal while it waits.
        notes: What the user should be told when the audio has ended.
    """

    name: str
    rate_hz: int
    channels: int
    overflows: int
    lag_s: float
    live: bool
    notes: list[str]

    def blocks(self) -> Iterator[Frames | Incident]:
        """Yield the audio as it comes, in blocks of any size, and what happens to the source.

        A live source that has nothing yields an empty block several times a second.
        """

    def close(self) -> None:
        """Let go of the file or device."""


def mono(source: Source, rate_hz: int) -> Iterator[NDArray[np.int16] | Incident]:
    """Yield the audio of `source` as int16 (n,) at `rate_hz`, in blocks of any size.

    What comes out does not depend on the blocks that the source gives. Incidents pass through.

    Raises:
        AudioError: The rates differ and no resampler is installed; or the source fails.
    """
    resampler = _resampler(source, rate_hz)
    for block in _blocks(source):
        if isinstance(block, Incident):
            if block.gap_s is not None:
                # What was before must not reach over the gap, and the rate may be another.
                resampler = _resampler(source, rate_hz)
            yield block
            continue
        if block.shape[1] == 1 and block.dtype == np.int16 and resampler is None:
            yield block[:, 0]
            continue
        mixed = block.mean(axis=1, dtype=np.float64)
        yield to_int16(mixed if resampler is None else resampler.resample_chunk(mixed))
    if resampler is not None:
        # The resampler holds back half its filter's length until it knows what follows.
        yield to_int16(resampler.resample_chunk(np.zeros(0), last=True))


def _blocks(source: Source) -> Iterator[Frames | Incident]:
    """Yield what the source does; name it when the system cannot read it."""
    try:
        yield from source.blocks()
    except OSError as error:
        raise AudioError(f"cannot read {source.name} any further: {error.strerror}") from error


def to_int16(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return samples in int16 units rounded, half to even, and saturated."""
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def _resampler(source: Source, rate_hz: int) -> Any:
    """Return what turns the source's rate into `rate_hz`, or None if it is that already."""
    if source.rate_hz == rate_hz:
        return None
    try:
        import soxr
    except ImportError as error:
        raise AudioError(
            f"{source.name} is at {source.rate_hz} Hz, the model wants {rate_hz} Hz, "
            "and resampling needs the Python package soxr",
            hint=f"pip install soxr, or give audio at {rate_hz} Hz",
        ) from error
    return soxr.ResampleStream(source.rate_hz, rate_hz, 1, dtype="float64")


def decode(data: bytes, encoding: str, channels: int, name: str) -> Frames:
    """Turn interleaved little-endian samples into frames in int16 units.

    Args:
        data: Whole frames.
        encoding: "u8", "s16", "s24", "s32", "f32" or "f64". Floats are clipped to -1..1.
        channels: Interleaved channels.
        name: The source, for errors.

    Returns:
        int16 (frames, channels) for "s16", else float64, exact.

    Raises:
        AudioError: A float sample is NaN or infinite.
    """
    samples: NDArray[Any]
    if encoding == "s16":
        samples = np.frombuffer(data, "<i2").astype(np.int16, copy=False)
    elif encoding == "u8":
        samples = (np.frombuffer(data, np.uint8) - 128.0) * 256
    elif encoding == "s24":
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        samples = wide.view("<i4")[:, 0] / 65536.0
    elif encoding == "s32":
        samples = np.frombuffer(data, "<i4") / 65536.0
    else:
        floats = np.frombuffer(data, {"f32": "<f4", "f64": "<f8"}[encoding])
        if not np.isfinite(floats).all():
            raise AudioError(f"{name} holds samples that are NaN or infinite")
        samples = np.clip(floats, -1, 1).astype(np.float64) * 32768
    return samples.reshape(-1, channels)


class ByteFrames:
    """Whole frames of bytes out of a file that gives any number of bytes at a time.

    Attributes:
        read_bytes: Bytes read so far.
        leftover_bytes: After the end: bytes of a last, incomplete frame, which were dropped.
    """

    def __init__(self, file: BinaryIO, frame_bytes: int, limit: int | None = None) -> None:
        """Read from `file`'s position, at most `limit` bytes."""
        self._file = file
        self._frame_bytes = frame_bytes
        self._limit = limit
        self.read_bytes = 0
        self.leftover_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield what is there as soon as it is there, for a live pipe; end with the file."""
        pending = b""
        while True:
            wanted = _READ_BYTES
            if self._limit is not None:
                wanted = min(wanted, self._limit - self.read_bytes)
            # read1 is on every buffered reader, though not on BinaryIO.
            data = self._file.read1(wanted) if wanted else b""  # type: ignore[attr-defined]
            if not data:
                break
            self.read_bytes += len(data)
            pending += data
            whole = len(pending) // self._frame_bytes * self._frame_bytes
            if whole:
                yield pending[:whole]
                pending = pending[whole:]
        self.leftover_bytes = len(pending)


class RawSource:
    """Headerless PCM, signed 16-bit little-endian, from an open file such as standard input."""

    def __init__(self, file: BinaryIO, rate_hz: int, channels: int, name: str) -> None:
        """Take what `file` will give; see `Source` for the rest."""
        self.name = name
        self.rate_hz = rate_hz
        self.channels = channels
        self.overflows = 0
        self.lag_s = 0.0
        self.live = False
        self.notes: list[str] = []
        self._file = file

    def blocks(self) -> Iterator[Frames]:
        """Yield the audio as it comes.

        Raises:
            AudioError: It is a WAV file, whose header would be heard as a click.
        """
        frames = ByteFrames(self._file, 2 * self.channels)
        for count, data in enumerate(frames):
            if count == 0 and data[:4] == b"RIFF" and b"WAVE".startswith(data[8:12]):
                raise AudioError(
                    f"{self.name} holds a WAV file, and raw samples were expected",
                    hint="give the file's name to --input",
                )
            yield decode(data, "s16", self.channels, self.name)
        if frames.leftover_bytes:
            self.notes.append(
                f"{self.name} ended in the middle of a sample: "
                f"{frames.leftover_bytes} of {2 * self.channels} bytes dropped"
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()
