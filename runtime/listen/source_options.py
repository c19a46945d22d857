"""The options of `listen` that say where the audio comes from, and the source that they make."""

from __future__ import annotations

from dataclasses import dataclass

import click

from sernet_edge.runtime.audio.microphone import Microphone
from sernet_edge.runtime.audio.sources import MAX_RATE_HZ, MIN_RATE_HZ, RawSource, Source
from sernet_edge.runtime.audio.wav import WavSource
from sernet_edge.runtime.errors import AudioError
from sernet_edge.runtime.options import is_flag_given, option_group


@dataclass(frozen=True)
class SourceSettings:
    """Where the audio comes from.

    Attributes:
        input: A WAV file, "-" for raw samples on standard input, or None for the microphone.
        rate: Of standard input, in Hz; the model's if None.
        channels: Of standard input, interleaved; 1 if None.
        device: Index or part of the name of a microphone; the default one if None.
    """

    input: str | None
    rate: int | None
    channels: int | None
    device: str | None

    def __post_init__(self) -> None:
        """Refuse flags that contradict each other; what a file says for other runs may."""
        if self.input != "-" and (is_flag_given("rate") or is_flag_given("channels")):
            raise click.UsageError("--rate and --channels go with --input - only.")
        if self.input is not None and is_flag_given("device"):
            raise click.UsageError("--device names a microphone; it does not go with --input.")

    def open(self, rate_hz: int) -> Source:
        """Open the source; `rate_hz` is the model's rate.

        Raises:
            AudioError: It cannot be opened, or is not what it should be.
        """
        if self.input is None:
            device = self.device
            return Microphone(rate_hz, int(device) if device and device.isdecimal() else device)
        if self.input != "-":
            return WavSource(self.input)
        try:
            file = open(0, "rb", closefd=False)  # noqa: SIM115 - the source's `close` does
        except OSError as error:
            raise AudioError(f"cannot read standard input: {error.strerror}") from error
        return RawSource(file, self.rate or rate_hz, self.channels or 1, "standard input")


source_options = option_group(
    "source_settings",
    SourceSettings,
    (
        click.option(
            "--input",
            metavar="FILE|-",
            help="A WAV file, or - for raw s16le samples on standard input.  "
            "[default: the microphone]",
        ),
        click.option(
            "--rate",
            type=click.IntRange(MIN_RATE_HZ, MAX_RATE_HZ),
            metavar="HZ",
            help="With --input -: sample rate.  [default: the model's]",
        ),
        click.option(
            "--channels",
            type=click.IntRange(1, 64),
            metavar="N",
            help="With --input -: interleaved channels.  [default: 1]",
        ),
        click.option(
            "--device", metavar="NAME|INDEX", help="The microphone; a part of its name will do."
        ),
    ),
)
