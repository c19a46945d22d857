"""Records over MQTT, with discovery by Home Assistant."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs import home_assistant
from sernet_edge.runtime.outputs.fan_out import Tell
from sernet_edge.runtime.outputs.mqtt_broker import Broker
from sernet_edge.runtime.outputs.mqtt_link import Link
from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.records import Event, Record, Result

_MAX_EVENTS = 1000
"""Most events that wait for a lost broker; if there are more, the oldest are dropped."""

_MAX_UNSENT = 100
"""Most other messages that wait for a slow broker; further ones are dropped."""

_LATE_S = 5.0
"""An event that waited longer has `late_s`."""

_STATE_S = 5.0
"""Time between two states of the same emotion; Home Assistant stores every state it gets."""

_FIRST_WAIT_S = 1.0
"""How long the start waits for the connection, so that the first results are not lost."""

_LAST_WAIT_S = 2.0
"""How long the end waits for a connected broker to take the last messages."""

_PATIENCE_S = 10.0
"""How long a recording, which must lose no result, waits for a broker that takes no messages."""


@dataclass
class _Message:
    """A message that waits to be sent.

    Attributes:
        kind: The record's type, or "state": a result in the form for Home Assistant.
        payload: JSON.
        qos: 0, or 1 for messages that must arrive: a duplicate is better than a loss.
        retain: Whether the broker stores it for clients that connect later.
    """

    kind: str
    payload: str
    qos: int
    retain: bool = False


@dataclass
class _QueuedEvent:
    """An event that waits to be sent, and since when, by the monotonic clock."""

    values: dict[str, Any]
    since_s: float


class Mqtt:
    """Publishes every record, and a state for Home Assistant.

    `PREFIX/result`, `PREFIX/event` and `PREFIX/notice` get the records as JSON. `PREFIX/state` gets
    the latest result, with what Home Assistant shows, when the emotion changes or after some
    seconds. `PREFIX/availability` is "online", or "offline" when the program or its network is
    gone. The last two are retained.

    Events wait for a lost broker. They are then sent in order, each after the broker has
    acknowledged the one before, so a start always arrives before its end. Live results and notices
    don't wait. A recording's do, and `finish` fails if they are not delivered.
    """

    def __init__(
        self, broker: Broker, password: str | None, session: Session, tell: Tell, timing: bool
    ) -> None:
        """Begin to connect.

        Args:
            broker: The broker.
            password: Password of the broker's user.
            session: The source and the model.
            tell: Called when the broker is lost, and when it is back.
            timing: Whether the records contain computing times.

        Raises:
            SernetError: paho-mqtt is not installed.
        """
        self._broker = broker
        self._tell = tell
        self._timing = timing
        self._recorded = not session.live
        self._discovery_topic = home_assistant.discovery_topic(broker.prefix)
        self._discovery = json.dumps(
            home_assistant.discovery(broker.prefix, session, _expire_s(session.hop_s))
        )
        self._emotion = ""
        self._state_due_s = 0.0
        # Guards the fields below. Don't call paho-mqtt while holding it.
        self._changed = threading.Condition()
        self._events: deque[_QueuedEvent] = deque()
        self._sent_event: int | None = None  # message number of the first event, once it is sent
        self._others: deque[_Message] = deque()
        self._lost: Counter[str] = Counter()
        self._troubles: list[str] = []
        self._was_up = False
        self._progress_s = time.monotonic()

        self._link = Link(broker, password, self)
        self._link.start((self._topic("availability"), "offline"), home_assistant.STATUS_TOPIC)
        self._link.tried.wait(_FIRST_WAIT_S)

    def write(self, record: Record) -> None:
        """Queue a record for the sending thread; drop a live result if there is no broker."""
        values = record.record(self._timing)
        if isinstance(record, Event):
            self._queue(values)
        elif self._recorded or self._link.is_up:
            text = json.dumps(values)
            self._put(_Message(values["type"], text, 0 if isinstance(record, Result) else 1))
            if isinstance(record, Result):
                self._put_state(home_assistant.emotion(record), values)
        self._link.wake()

    def finish(self) -> None:
        """Wait until the broker has everything; report what it does not have.

        Raises:
            SernetError: A recording's records were not delivered.
        """
        with self._changed:
            if self._recorded:
                self._wait(lambda: not self._events and not self._others, _PATIENCE_S)
            elif self._link.is_up:
                self._progress_s = time.monotonic()
                self._wait(lambda: not self._events, _LAST_WAIT_S)
            missing = self._lost.copy()
            missing["event"] += len(self._events)
            if self._recorded or not self._was_up:
                missing.update(message.kind for message in self._others)
            why = self._troubles[-1] if self._troubles else f"{self._broker} does not answer"
            never = not self._was_up and not self._troubles
        what = _listed(missing)
        if self._recorded and what:
            raise SernetError(
                f"not delivered: {what}; {why}",
                "when the broker is there, run this again; `sernet-edge doctor` tries a broker",
            )
        if what:
            self._tell("broker-missed", f"{self._broker} did not get {what}")
        elif never:
            self._tell("broker-lost", f"{why}: nothing was published")

    def close(self) -> None:
        """Send the last messages, and disconnect."""
        with self._changed:
            if self._link.is_up and not self._recorded:
                self._progress_s = time.monotonic()
                self._wait(lambda: not self._others, _LAST_WAIT_S)
        self._link.close()

    def _queue(self, values: dict[str, Any]) -> None:
        with self._changed:
            if len(self._events) >= _MAX_EVENTS:
                self._drop_oldest_event()
            self._events.append(_QueuedEvent(values, time.monotonic()))

    def _drop_oldest_event(self) -> None:
        """Drop the oldest event that is not being sent: its start and its end together."""
        for index, event in enumerate(self._events):
            if event.values["kind"] == "start" and (index or self._sent_event is None):
                number = event.values["id"]
                kept = [one for one in self._events if one.values["id"] != number]
                self._lost["event"] += len(self._events) - len(kept)
                self._events = deque(kept)
                return

    def _put_state(self, emotion: str, values: dict[str, Any]) -> None:
        now_s = time.monotonic()
        if emotion != self._emotion or now_s >= self._state_due_s:
            self._emotion = emotion
            self._state_due_s = now_s + _STATE_S
            text = json.dumps({"emotion": emotion, **values})
            self._put(_Message("state", text, 0, retain=True))

    def _put(self, message: _Message) -> None:
        """Queue a message; drop it if too many wait."""
        with self._changed:
            has_room = len(self._others) < _MAX_UNSENT
            if not has_room and self._recorded:
                self._link.wake()
                has_room = self._wait(lambda: len(self._others) < _MAX_UNSENT, _PATIENCE_S)
            if has_room:
                self._others.append(message)
            elif self._recorded:
                self._lost[message.kind] += 1

    def _wait(self, done: Callable[[], bool], patience_s: float) -> bool:
        """Wait while the broker takes messages; return whether `done` became true."""
        while not done():
            left_s = self._progress_s + patience_s - time.monotonic()
            if left_s <= 0:
                return False
            self._changed.wait(left_s)
        return True

    def _topic(self, name: str) -> str:
        return f"{self._broker.prefix}/{name}"

    # The link calls the methods below, in its thread.

    def up(self) -> None:
        """Announce the device to Home Assistant, and report that the broker is back."""
        self._introduce()
        with self._changed:
            waiting, lost = len(self._events), self._lost["event"]
            was_away, self._troubles = bool(self._troubles), []
            self._was_up = True
            self._progress_s = time.monotonic()
            if not self._recorded:
                self._lost.clear()
        if was_away:
            late = f"; events that waited for it: {waiting}" if waiting else ""
            late += f", dropped: {lost}" if lost else ""
            self._tell("broker-back", f"{self._broker} is back{late}", "info")

    def trouble(self, text: str) -> None:
        """Report each trouble once, until the broker is back."""
        with self._changed:
            is_new = text not in self._troubles
            if is_new:
                self._troubles.append(text)
            self._sent_event = None  # it may not have arrived, so send it again
            if not self._recorded:
                self._others.clear()
            self._changed.notify_all()
        if is_new:
            self._tell("broker-lost", text)

    def fill(self) -> None:
        """Publish queued messages as long as the broker takes them."""
        while self._link.is_free:
            with self._changed:
                event = self._events[0] if self._events and self._sent_event is None else None
                message = self._others.popleft() if self._others and event is None else None
                if message is not None:
                    self._progress_s = time.monotonic()
                    self._changed.notify_all()
            if event is not None:
                text = json.dumps(event.values | _lateness(event))
                number = self._link.publish(self._topic("event"), text, 1)
                with self._changed:
                    self._sent_event = number
            elif message is not None:
                topic = self._topic(message.kind)
                self._link.publish(topic, message.payload, message.qos, message.retain)
            else:
                return

    def acknowledged(self, number: int) -> None:
        """Send the next event once the broker has acknowledged the last."""
        with self._changed:
            if number == self._sent_event:
                self._sent_event = None
                self._events.popleft()
                self._progress_s = time.monotonic()
                self._changed.notify_all()

    def heard(self, payload: bytes) -> None:
        """Announce the device to a Home Assistant that has just started."""
        if payload == b"online":
            self._introduce()

    def _introduce(self) -> None:
        """Send the device's description, and make the next state due at once."""
        self._link.publish(self._discovery_topic, self._discovery, qos=1, retain=True)
        self._link.publish(self._topic("availability"), "online", qos=1, retain=True)
        self._state_due_s = 0.0


def _lateness(event: _QueuedEvent) -> dict[str, float]:
    late_s = time.monotonic() - event.since_s
    return {"late_s": round(late_s, 1)} if late_s > _LATE_S else {}


def _listed(missing: Counter[str]) -> str:
    """Return how many records of each kind are missing; a state is not a record of its own."""
    counts = [(missing[kind], kind) for kind in ("result", "event", "notice") if missing[kind] > 0]
    return ", ".join(f"{n} {kind}{'' if n == 1 else 's'}" for n, kind in counts)


def _expire_s(hop_s: float) -> int:
    """Return after how many seconds without a state the results have stopped."""
    return round(6 * max(hop_s, _STATE_S))
