"""Converts audio of any source to the front end's input: mono int16 at the contract's rate.

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

# A rate below or above these comes from a damaged header.
MIN_RATE_HZ = 1_000
MAX_RATE_HZ = 768_000

Frames = NDArray[Any]
"""int16 or float64 (frames, channels), in int16 units."""


@dataclass(frozen=True)
class Incident:
    """Something that happened to a live source, between two blocks of its audio.

    Attributes:
        code: The kind of incident, for programs; see `records.Notice`.
        text: The message for a person.
        level: "warning" if results suffer or are missing, else "info".
        gap_s: Seconds of audio that are missing here; 0 if that is not known yet; None if the
            audio goes on without a gap.
    """

    code: str
    text: str
    level: Literal["info", "warning"]
    gap_s: float | None = None


class Source(Protocol):
    """An origin of audio: a file, standard input, a microphone.

    Attributes:
        name: Its name in messages.
        rate_hz: Sample rate; it may change after a gap.
        channels: Interleaved channels; they may change after a gap.
        overflows: How often audio was lost so far; 0 for a file.
        lag_s: How long ago a live source's latest block came; 0 for a recording.
        live: Whether the audio comes as it is recorded, from a microphone or through a pipe.
        ticks: Whether `blocks` yields empty blocks while no audio comes. Where it does not, a
            signal may interrupt it while it waits.
        notes: Messages for the user at the end of the audio.
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
        """Yield the audio as it comes, in blocks of any size, and the source's incidents.

        A source that `ticks` yields an empty block several times a second while no audio comes.
        """

    def close(self) -> None:
        """Close the file or device."""


def mono(
    source: Source, rate_hz: int, channel: int | None = None
) -> Iterator[NDArray[np.int16] | Incident]:
    """Yield the audio of `source` as int16 (n,) at `rate_hz`, in blocks of any size.

    The result does not depend on the sizes of the source's blocks. Incidents pass through.

    Args:
        source: The audio.
        rate_hz: The rate wanted.
        channel: The channel to use, counted from 0; None: the mean of all.

    Raises:
        AudioError: The rates differ and no resampler is installed; or the source fails.
    """
    resampler = _resampler(source, rate_hz)
    for block in _blocks(source):
        if isinstance(block, Incident):
            if block.gap_s is not None:
                # The filter must not mix the audio on both sides of the gap; the rate may change.
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
        # The resampler holds back half its filter's length until it gets the samples after it.
        yield to_int16(resampler.resample_chunk(np.zeros(0), last=True))


def check_channel(name: str, channels: int, channel: int | None) -> None:
    """Refuse a channel that a source does not have.

    Raises:
        AudioError: The source has fewer channels.
    """
    if channel is not None and channel >= channels:
        only = "one channel, 0" if channels == 1 else f"{channels} channels, 0 to {channels - 1}"
        raise AudioError(f"{name} has no channel {channel}", f"it has {only}")


def _blocks(source: Source) -> Iterator[Frames | Incident]:
    """Yield the source's blocks; name the source if the system cannot read it."""
    try:
        yield from source.blocks()
    except OSError as error:
        raise AudioError(f"cannot read {source.name} any further: {error.strerror}") from error


def to_int16(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return samples in int16 units rounded, half to even, and saturated."""
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def _resampler(source: Source, rate_hz: int) -> Any:
    """Return a resampler from the source's rate to `rate_hz`; None if they are equal."""
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
