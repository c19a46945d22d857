"""Records from a microphone, and waits for it to return after it was unplugged."""

from __future__ import annotations

import queue
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sernet_edge.runtime.audio import portaudio
from sernet_edge.runtime.audio.device_checks import RateCheck
from sernet_edge.runtime.audio.sources import Frames, Incident, check_channel
from sernet_edge.runtime.audio.suspension import Suspension, clock_s, suspended
from sernet_edge.runtime.errors import AudioError

# Length of PortAudio's blocks. It adds no delay that matters beside the hop of half a second.
_BLOCK_S = 0.05

# How far the model may fall behind before audio is lost.
_QUEUE_S = 5.0

# How often `blocks` yields an empty block while no audio comes.
_TICK_S = 0.5

# A device that delivers nothing for this long counts as gone. A sound server takes a second or two
# deliver its first block.
_STALL_S = 5.0

# The first and the longest pause between attempts to get a device back.
_RETRY_S = 0.5
_MAX_RETRY_S = 5.0


@dataclass(frozen=True)
class _Block:
    """One block of audio from PortAudio.

    Attributes:
        data: int16 samples, interleaved.
        lost: Whether audio before it was lost.
        at_s: When it came, by `clock_s`.
    """

    data: bytes
    lost: bool
    at_s: float


class Microphone:
    """Records from an audio device; see `audio.Source` for the attributes.

    PortAudio's own thread puts blocks into a queue that holds some seconds. When the model falls
    further behind, that thread waits, the device's buffer overflows, and PortAudio reports it:
    every loss of audio is counted.

    When the device goes away or stops delivering, `blocks` yields an `Incident`, opens the device
    again as soon as it is there, and yields another with the length of the gap. When this program
    itself was stopped, `blocks` drops what was recorded meanwhile, which is too old to be live.
    """

    def __init__(
        self, rate_hz: int, device: str | int | None = None, channel: int | None = None
    ) -> None:
        """Choose a device and a rate; `blocks` starts the recording.

        Args:
            rate_hz: The rate wanted. A device that does not support it records at its own.
            device: An index, a part of a name, or None for the default device.
            channel: The channel that the device must have, counted from 0; None: any.

        Raises:
            AudioError: There is no such microphone, or it cannot be opened; or sounddevice or
                PortAudio is missing.
        """
        self._sounddevice = portaudio.sounddevice()
        self._wanted_hz = rate_hz
        self._wanted = device
        self._channel = channel
        self.overflows = 0
        self.lag_s = 0.0
        self.live = True
        # A signal's exception must not interrupt `rescan`: sounddevice would lose count of how
        # often it started PortAudio, and print an error when Python ends.
        self.ticks = True
        self.notes: list[str] = []
        # Not a `Queue`: an exception from a signal handler can leave its lock locked for ever.
        self._queue: queue.SimpleQueue[_Block] = queue.SimpleQueue()
        self._stream: Any = None
        self._closing = False
        self._use(portaudio.find_input(device))

    def blocks(self) -> Iterator[Frames | Incident]:
        """Yield new audio without end; an empty block while none comes.

        Raises:
            AudioError: The device cannot be opened.
        """
        self._open()
        rate = RateCheck(self.rate_hz)
        last_s = clock_s()  # when audio came last
        suspension = Suspension()
        try:
            while True:
                block = self._next_block()
                if missed_s := suspension.missed_s():
                    yield from self._go_on(missed_s, last_s)
                elif block is not None:
                    last_s = block.at_s
                    self.overflows += block.lost
                    self.lag_s = clock_s() - block.at_s
                    frames = np.frombuffer(block.data, np.int16).reshape(-1, self.channels)
                    yield frames
                    if incident := rate.see(len(frames), block.at_s, block.lost):
                        yield incident
                    continue
                # An unplugged device stops its stream or just delivers nothing; neither raises.
                elif self._stream.active and clock_s() - last_s < _STALL_S:
                    yield self._nothing()
                    continue
                else:
                    yield from self._wait_for_return(last_s)
                rate = RateCheck(self.rate_hz)
                last_s = clock_s()
        finally:
            suspension.close()

    def close(self) -> None:
        """Stop recording."""
        self._closing = True
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _next_block(self) -> _Block | None:
        """Wait for the next block and return it; None if none comes in time."""
        try:
            return self._queue.get(timeout=_TICK_S)
        except queue.Empty:
            return None

    def _go_on(self, missed_s: float, last_s: float) -> Iterator[Frames | Incident]:
        """Restart the recording after this program was stopped, and yield an incident.

        The old stream would deliver the audio that the sound server has stored meanwhile.

        Args:
            missed_s: How long the program was stopped.
            last_s: When the last audio came.
        """
        self.close()
        try:
            self._open()
            is_there = yield from self._delivers()
        except AudioError:
            is_there = False
        if not is_there:
            yield from self._wait_for_return(last_s)
            return
        yield suspended(missed_s, clock_s() - last_s)

    def _wait_for_return(self, lost_s: float) -> Iterator[Frames | Incident]:
        """Yield that the device is gone, wait until it delivers again, and yield that.

        Args:
            lost_s: When the last audio came.
        """
        is_open = self._stream is not None and self._stream.active
        why = "stopped delivering" if is_open else "has gone"
        yield Incident(
            "device-lost",
            f"the microphone {self.name!r} {why}: waiting for it to come back",
            "warning",
            gap_s=0.0,
        )
        pause_s = _RETRY_S
        while not (yield from self._reopened()):
            until_s = clock_s() + pause_s
            while (left_s := until_s - clock_s()) > 0:
                time.sleep(min(left_s, _TICK_S))
                yield self._nothing()
            pause_s = min(2 * pause_s, _MAX_RETRY_S)
        gap_s = clock_s() - lost_s
        yield Incident(
            "device-back",
            f"the microphone {self.name!r} is back after {gap_s:.1f} s, "
            f"{self.rate_hz} Hz, {self.channels} ch",
            "info",
            gap_s=gap_s,
        )

    def _reopened(self) -> Generator[Frames, None, bool]:
        """Open the device again, yielding empty blocks meanwhile; return whether it delivers."""
        self.close()
        try:
            portaudio.rescan()
            self._use(portaudio.find_again(self._wanted, self._device))
            self._open()
        except AudioError:
            return False
        return (yield from self._delivers())

    def _delivers(self) -> Generator[Frames, None, bool]:
        """Wait for a first block, yielding empty blocks meanwhile; return whether it came."""
        opened_s = clock_s()
        while self._queue.empty():
            if not self._stream.active or clock_s() - opened_s > _STALL_S:
                return False
            time.sleep(_BLOCK_S)
            yield self._nothing()
        return True

    def _nothing(self) -> Frames:
        return np.zeros((0, self.channels), np.int16)

    def _use(self, device: portaudio.Device) -> None:
        """Choose this device, and the channels and the rate at which to record."""
        self._device = device
        self.name = device.name
        check_channel(repr(device.name), device.channels, self._channel)
        self.channels = device.used_channels(self._channel)
        self.rate_hz = self._possible_rate(self._wanted_hz, device.rate_hz)

    def _open(self) -> None:
        """Start to record."""
        self._closing = False
        self._queue = queue.SimpleQueue()  # drops what an earlier stream left
        try:
            with portaudio.quiet_stderr():
                self._stream = self._sounddevice.RawInputStream(
                    samplerate=self.rate_hz,
                    blocksize=round(_BLOCK_S * self.rate_hz),
                    device=self._device.index,
                    channels=self.channels,
                    dtype="int16",
                    latency="high",
                    callback=self._record,
                )
                self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise self._cannot_open(str(error.args[0])) from error

    def _record(self, data: Any, frames: int, when: Any, status: Any) -> None:
        """Queue a block; called in PortAudio's thread."""
        block = _Block(bytes(data), bool(status.input_overflow), clock_s())
        while self._queue.qsize() * _BLOCK_S >= _QUEUE_S and not self._closing:
            time.sleep(_BLOCK_S)
        self._queue.put(block)

    def _possible_rate(self, wanted_hz: int, own_hz: int) -> int:
        """Return the wanted rate if the device supports it, else the device's own."""
        for rate_hz in (wanted_hz, own_hz):
            reason = portaudio.refusal(self._device, rate_hz, self.channels)
            if not reason:
                return rate_hz
        raise self._cannot_open(reason)

    def _cannot_open(self, reason: str) -> AudioError:
        return AudioError(
            f"cannot open the microphone {self.name!r}: {reason}",
            hint="is another program using it? --list-devices shows the others",
        )
