"""The way of the audio: from a source through a `Listener` to an output, until it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from sernet_edge.runtime.audio.sources import Incident, Source, mono
from sernet_edge.runtime.errors import AudioError
from sernet_edge.runtime.listen.recorder import EventRecorder
from sernet_edge.runtime.listen.systemd import ServiceManager
from sernet_edge.runtime.outputs import Output
from sernet_edge.runtime.records import Notice, Record, Result
from sernet_edge.runtime.stream import Listener

T = TypeVar("T")


def run(
    source: Source,
    listener: Listener,
    output: Output,
    rate_hz: int,
    recorder: EventRecorder | None = None,
    channel: int | None = None,
) -> list[str]:
    """Write the records of the audio of `source`, until it ends or a signal ends it.

    Ctrl-C and SIGTERM let the work in hand be finished and given out; a second one does not.

    Args:
        source: Where the audio comes from.
        listener: What judges it.
        output: What takes the records.
        rate_hz: The listener's rate.
        recorder: What keeps the audio around events, if anything does.
        channel: The source's channel to listen to; see `mono`.

    Returns:
        What is to be told when the output is closed.

    Raises:
        SernetError: The source or an output fails, or there was no audio.
        KeyboardInterrupt: A second signal came.
    """
    manager = ServiceManager()
    stop = _Stop()
    with stop.handled():
        ready = False
        for item in stop.until_asked(mono(source, rate_hz, channel), interrupt=not source.ticks):
            if not ready:
                manager.ready(f"listening to {source.name}")
                ready = True
            manager.alive()
            if isinstance(item, Incident):
                manager.status(item.text)
                records = _interrupted(item, listener, recorder)
            else:
                records = listener.push(item, source.overflows, source.lag_s)
                if recorder is not None:
                    records += recorder.push(item, records, listener.time_s)
            for record in records:
                output.write(record)
        manager.stopping()
        notes = list(source.notes)
        records = _last(source, listener, stop.asked)
        if recorder is not None:
            records += recorder.gap(records, listener.time_s)
        for record in records:
            if isinstance(record, Result) and record.padded:
                notes.append(
                    f"{source.name} is shorter than the model's window of {record.time_s:.3f} s: "
                    "padded with silence at its end"
                )
            output.write(record)
        output.finish()
    return notes


def _interrupted(
    incident: Incident, listener: Listener, recorder: EventRecorder | None
) -> list[Record]:
    """Return the records of an incident: what a gap ends, and a notice."""
    records: list[Record] = []
    if incident.gap_s is not None:
        records += listener.gap(incident.gap_s)
        if recorder is not None:
            records += recorder.gap(records, listener.time_s)
    notice = Notice(incident.code, incident.text, listener.time_s, incident.level)
    return [*records, notice]


def _last(source: Source, listener: Listener, is_stopped: bool) -> list[Record]:
    """Return the records that the end of the audio brings, or the end of listening to it."""
    if is_stopped:
        return listener.gap(0.0)  # ends an event
    if not listener.samples:
        raise AudioError(f"{source.name} holds no audio", "give a recording of speech")
    return listener.finish(source.overflows)


class _Stop:
    """Ctrl-C, or a service manager's SIGTERM.

    Attributes:
        asked: Whether one has come.
    """

    def __init__(self) -> None:
        """Wait for the first."""
        self.asked = False
        self._waiting = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Take the signals over within the block, but for those that are ignored."""
        earlier = {
            number: signal.signal(number, self._handle)
            for number in (signal.SIGINT, signal.SIGTERM)
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def until_asked(self, items: Iterator[T], interrupt: bool) -> Iterator[T]:
        """Yield the items up to a signal; work in hand is finished.

        Args:
            items: What is waited for.
            interrupt: Whether a signal interrupts the waiting for an item.
        """
        while not self.asked:
            try:
                self._waiting = interrupt
                item = next(items, None)
                self._waiting = False
            except KeyboardInterrupt:
                return
            if item is None:
                return
            yield item

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if again or self._waiting:
            raise KeyboardInterrupt
