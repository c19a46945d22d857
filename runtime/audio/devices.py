"""Lists the microphones, and opens each to find out whether it works."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from sernet_edge.runtime.audio import portaudio
from sernet_edge.runtime.audio.microphone import Microphone
from sernet_edge.runtime.audio.sources import Incident
from sernet_edge.runtime.errors import AudioError

# Rates that sound cards and telephony use.
_RATES_HZ = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)

# A sound server takes a second or two to deliver its first block.
_PATIENCE_S = 4.0


@dataclass(frozen=True)
class DeviceReport:
    """A device that can record, and whether it does.

    Attributes:
        device: What PortAudio says of it.
        rates_hz: The usual rates that it accepts.
        used_hz: The rate at which `listen` would open it; None if it cannot be opened.
        problem: Why it does not work; empty if it works.
    """

    device: portaudio.Device
    rates_hz: tuple[int, ...]
    used_hz: int | None
    problem: str

    def record(self) -> dict[str, Any]:
        """Return the report as a dictionary, for JSON."""
        return {
            "type": "device",
            **asdict(self.device),
            "rates_hz": list(self.rates_hz),
            "used_hz": self.used_hz,
            "works": not self.problem,
            "problem": self.problem or None,
        }

    def __str__(self) -> str:
        """Return the report as a line of text."""
        device = self.device
        channels = "1 channel" if device.channels == 1 else f"{device.channels} channels"
        rates = " ".join(map(str, self.rates_hz)) or "none of the usual"
        return (
            f"{'*' if device.is_default else ' '} {device.index:3}  {device.name}  "
            f"({device.host_api}, {channels}, rates {rates})  "
            + (f"fails: {self.problem}" if self.problem else f"works at {self.used_hz} Hz")
        )


def device_reports(rate_hz: int) -> Iterator[DeviceReport]:
    """Try one microphone after the other; each takes up to some seconds.

    Args:
        rate_hz: The rate that the model needs.

    Raises:
        AudioError: There is no microphone, or sounddevice or PortAudio is missing.
    """
    for device in portaudio.input_devices():
        yield try_device(device, rate_hz)


def try_device(device: portaudio.Device, rate_hz: int) -> DeviceReport:
    """Open a device as `listen` would and wait for its first samples."""
    channels = device.used_channels()
    rates_hz = tuple(rate for rate in _RATES_HZ if not portaudio.refusal(device, rate, channels))
    try:
        microphone = Microphone(rate_hz, device.index)
        with closing(microphone):
            problem = _first_samples(microphone)
    except AudioError as error:
        return DeviceReport(device, rates_hz, None, error.message)
    return DeviceReport(device, rates_hz, microphone.rate_hz, problem)


def _first_samples(microphone: Microphone) -> str:
    """Wait for samples; return the problem, empty if they came."""
    until_s = time.monotonic() + _PATIENCE_S
    for block in microphone.blocks():
        if isinstance(block, Incident):
            return block.text
        if len(block):
            break
        if time.monotonic() > until_s:
            return f"it delivers nothing in {_PATIENCE_S:g} s"
    return ""
