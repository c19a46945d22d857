"""The options of `listen` that say where the audio comes from, and the source that they open."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

import click

from sernet_edge.runtime.audio.microphone import Microphone
from sernet_edge.runtime.audio.pcm import RAW_FORMATS
from sernet_edge.runtime.audio.recordings import open_recording, open_stream
from sernet_edge.runtime.audio.sources import MAX_RATE_HZ, MIN_RATE_HZ, Source, check_channel
from sernet_edge.runtime.errors import AudioError
from sernet_edge.runtime.options import Integer, is_flag_given, option_group


@dataclass(frozen=True)
class SourceSettings:
    """Origin of the audio.

    Attributes:
        input: An audio file, "-" for standard input, or None for the microphone.
        format: Format of raw samples on standard input, one of `pcm.RAW_FORMATS`; s16le if None.
        rate: Their rate in Hz; the model's if None.
        channels: Their interleaved channels; 1 if None.
        channel: The channel to listen to, counted from 0; the mean of all if None.
        device: Index or part of the name of a microphone; the default one if None.
    """

    input: str | None
    format: str | None
    rate: int | None
    channels: int | None
    channel: int | None
    device: str | None

    def __post_init__(self) -> None:
        """Refuse flags that contradict each other; a file may hold settings for other runs."""
        for name in ("format", "rate", "channels"):
            if self.input != "-" and is_flag_given(name):
                raise click.UsageError(
                    f"--{name} describes raw samples: it goes with --input - only."
                )
        if self.input is not None and is_flag_given("device"):
            raise click.UsageError("--device names a microphone; it does not go with --input.")

    @property
    def is_live(self) -> bool:
        """Whether the audio comes as it is recorded: from a microphone, or through a pipe."""
        if self.input is None:
            return True
        try:
            status = os.fstat(0) if self.input == "-" else os.stat(self.input)
        except OSError:
            return False  # `open` reports the error
        return not stat.S_ISREG(status.st_mode)

    def open(self, rate_hz: int) -> Source:
        """Open the source; `rate_hz` is the model's rate.

        Raises:
            AudioError: The source cannot be opened, has the wrong format, or lacks the channel.
        """
        source = self._open(rate_hz)
        try:
            check_channel(source.name, source.channels, self.channel)
        except AudioError:
            source.close()
            raise
        return source

    def _open(self, rate_hz: int) -> Source:
        if self.input is None:
            device = self.device
            wanted = int(device) if device and device.isdecimal() else device
            return Microphone(rate_hz, wanted, self.channel)
        if self.input != "-":
            return open_recording(self.input)
        try:
            file = open(0, "rb", closefd=False)  # noqa: SIM115 - the source's `close` does
        except OSError as error:
            raise AudioError(f"cannot read standard input: {error.strerror}") from error
        name = "standard input"
        source = open_stream(file, name, self.rate or rate_hz, self.channels, self.format)
        for flag, given, found in (
            ("--rate", self.rate, source.rate_hz),
            ("--channels", self.channels, source.channels),
        ):
            if given is not None and given != found:
                source.notes.append(f"{name} holds a WAV file: its {found} counts, not {flag}")
        return source


source_options = option_group(
    "source_settings",
    SourceSettings,
    (
        click.option(
            "--input",
            type=click.Path(readable=False, allow_dash=True),
            metavar="FILE|-",
            help="An audio file (WAV, FLAC, Ogg, MP3, AIFF ...), or - for standard input: raw "
            "samples, or WAV.  [default: the microphone]",
        ),
        click.option(
            "--format",
            type=click.Choice(RAW_FORMATS),
            help="With --input -: format of raw samples.  [default: s16le]",
        ),
        click.option(
            "--rate",
            type=Integer(MIN_RATE_HZ, MAX_RATE_HZ),
            metavar="HZ",
            help="With --input -: sample rate.  [default: the model's]",
        ),
        click.option(
            "--channels",
            type=Integer(1, 64),
            metavar="N",
            help="With --input -: interleaved channels.  [default: 1]",
        ),
        click.option(
            "--channel",
            type=Integer(0, 1023),
            metavar="N",
            help="The channel to listen to, counted from 0.  [default: the mean of all]",
        ),
        click.option(
            "--device", metavar="NAME|INDEX", help="The microphone; part of its name is enough."
        ),
    ),
)
