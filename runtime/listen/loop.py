"""Passes the audio from a source through a `Listener` to the outputs, until it ends."""

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
    """Write the records of the audio of `source`, until the audio or a signal ends it.

    After Ctrl-C or SIGTERM, the work in hand is finished and written; after a second one it is not.

    Args:
        source: The audio.
        listener: Makes records from the audio.
        output: Receives the records.
        rate_hz: The listener's rate.
        recorder: Records the audio around events; None records nothing.
        channel: The source's channel to listen to; see `mono`.

    Returns:
        Messages to print when the output is closed.

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
    """Return the records of an incident: the end of an event if there is a gap, and a notice."""
    records: list[Record] = []
    if incident.gap_s is not None:
        records += listener.gap(incident.gap_s)
        if recorder is not None:
            records += recorder.gap(records, listener.time_s)
    notice = Notice(incident.code, incident.text, listener.time_s, incident.level)
    return [*records, notice]


def _last(source: Source, listener: Listener, is_stopped: bool) -> list[Record]:
    """Return the last records, at the end of the audio or after a signal."""
    if is_stopped:
        return listener.gap(0.0)  # ends the current event
    if not listener.samples:
        raise AudioError(f"{source.name} holds no audio", "give a recording of speech")
    return listener.finish(source.overflows)


class _Stop:
    """Handles Ctrl-C, and the SIGTERM of a service manager.

    Attributes:
        asked: Whether a signal has come.
    """

    def __init__(self) -> None:
        """Start without a signal."""
        self.asked = False
        self._waiting = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals within the block, except those that this process ignores."""
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
        """Yield the items until a signal comes; finish the work in hand first.

        Args:
            items: The items.
            interrupt: Whether a signal may interrupt the wait for an item.
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
