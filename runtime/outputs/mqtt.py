"""MQTT, with discovery by Home Assistant.

Needs paho-mqtt (the extra `mqtt`), which connects, and connects again, in a thread of its own.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs import home_assistant
from sernet_edge.runtime.outputs.fan_out import Tell
from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.records import Record, Result

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
    from paho.mqtt.reasoncodes import ReasonCode

_KEEPALIVE_S = 30
"""A broker that hangs is noticed after this long, or twice as long."""

_RETRY_S = (1, 60)
"""The first pause before another attempt to connect, and the longest."""

_MAX_UNSENT = 100
"""Messages that may wait for a broker that reads slowly; more are dropped."""

_STATE_S = 5.0
"""Home Assistant keeps every state it gets; so often it gets one while the emotion stays."""

_FIRST_WAIT_S = 1.0
"""How long the start waits to be connected, so that a short recording's results find a broker."""

_LAST_WAIT_S = 2.0
"""How long the end waits for the broker."""


@dataclass(frozen=True)
class Broker:
    """Where messages go.

    Attributes:
        host: Name or address.
        port: TCP port.
        tls: Whether to encrypt.
        user: To log in as; None for a broker that asks for nothing.
        prefix: What all topics begin with.
    """

    host: str
    port: int
    tls: bool
    user: str | None
    prefix: str

    @classmethod
    def from_url(cls, url: str) -> Broker:
        """Take `mqtt[s]://[user@]host[:port][/prefix]` apart.

        Without a prefix it is `sernet-edge/` and the name of this machine, so that two of them
        at one broker are two devices.

        Raises:
            ValueError: It is something else; says what.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts"):
            raise ValueError("it must begin with mqtt:// or mqtts://")
        if parts.password is not None:
            raise ValueError("it must not hold a password; --mqtt-password says where to put it")
        if parts.query or parts.fragment:
            raise ValueError("nothing may follow the prefix")
        host = parts.hostname or ""
        try:
            port = parts.port
            # What a socket does to a name before it looks it up.
            host.encode("idna")
        except ValueError as error:
            raise ValueError(f"its host or port is wrong: {error}") from error
        if not re.fullmatch(r"[^\s/@]+", host) or port == 0:
            raise ValueError("it must name a host, and a port from 1 to 65535 if any")
        prefix = unquote(parts.path).strip("/") or f"sernet-edge/{_machine()}"
        if re.search(r"[+#\x00-\x1f\x7f]|//|^\$", prefix) or len(prefix) > 200:
            raise ValueError("its prefix must be a topic without wildcards or empty levels")
        if prefix.split("/")[0] == "homeassistant":
            raise ValueError("its prefix must not lie in Home Assistant's own topics")
        tls = parts.scheme == "mqtts"
        user = unquote(parts.username) if parts.username else None
        return cls(host, port or (8883 if tls else 1883), tls, user, prefix)

    def __str__(self) -> str:
        """Return what to call it in a message."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the MQTT broker {host}:{self.port}"


class Mqtt:
    """Publishes every record, and a state for Home Assistant.

    `PREFIX/result`, `PREFIX/event` and `PREFIX/notice` get the records as JSON. `PREFIX/state`
    has the latest result, with what Home Assistant is to show, when that has changed or some
    seconds have passed. `PREFIX/availability` is "online", or "offline" when the program or its
    network is gone. The last two are retained. A broker that was away learns the present, not
    what it missed.
    """

    def __init__(
        self, broker: Broker, password: str | None, session: Session, tell: Tell, timing: bool
    ) -> None:
        """Begin to connect.

        Args:
            broker: Where to.
            password: Of the broker's user.
            session: What is heard, and with which model.
            tell: Is told when the broker is lost, and when it is back.
            timing: Whether the records hold computing times.

        Raises:
            SernetError: paho-mqtt is not installed.
        """
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ModuleNotFoundError as error:
            raise SernetError(
                "--mqtt needs the Python package 'paho-mqtt'",
                hint="pip install 'sernet-edge[mqtt]'",
            ) from error
        self._broker = broker
        self._tell = tell
        self._timing = timing
        self._discovery_topic = home_assistant.discovery_topic(broker.prefix)
        self._discovery = json.dumps(
            home_assistant.discovery(broker.prefix, session, _expire_s(session.hop_s))
        )
        self._troubles: set[str] = set()
        self._tried = threading.Event()
        self._emotion = ""
        self._state_due_s = 0.0
        self._unsent = 0
        self._unsent_lock = threading.Lock()

        self._client: Client = Client(CallbackAPIVersion.VERSION2)
        self._client.max_queued_messages_set(_MAX_UNSENT)
        self._client.reconnect_delay_set(*_RETRY_S)
        self._client.will_set(f"{broker.prefix}/availability", "offline", qos=1, retain=True)
        if broker.user is not None:
            self._client.username_pw_set(broker.user, password)
        if broker.tls:
            self._client.tls_set()
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.connect_async(broker.host, broker.port, _KEEPALIVE_S)
        self._client.loop_start()
        self._tried.wait(_FIRST_WAIT_S)

    def write(self, record: Record) -> None:
        """Hand a record to the thread that sends, or drop it where there is no broker."""
        if not self._client.is_connected() or self._unsent >= _MAX_UNSENT:
            return
        values = record.record(self._timing)
        if not isinstance(record, Result):
            # Once or twice is better than never for what happens once.
            self._publish(values["type"], json.dumps(values), qos=1)
            return
        self._publish("result", json.dumps(values))
        emotion = home_assistant.emotion(record)
        now_s = time.monotonic()
        if emotion != self._emotion or now_s >= self._state_due_s:
            self._emotion = emotion
            self._state_due_s = now_s + _STATE_S
            self._publish("state", json.dumps({"emotion": emotion, **values}), retain=True)

    def finish(self) -> None:
        """Add nothing: subscribers see "offline"."""

    def close(self) -> None:
        """Say goodbye, if the broker listens."""
        if self._client.is_connected():
            goodbye = self._publish("availability", "offline", qos=1, retain=True)
            with suppress(RuntimeError, ValueError):  # it is gone, or has not read for long
                goodbye.wait_for_publish(_LAST_WAIT_S)
        self._client.disconnect()
        # It may wait for a name server or a broker that hangs; then it ends with the process.
        stop = threading.Thread(target=self._client.loop_stop, daemon=True)
        stop.start()
        stop.join(_LAST_WAIT_S)

    def _publish(
        self, name: str, payload: str, qos: int = 0, retain: bool = False
    ) -> MQTTMessageInfo:
        """Send to a topic that `name` ends, or is the whole of if it has levels."""
        topic = name if "/" in name else f"{self._broker.prefix}/{name}"
        with self._unsent_lock:
            self._unsent += 1
        return self._client.publish(topic, payload, qos, retain)

    def _introduce(self) -> None:
        """Tell Home Assistant what there is, and soon how it is."""
        self._publish(self._discovery_topic, self._discovery, qos=1, retain=True)
        self._publish("availability", "online", qos=1, retain=True)
        self._state_due_s = 0.0

    def _trouble(self, text: str) -> None:
        """Tell each trouble once, until the broker is back."""
        if text not in self._troubles:
            self._troubles.add(text)
            self._tell("broker-lost", text)

    # What follows is called by paho-mqtt, in its thread.

    def _on_connect(
        self, client: Client, data: object, flags: object, reason: ReasonCode, more: object
    ) -> None:
        if reason.is_failure:
            self._trouble(f"{self._broker} refuses: {reason}; check the user and --mqtt-password")
        else:
            with self._unsent_lock:
                self._unsent = 0
            client.subscribe(home_assistant.STATUS_TOPIC)
            self._introduce()
            if self._troubles:
                self._tell("broker-back", f"{self._broker} is back", "info")
                self._troubles.clear()
        self._tried.set()

    def _on_connect_fail(self, client: Client, data: object) -> None:
        import ssl

        error = sys.exception()  # paho-mqtt calls this where it has caught it
        why = getattr(error, "strerror", None) or error
        if isinstance(error, ssl.SSLCertVerificationError):
            why = f"{error.verify_message}; SSL_CERT_FILE may name the authority to trust"
        self._trouble(f"cannot reach {self._broker}: {why}")
        self._tried.set()

    def _on_disconnect(
        self, client: Client, data: object, flags: object, reason: ReasonCode, more: object
    ) -> None:
        if reason.is_failure and not self._troubles:
            self._trouble(f"{self._broker} is gone: {reason}")

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        if message.payload == b"online":
            self._introduce()

    def _on_publish(
        self, client: Client, data: object, number: int, reason: object, more: object
    ) -> None:
        with self._unsent_lock:
            self._unsent -= 1


def _expire_s(hop_s: float) -> int:
    """Return how many seconds without a state mean that no results come any more."""
    return round(6 * max(hop_s, _STATE_S))


def _machine() -> str:
    """Return this machine's name, without what a topic must not have."""
    return re.sub(r"[^\w.-]", "_", socket.gethostname().partition(".")[0]) or "unnamed"
