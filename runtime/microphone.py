"""The microphone, through PortAudio: the one file that imports sounddevice, and only when used."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from sernet_edge.runtime.audio import Frames
from sernet_edge.runtime.errors import AudioError

# PortAudio's blocks. The hop, half a second, hides their length.
_BLOCK_S = 0.05

# How far the model may fall behind before audio is lost.
_QUEUE_S = 5.0

# A device with more channels is a sound server or a plugin, which mixes on its own.
_MAX_CHANNELS = 8


@dataclass(frozen=True)
class Device:
    """A device that can record.

    Attributes:
        index: PortAudio's number, which `Microphone` takes.
        name: PortAudio's name; a part of it will do.
        channels: Most channels it can give.
        rate_hz: Its own sample rate.
        is_default: Whether it is used when none is named.
    """

    index: int
    name: str
    channels: int
    rate_hz: int
    is_default: bool


def input_devices() -> list[Device]:
    """Return the devices that can record, at least one.

    Raises:
        AudioError: There is none, or sounddevice or PortAudio is missing.
    """
    sounddevice = _sounddevice()
    try:
        default = sounddevice.query_devices(kind="input")["index"]
    except sounddevice.PortAudioError:
        default = None
    devices = [
        Device(
            index=device["index"],
            name=device["name"],
            channels=device["max_input_channels"],
            rate_hz=round(device["default_samplerate"]),
            is_default=device["index"] == default,
        )
        for device in sounddevice.query_devices()
        if device["max_input_channels"] > 0
    ]
    if not devices:
        raise AudioError(
            "no microphone found", "plug one in, or give a recording with --input FILE"
        )
    return devices


class Microphone:
    """An audio device that is being recorded from; see `audio.Source` for the attributes.

    PortAudio's own thread puts blocks into a queue that holds some seconds. When the model
    falls further behind, that thread waits, the device's buffer overflows, PortAudio says so,
    and it is counted: no audio is lost in silence, and none when the device can wait.
    """

    def __init__(self, rate_hz: int, device: str | int | None = None) -> None:
        """Choose a device and a rate; recording starts with `blocks`.

        Args:
            rate_hz: The rate wanted. A device that cannot gives its own.
            device: An index, a part of a name, or None for the default device.

        Raises:
            AudioError: No microphone, not this one, or one that cannot be opened; or
                sounddevice or PortAudio is missing.
        """
        self._sounddevice = _sounddevice()
        found = self._find(device)
        self.name: str = found["name"]
        self.overflows = 0
        self.notes: list[str] = []
        self._index: int = found["index"]
        most: int = found["max_input_channels"]
        # All that there are: asked for fewer, PortAudio would drop the others.
        self.channels = most if most <= _MAX_CHANNELS else 1
        self.rate_hz = self._possible_rate(rate_hz, round(found["default_samplerate"]))
        self._queue: queue.Queue[tuple[bytes, bool]] = queue.Queue(round(_QUEUE_S / _BLOCK_S))
        self._stream: Any = None
        self._closing = False

    def blocks(self) -> Iterator[Frames]:
        """Yield what is recorded from now on, without end.

        Raises:
            AudioError: The device cannot be opened, or stops.
        """
        try:
            with _quiet_stderr():
                self._stream = self._sounddevice.RawInputStream(
                    samplerate=self.rate_hz,
                    blocksize=round(_BLOCK_S * self.rate_hz),
                    device=self._index,
                    channels=self.channels,
                    dtype="int16",
                    latency="high",
                    callback=self._record,
                )
                self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise self._cannot_open(error) from error
        while True:
            try:
                data, overflowed = self._queue.get(timeout=1)
            except queue.Empty:
                # An unplugged device stops its stream and raises nothing.
                if self._stream.active:
                    continue
                raise AudioError(
                    f"the microphone {self.name!r} stopped", hint="is it still plugged in?"
                ) from None
            self.overflows += overflowed
            yield np.frombuffer(data, np.int16).reshape(-1, self.channels)

    def close(self) -> None:
        """Stop recording."""
        self._closing = True
        if self._stream is not None:
            self._stream.close()

    def _record(self, data: Any, frames: int, when: Any, status: Any) -> None:
        """Queue a block; called in PortAudio's thread."""
        block = bytes(data), bool(status.input_overflow)
        while not self._closing:
            try:
                self._queue.put(block, timeout=0.1)
                return
            except queue.Full:
                continue

    def _find(self, device: str | int | None) -> dict[str, Any]:
        """Return PortAudio's description of the device."""
        try:
            found: dict[str, Any] = self._sounddevice.query_devices(device, "input")
        # OverflowError: an index beyond C's int.
        except (ValueError, OverflowError, self._sounddevice.PortAudioError) as error:
            input_devices()  # raises if there is none at all
            if device is None:
                raise AudioError(
                    "no default microphone", "name one with --device; see --list-devices"
                ) from error
            # sounddevice lists the candidates of an ambiguous name line by line.
            reason = " ".join(str(error.args[0]).split())
            raise AudioError(f"no microphone {device!r}: {reason}", "see --list-devices") from error
        return found

    def _possible_rate(self, wanted_hz: int, own_hz: int) -> int:
        """Return the wanted rate if the device takes it, else its own."""
        for rate_hz in (wanted_hz, own_hz):
            try:
                with _quiet_stderr():
                    self._sounddevice.check_input_settings(
                        self._index, self.channels, "int16", samplerate=rate_hz
                    )
                return rate_hz
            except self._sounddevice.PortAudioError as error:
                reason = error
        raise self._cannot_open(reason) from reason

    def _cannot_open(self, error: Exception) -> AudioError:
        return AudioError(
            f"cannot open the microphone {self.name!r}: {error.args[0]}",
            hint="is another program using it? --list-devices shows the others",
        )


def _sounddevice() -> Any:
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


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Silence what ALSA and PortAudio print in C when a device refuses; the exception says it."""
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
