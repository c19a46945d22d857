"""A connection to an MQTT broker, in a thread of its own, which reconnects after every loss.

It needs paho-mqtt (the extra `mqtt`), but not paho-mqtt's thread: that one reports every loss as
"Unspecified error", waits forever for a broker that accepts a connection and sends nothing, and
sends the messages of an outage out of order.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs.mqtt_broker import Broker

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage, SocketLike
    from paho.mqtt.reasoncodes import ReasonCode

_KEEPALIVE_S = 30
"""Interval of pings; a broker that hangs is noticed after one or two of them."""

_ANSWER_S = 5.0
"""How long a broker may take to answer the login."""

_RETRY_S = (1.0, 5.0)
"""The first pause before another attempt to connect, and the longest."""

_REFUSED_S = 30.0
"""The pause after a refused login: a broker may lock out clients that try often."""

_LAST_WAIT_S = 2.0
"""How long `close` waits for the broker."""

# Login refusals of MQTT 3.1.1, which paho-mqtt reports with MQTT 5's numbers.
_BAD_LOGIN = (134, 135)

# Reasons for the end of a connection, with MQTT 5's numbers.
_WHY = {130: "it does not speak MQTT", 141: "it does not answer any more"}


class LinkUser(Protocol):
    """The user of a link. All methods are called in the link's thread."""

    def up(self) -> None:
        """Called when the broker has accepted the login."""

    def trouble(self, text: str) -> None:
        """Called when the broker cannot be reached, refuses the login or is gone."""

    def fill(self) -> None:
        """Publish queued messages as long as `Link.is_free`."""

    def acknowledged(self, number: int) -> None:
        """Called when the broker has acknowledged a message with QoS 1."""

    def heard(self, payload: bytes) -> None:
        """Called with a message of the subscribed topic."""


class Link:
    """The connection.

    Attributes:
        is_up: Whether the broker has accepted the login, and the connection is not known to be
            lost.
        tried: Set after the first attempt to connect, whether it succeeded or not.
    """

    def __init__(self, broker: Broker, password: str | None, user: LinkUser) -> None:
        """Prepare the connection; `start` opens it.

        Args:
            broker: The broker.
            password: Password of the broker's user.
            user: The object to call.

        Raises:
            SernetError: paho-mqtt is not installed.
        """
        try:
            import paho.mqtt.client  # noqa: F401
        except ModuleNotFoundError as error:
            raise SernetError(
                "--mqtt needs the Python package 'paho-mqtt'",
                hint="pip install 'sernet-edge[mqtt]'",
            ) from error
        self.is_up = False
        self.tried = threading.Event()
        self._broker = broker
        self._password = password
        self._user = user
        self._will: tuple[str, str] | None = None
        self._topic: str | None = None
        self._tls = ssl.create_default_context() if broker.tls else None
        self._client: Client | None = None
        self._why = ""
        self._is_refused = False
        self._goodbye: int | None = None
        self._closing = threading.Event()
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._wake_w.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self, will: tuple[str, str] | None = None, topic: str | None = None) -> None:
        """Begin to connect.

        Args:
            will: Topic and payload of a retained message that says that this program is gone.
            topic: Topic to subscribe to.
        """
        self._will, self._topic = will, topic
        self._thread.start()

    def wake(self) -> None:
        """Make the thread call `LinkUser.fill` soon; any thread may call this."""
        with suppress(BlockingIOError, OSError):  # a wake-up is already pending, or it is closed
            self._wake_w.send(b"\0")

    @property
    def is_free(self) -> bool:
        """Whether the broker keeps up with the published messages."""
        return self._client is not None and self.is_up and not self._client.want_write()

    def publish(self, topic: str, payload: str, qos: int = 0, retain: bool = False) -> int:
        """Send a message, in the link's thread; return its number."""
        assert self._client is not None
        return self._client.publish(topic, payload, qos, retain).mid

    def close(self) -> None:
        """Publish the will, disconnect, and end the thread."""
        self._closing.set()
        self.wake()
        if self._thread.ident is not None:
            # The thread may wait for a name server that hangs; then it ends with the process.
            self._thread.join(2 * _LAST_WAIT_S)

    def _run(self) -> None:
        pause_s = _RETRY_S[0]
        while not self._closing.is_set():
            self._is_refused, self._why = False, ""
            was_up = self._connect_and_serve()
            self.is_up = False
            self.tried.set()
            pause_s = _RETRY_S[0] if was_up else min(2 * pause_s, _RETRY_S[1])
            self._closing.wait(max(pause_s, _REFUSED_S) if self._is_refused else pause_s)
        self._wake_r.close()
        self._wake_w.close()

    def _connect_and_serve(self) -> bool:
        """Connect, and serve until the connection ends; return whether the login succeeded."""
        try:
            self._client = self._new_client()
            self._client.reconnect()
            self._serve(self._client)
        except OSError as error:
            self._why = _reason(error, self._broker)
        except Exception:  # noqa: BLE001 - paho-mqtt raises anything on bytes that are not MQTT
            self._why = _WHY[130]
        finally:
            if self._client is not None and (left := self._client.socket()) is not None:
                left.close()
        was_up = self.is_up
        if not self._closing.is_set() and not self._is_refused:
            if was_up:
                told = f"{self._broker} is gone: {self._why or 'it closed the connection'}"
            else:
                told = f"cannot reach {self._broker}: {self._why or _closed(self._broker)}"
            self.is_up = False
            self._user.trouble(told)
        return was_up

    def _new_client(self) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        # A new client each time: an old one would send its earlier messages again, out of order.
        client = Client(CallbackAPIVersion.VERSION2)
        if self._will is not None:
            client.will_set(*self._will, qos=1, retain=True)
        if self._broker.user is not None:
            client.username_pw_set(self._broker.user, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.connect_async(self._broker.host, self._broker.port, _KEEPALIVE_S)
        return client

    def _serve(self, client: Client) -> None:
        """Pass messages until the connection ends."""
        answer_due_s = time.monotonic() + _ANSWER_S
        end_s = float("inf")
        while (connection := client.socket()) is not None:
            now_s = time.monotonic()
            if self._closing.is_set() and end_s == float("inf"):
                end_s = now_s + _LAST_WAIT_S
                if self.is_up and self._will is not None:
                    self._goodbye = self.publish(*self._will, qos=1, retain=True)
                else:
                    end_s = now_s
            if now_s >= end_s:
                client.disconnect()
                return
            if self.is_up:
                self._user.fill()
            elif now_s >= answer_due_s:
                self._why = "it accepts connections and does not answer"
                return
            self._wait(client, connection)
            if self._goodbye is not None and self._goodbye < 0:  # the will was acknowledged
                client.disconnect()
                return

    def _wait(self, client: Client, connection: SocketLike) -> None:
        """Wait for something to do, a second at most, and do it."""
        readers: list[SocketLike | socket.socket] = [connection, self._wake_r]
        writers = [connection] if client.want_write() else []
        pending = getattr(connection, "pending", lambda: 0)()  # bytes that TLS has decrypted
        readable, writable, _ = select.select(
            readers,
            writers,
            [],
            0 if pending else 0.2 if self._closing.is_set() else 1.0,
        )
        if self._wake_r in readable:
            self._wake_r.recv(4096)
        if connection in readable or pending:
            client.loop_read()
        if connection in writable:
            client.loop_write()
        client.loop_misc()

    # paho-mqtt calls the methods below, within `_wait` or `publish`.

    def _on_connect(
        self, client: Client, data: object, flags: object, reason: ReasonCode, more: object
    ) -> None:
        if reason.is_failure:
            self._is_refused = reason.value in _BAD_LOGIN
            if self._is_refused:
                todo = "check the user and --mqtt-password"
                if self._broker.user is None:
                    todo = "it wants a user: --mqtt mqtt://USER@HOST, with --mqtt-password"
                self._user.trouble(f"{self._broker} refuses: {reason}; {todo}")
            else:
                self._why = f"it refuses: {reason}"
        else:
            self.is_up = True
            if self._topic is not None:
                client.subscribe(self._topic)
            self._user.up()
            self.tried.set()

    def _on_disconnect(
        self, client: Client, data: object, flags: object, reason: ReasonCode, more: object
    ) -> None:
        self._why = self._why or _WHY.get(reason.value, "")

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        self._user.heard(bytes(message.payload))

    def _on_publish(
        self, client: Client, data: object, number: int, reason: object, more: object
    ) -> None:
        if number == self._goodbye:
            self._goodbye = -1
        self._user.acknowledged(number)


def check(broker: Broker, password: str | None) -> None:
    """Connect and log in once.

    Raises:
        SernetError: The connection or the login fails; says why.
    """
    asked = _Asked()
    link = Link(broker, password, asked)
    link.start()
    tried = link.tried.wait(2 * _ANSWER_S)
    reached = link.is_up
    link.close()
    if not reached:
        told = asked.troubles[0] if tried and asked.troubles else f"cannot reach {broker}"
        raise SernetError(told, "check that the broker runs, its address, and the login")


class _Asked:
    """Stores the troubles that the link reports."""

    def __init__(self) -> None:
        self.troubles: list[str] = []

    def up(self) -> None:
        pass

    def trouble(self, text: str) -> None:
        self.troubles.append(text)

    def fill(self) -> None:
        pass

    def acknowledged(self, number: int) -> None:
        pass

    def heard(self, payload: bytes) -> None:
        pass


def _reason(error: OSError, broker: Broker) -> str:
    """Return why the connection failed, in plain words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message}; SSL_CERT_FILE may name the authority to trust"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, ssl.SSLError) or (broker.tls and isinstance(error, ConnectionResetError)):
        return "it does not speak TLS on this port; mqtt:// connects without"
    return error.strerror or str(error)


def _closed(broker: Broker) -> str:
    """Return a likely reason for a connection that was closed before the login was answered."""
    hint = "" if broker.tls else ", or does the port want mqtts://"
    return f"it closed the connection before it answered; is this an MQTT port{hint}?"
