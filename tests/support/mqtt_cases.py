"""A real MQTT broker, and a second client for the tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

from output_cases import eventually, free_port
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion


class Mosquitto:
    """A broker that tests can stop and start again; it does not write to the disk."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self.config = folder / "mosquitto.conf"
        listener = f"listener {self.port} 127.0.0.1"
        self.config.write_text("\n".join([listener, *(settings or ["allow_anonymous true"]), ""]))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # Debian's folder for it is only on root's path.
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "the Debian package mosquitto is needed"
        self.process = subprocess.Popen(
            [program, "-c", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._accepts, "mosquitto does not start")

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True


class Subscriber:
    """A second client, such as Home Assistant.

    If the client has a name, a broker with sessions keeps its messages while it is offline.
    """

    def __init__(self, broker: Mosquitto, name: str = "") -> None:
        self.messages: list[tuple[str, str, bool]] = []
        subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, name, clean_session=not name)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.messages.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        self._client.subscribe("#", qos=1)
        assert subscribed.wait(60)

    def payloads(self, topic: str) -> list[str]:
        return [payload for name, payload, _ in list(self.messages) if name == topic]

    def wait_for(self, topic: str, payload: str | None = None) -> str:
        """Return a topic's last payload, or wait until it is `payload`."""

        def there() -> bool:
            return bool(found := self.payloads(topic)) and payload in (None, found[-1])

        eventually(there, f"{topic} {payload}: {self.messages}")
        return self.payloads(topic)[-1]

    def say(self, topic: str, payload: str) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(60)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
