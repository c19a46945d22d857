"""Audio from anywhere, turned into what the front end takes: mono int16 at the contract's rate.

A file and a microphone go through the same steps: samples in int16 units (-32768..32767; a
full-scale float of 1.0 is 32768), one channel or the mean of all, the resampler if the rates
differ, then rounding half to even and saturation. Mono int16 at the contract's rate passes
untouched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.errors import AudioError

# Beyond these a rate is a damaged header, not audio.
MIN_RATE_HZ = 1_000
MAX_RATE_HZ = 768_000

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
    """An origin of audio: a file, standard input, a microphone.

    Attributes:
        name: What to call it in messages.
        rate_hz: Sample rate; another one, perhaps, after a gap.
        channels: Interleaved channels; likewise.
        overflows: How often it has lost audio so far; 0 for a file.
        lag_s: How long ago a live source's latest block came; 0 for what can wait.
        live: Whether the audio comes as it is recorded, from a microphone or through a pipe.
        ticks: Whether it gives control back when there is nothing. One that does not may be
            interrupted by a signal while it waits.
        notes: What the user should be told when the audio has ended.
    """

    name: str
    rate_hz: int
    channels: int
    overflows: int
    lag_s: float
    live: bool
    ticks: bool
    notes: list[str]

    def blocks(self) -> Iterator[Frames | Incident]:
        """Yield the audio as it comes, in blocks of any size, and what happens to the source.

        One that `ticks` and has nothing yields an empty block several times a second.
        """

    def close(self) -> None:
        """Let go of the file or device."""


def mono(
    source: Source, rate_hz: int, channel: int | None = None
) -> Iterator[NDArray[np.int16] | Incident]:
    """Yield the audio of `source` as int16 (n,) at `rate_hz`, in blocks of any size.

    What comes out does not depend on the blocks that the source gives. Incidents pass through.

    Args:
        source: Where the audio comes from.
        rate_hz: The rate wanted.
        channel: The one to take, counted from 0; None: the mean of all.

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
        if channel is not None:
            block = block[:, channel : channel + 1]
        if block.shape[1] == 1 and block.dtype == np.int16 and resampler is None:
            yield block[:, 0]
            continue
        mixed = block.mean(axis=1, dtype=np.float64)
        yield to_int16(mixed if resampler is None else resampler.resample_chunk(mixed))
    if resampler is not None:
        # The resampler holds back half its filter's length until it knows what follows.
        yield to_int16(resampler.resample_chunk(np.zeros(0), last=True))


def check_channel(name: str, channels: int, channel: int | None) -> None:
    """Refuse a channel that a source does not have.

    Raises:
        AudioError: There are not so many channels.
    """
    if channel is not None and channel >= channels:
        only = "one channel, 0" if channels == 1 else f"{channels} channels, 0 to {channels - 1}"
        raise AudioError(f"{name} has no channel {channel}", f"it has {only}")


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
