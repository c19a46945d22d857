"""The loop from source to output: gaps, notices, and how signals end it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sernet_edge.runtime import Notice
from sernet_edge.runtime.audio.sources import Frames, Incident
from sernet_edge.runtime.listen.loop import run
from sernet_edge.runtime.records import Record

SECOND = np.zeros((16_000, 1), np.int16)


class Source:
    """A source of prepared items; it calls the functions among them, as events meanwhile."""

    def __init__(self, *items: Frames | Incident | Callable[[], None], ticks: bool = False) -> None:
        self.name, self.rate_hz, self.channels, self.ticks = "a test", 16_000, 1, ticks
        self.live = False
        self.overflows, self.lag_s, self.notes = 0, 0.0, list[str]()
        self._items = items

    def blocks(self) -> Iterator[Frames | Incident]:
        for item in self._items:
            if callable(item):
                item()
            else:
                yield item

    def close(self) -> None:
        pass


class Listener:
    """A listener that reports each call as a notice."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.samples, self.time_s = 0, 0.0
        self._meanwhile = meanwhile

    def push(self, samples: NDArray[np.int16], overflows: int, lag_s: float) -> list[Record]:
        self._meanwhile()
        self.samples += len(samples)
        self.time_s += len(samples) / 16_000
        return [self._say("pushed")]

    def gap(self, seconds: float) -> list[Record]:
        self.time_s += seconds
        return [self._say("gap")]

    def finish(self, overflows: int) -> list[Record]:
        return [self._say("finished")]

    def _say(self, code: str) -> Notice:
        return Notice(code, "", self.time_s, "info")


class Output:
    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.said: list[tuple[str, float]] = []
        self._meanwhile = meanwhile

    def write(self, record: Record) -> None:
        assert isinstance(record, Notice)
        self._meanwhile()
        self.said.append((record.code, record.time_s))

    def finish(self) -> None:
        self.said.append(("output finished", 0))

    def close(self) -> None:
        pass


def said_of(source: Source, listener: Any = None, output: Output | None = None) -> list[str]:
    output = output or Output()
    run(source, listener or Listener(), output, 16_000)
    return [code for code, _ in output.said]


def send(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def test_a_lost_device_ends_the_event_and_time_goes_on_when_it_is_back() -> None:
    lost = Incident("device-lost", "gone", "warning", gap_s=0.0)
    back = Incident("device-back", "back", "info", gap_s=7.5)
    silence = Incident("silence", "muted", "warning")
    output = Output()
    run(Source(SECOND, lost, back, SECOND, silence), Listener(), output, 16_000)  # type: ignore[arg-type]
    assert output.said == [
        ("pushed", 1.0),
        *(("gap", 1.0), ("device-lost", 1.0)),
        *(("gap", 8.5), ("device-back", 8.5)),
        *(("pushed", 9.5), ("silence", 9.5)),
        *(("finished", 9.5), ("output finished", 0)),
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_a_signal_the_work_in_hand_is_written(number: signal.Signals) -> None:
    source = Source(SECOND, SECOND, SECOND)
    said = said_of(source, Listener(meanwhile=send(number)))
    assert said == ["pushed", "gap", "output finished"]


def test_a_signal_ends_the_wait_for_audio() -> None:
    never = Source(SECOND, send(signal.SIGTERM), SECOND)
    assert said_of(never) == ["pushed", "gap", "output finished"]


def test_a_signal_does_not_interrupt_a_source_that_ticks() -> None:
    done: list[str] = []
    source = Source(SECOND, send(signal.SIGTERM), lambda: done.append("opened"), SECOND, ticks=True)
    # The block that has come before the signal is judged; no further block is requested.
    assert said_of(source) == ["pushed", "pushed", "gap", "output finished"]
    assert done == ["opened"]


def test_a_second_signal_ends_a_program_that_hangs() -> None:
    signals = iter([send(signal.SIGTERM), send(signal.SIGTERM)])
    with pytest.raises(KeyboardInterrupt):
        said_of(Source(SECOND), Listener(lambda: next(signals)()), Output(lambda: next(signals)()))


def test_signal_handlers_are_restored_at_the_end() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    said_of(Source(SECOND), Listener(send(signal.SIGTERM)))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    # A script's background processes ignore this signal.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        said = said_of(Source(SECOND, SECOND), Listener(send(signal.SIGINT)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert said == ["pushed", "pushed", "finished", "output finished"]
