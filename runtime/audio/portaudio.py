"""PortAudio: the only file that imports sounddevice, at its first use."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sernet_edge.runtime.errors import AudioError

# A device that claims more channels is a sound server or a plugin, which mixes them itself.
_MAX_CHANNELS = 8

# ALSA numbers the cards: hw:1,0 may be hw:2,0 after the device was plugged in again.
_ALSA_ADDRESS = re.compile(r" \(hw:\d+,\d+\)$")


@dataclass(frozen=True)
class Device:
    """A device that can record.

    Attributes:
        index: PortAudio's number, until the next `rescan`.
        name: PortAudio's name; any part of it selects the device.
        host_api: The sound system that offers it, such as ALSA.
        channels: The most channels that it records.
        rate_hz: Its own sample rate.
        is_default: Whether it is the default device.
    """

    index: int
    name: str
    host_api: str
    channels: int
    rate_hz: int
    is_default: bool

    def used_channels(self, channel: int | None = None) -> int:
        """Return how many channels to record.

        A device is recorded with all its channels: if fewer are asked for, PortAudio drops the
        others. A sound server is recorded with only as many as include the wanted one.

        Args:
            channel: The wanted one, counted from 0; None: the mean of all.
        """
        if self.channels <= _MAX_CHANNELS:
            return self.channels
        return 1 if channel is None else channel + 1


def sounddevice() -> Any:
    """Return the module.

    Raises:
        AudioError: The package, or the library PortAudio, is missing.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise AudioError(
            "a microphone needs the Python package sounddevice", "pip install sounddevice"
        ) from error
    except OSError as error:
        raise AudioError(
            f"a microphone needs the PortAudio library: {error}", "apt install libportaudio2"
        ) from error
    return sounddevice


def rescan() -> None:
    """Make PortAudio look for devices again, by restarting it. No stream may be open.

    This call never returns if the sound system hangs.

    Raises:
        AudioError: PortAudio cannot be started.
    """
    module = sounddevice()
    with quiet_stderr():
        with suppress(module.PortAudioError):  # its last start failed
            module._terminate()
        try:
            module._initialize()
        except module.PortAudioError as error:
            raise AudioError(f"PortAudio cannot be started: {error.args[0]}") from error


def input_devices() -> list[Device]:
    """Return the devices that can record, at least one.

    Raises:
        AudioError: There is none, or sounddevice or PortAudio is missing.
    """
    module = sounddevice()
    try:
        default = module.query_devices(kind="input")["index"]
    except module.PortAudioError:
        default = None
    devices = [
        _device(found, default) for found in module.query_devices() if found["max_input_channels"]
    ]
    if not devices:
        raise AudioError(
            "no microphone found", "plug one in, or give a recording with --input FILE"
        )
    return devices


def find_input(wanted: str | int | None) -> Device:
    """Return the device with this index or this part of a name; the default one if None.

    Raises:
        AudioError: No device or several match, or sounddevice or PortAudio is missing.
    """
    module = sounddevice()
    try:
        found = module.query_devices(wanted, "input")
    # OverflowError: an index beyond C's int.
    except (ValueError, OverflowError, module.PortAudioError) as error:
        input_devices()  # raises if there are no devices at all
        if wanted is None:
            raise AudioError(
                "no default microphone", "name one with --device; see --list-devices"
            ) from error
        # sounddevice lists the candidates of an ambiguous name line by line.
        reason = " ".join(str(error.args[0]).split())
        raise AudioError(f"no microphone {wanted!r}: {reason}", "see --list-devices") from error
    return _device(found, found["index"] if wanted is None else None)


def find_again(wanted: str | int | None, before: Device) -> Device:
    """Return the device that `find_input(wanted)` found `before` a `rescan` changed its index.

    Raises:
        AudioError: See `find_input`.
    """
    if not isinstance(wanted, int):
        return find_input(wanted)
    for device in input_devices():
        if (device.name, device.host_api) == (before.name, before.host_api):
            return device
    return find_input(_ALSA_ADDRESS.sub("", before.name))


def refusal(device: Device, rate_hz: int, channels: int) -> str:
    """Return why the device cannot record this many channels at this rate; empty if it can."""
    module = sounddevice()
    try:
        with quiet_stderr():
            module.check_input_settings(device.index, channels, "int16", samplerate=rate_hz)
    except module.PortAudioError as error:
        return str(error.args[0])
    return ""


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hide what ALSA and PortAudio print when a device refuses; the exception says it, too."""
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def _device(found: dict[str, Any], default: int | None) -> Device:
    """Convert sounddevice's description to ours."""
    return Device(
        index=found["index"],
        name=found["name"],
        host_api=sounddevice().query_hostapis(found["hostapi"])["name"],
        channels=found["max_input_channels"],
        rate_hz=round(found["default_samplerate"]),
        is_default=found["index"] == default,
    )
