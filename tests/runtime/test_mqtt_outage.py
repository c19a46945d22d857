"""MQTT when the broker is lost, hangs or never answers: the notices, and the late messages."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from mqtt_cases import Mosquitto, Subscriber
from output_cases import END, SESSION, START, Told, eventually, free_port, result
from support import Run, quickly

from sernet_edge.runtime.outputs import mqtt_link
from sernet_edge.runtime.outputs.mqtt import Mqtt
from sernet_edge.runtime.outputs.mqtt_broker import Broker
from sernet_edge.runtime.records import Event

pytestmark = pytest.mark.programs

SAMPLE = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


def opened(port: int, told: Told) -> Mqtt:
    broker = Broker.from_url(f"mqtt://127.0.0.1:{port}/home/desk")
    return Mqtt(broker, None, SESSION, told, timing=True)


def event(kind: str, number: int) -> Event:
    end_s = None if kind == "start" else number + 0.5
    return Event(kind, number, "anger", float(number), end_s, 0.7)  # type: ignore[arg-type]


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that keeps its clients' sessions across a restart."""
    settings = ("allow_anonymous true", "persistence true", f"persistence_location {tmp_path}/")
    broker = Mosquitto(tmp_path, *settings, "user root")
    broker.start()
    yield broker
    broker.stop()


def events(consumer: Subscriber) -> list[tuple[str, int]]:
    found = [json.loads(payload) for payload in consumer.payloads("home/desk/event")]
    return [(one["kind"], one["id"]) for one in found]


@pytest.mark.slow
def test_events_of_an_outage_arrive_in_their_order_soon_after_it(mosquitto: Mosquitto) -> None:
    told = Told()
    consumer = Subscriber(mosquitto, "consumer")
    with closing(consumer), closing(opened(mosquitto.port, told)) as output:
        eventually(lambda: output._link.is_up, "connected")
        output.write(event("start", 1))
        eventually(lambda: events(consumer) == [("start", 1)], "the first")
        eventually(lambda: not output._events, "acknowledged")
        consumer.say("something", "else")  # then the broker has its acknowledgement, too
        mosquitto.stop(signal.SIGTERM)
        eventually(lambda: told.codes == ["broker-lost"], str(told.texts))
        assert told.texts[0].endswith(f":{mosquitto.port} is gone: it closed the connection")
        output.write(event("end", 1))
        for number in (2, 3):
            output.write(event("start", number))
            output.write(event("end", number))
        output.write(event("start", 4))
        time.sleep(mqtt_link._RETRY_S[1] + 1)  # until the pauses have their full length
        mosquitto.start()
        began_s = time.monotonic()
        eventually(lambda: len(events(consumer)) >= 7, str(consumer.messages))
        assert time.monotonic() - began_s < mqtt_link._RETRY_S[1] + 4
        output.write(event("end", 4))
        eventually(lambda: len(events(consumer)) >= 8, str(consumer.messages))
        assert events(consumer) == [
            (kind, number) for number in (1, 2, 3, 4) for kind in ("start", "end")
        ]
        assert told.texts[-1].endswith("is back; events that waited for it: 6")
        # Late events are marked, so that automations can ignore them.
        late = [json.loads(text).get("late_s") for text in consumer.payloads("home/desk/event")]
        assert late[0] is None and late[7] is None
        assert all(one is not None and 5 < one < 60 for one in late[1:7])


def test_if_there_are_too_many_events_the_oldest_are_dropped_with_their_ends(
    tmp_path: Path,
) -> None:
    told = Told()
    broker = Mosquitto(tmp_path)
    with closing(opened(broker.port, told)) as output:
        for number in range(1, 1001):
            output.write(event("start", number))
            output.write(event("end", number))
        output.write(event("start", 1001))
        assert len(output._events) <= 1000
        kept = [(one.values["kind"], one.values["id"]) for one in output._events]
        whole = [(kind, number) for number in range(502, 1001) for kind in ("start", "end")]
        assert kept == [*whole, ("start", 1001)]
        broker.start()
        eventually(lambda: not output._events, "all are sent")
        assert told.texts[-1].endswith(
            f"is back; events that waited for it: {len(kept)}, dropped: {2001 - len(kept)}"
        )
    broker.stop()


def test_a_broker_that_hangs_is_noticed_and_gets_the_rest_when_it_continues(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_link, "_KEEPALIVE_S", 1)
    told = Told()
    consumer = Subscriber(mosquitto, "consumer")
    with closing(consumer), closing(opened(mosquitto.port, told)) as output:
        eventually(lambda: output._link.is_up, "connected")
        assert mosquitto.process
        mosquitto.process.send_signal(signal.SIGSTOP)
        output.write(event("start", 1))
        output.write(event("end", 1))
        eventually(lambda: told.codes, "lost")
        assert told.texts[0].endswith("is gone: it does not answer any more")
        mosquitto.process.send_signal(signal.SIGCONT)
        # The first event may arrive twice, since the broker could not acknowledge it.
        eventually(lambda: ("end", 1) in events(consumer), str(consumer.messages))
        assert events(consumer) in (
            [("start", 1), ("end", 1)],
            [("start", 1), ("start", 1), ("end", 1)],
        )


@contextmanager
def silent(answer: bytes = b"") -> Iterator[tuple[int, list[socket.socket]]]:
    """A server that accepts every connection, sends `answer`, and then nothing."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            try:
                while True:
                    accepted.append(server.accept()[0])
                    accepted[-1].sendall(answer)
            except OSError:
                pass  # it is closed

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], accepted
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in accepted:
        connection.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    quickly(
        [
            (b"\x20\x02\x00\x03", "it refuses: Server unavailable"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it (does not speak MQTT|accepts .* not answer)"),
            (b"\xff" * 100, "it does not speak MQTT"),
            (b"", "it accepts connections and does not answer"),
            (b"\x20\x00", "it does not speak MQTT"),
        ],
        1,
    ),
    ids=["unavailable", "http", "noise", "nothing", "half a welcome"],
)
def test_a_port_without_a_broker_is_reported_in_plain_words_and_tried_again(
    answer: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_link, "_ANSWER_S", 0.5)
    told = Told()
    with silent(answer) as (port, accepted), closing(opened(port, told)):
        eventually(lambda: len(accepted) >= 3, "tried again")
        assert told.codes == ["broker-lost"]

        assert re.search(f"cannot reach the MQTT broker 127.0.0.1:{port}: {why}$", told.texts[0])


def said(url: str) -> tuple[int, str]:
    """Listen to a short pipe; return the exit code and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "sernet_edge", "listen", "--input", "-", "--quiet", "--mqtt", url],
        input=bytes(2 * 16_000 * 4),
        capture_output=True,
        timeout=60,
    )
    return done.returncode, done.stderr.decode()


def test_tls_to_a_plain_port_is_reported_in_plain_words(mosquitto: Mosquitto) -> None:
    told = said(f"mqtts://127.0.0.1:{mosquitto.port}")[1]
    assert "does not speak TLS on this port; mqtt:// connects without" in told


def test_a_recording_s_results_all_arrive(
    mosquitto: Mosquitto, sernet_edge: Run, tmp_path: Path
) -> None:
    with closing(Subscriber(mosquitto, "consumer")) as consumer:
        done = sernet_edge(
            *("listen", "--input", SAMPLE, "--hop", 0.032, "--json", tmp_path / "a.jsonl"),
            *("--mqtt", f"mqtt://127.0.0.1:{mosquitto.port}/home/desk"),
        )
        assert done.returncode == 0, done.stderr
        consumer.wait_for("home/desk/availability", "offline")
        written = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
        assert len(written) > 300  # more than may wait
        for kind in ("result", "event"):
            published = [json.loads(text) for text in consumer.payloads(f"home/desk/{kind}")]
            assert published == [
                {key: value for key, value in record.items() if key != "utc"}
                for record in written
                if record["type"] == kind
            ]


@pytest.mark.slow
def test_a_recording_that_no_broker_receives_ends_with_an_error(
    sernet_edge: Run, tmp_path: Path
) -> None:
    with silent() as (port, _):
        reasons = {
            port: "it accepts connections and does not answer",
            free_port(): "Connection refused",
        }
        for number, why in reasons.items():
            done = sernet_edge(
                *("listen", "--input", SAMPLE, "--json", tmp_path / f"{number}.jsonl"),
                *("--mqtt", f"mqtt://127.0.0.1:{number}/home/desk"),
            )
            assert done.returncode == 1
            lines = (tmp_path / f"{number}.jsonl").read_text().splitlines()
            written = [json.loads(line)["type"] for line in lines]
            results, found = written.count("result"), written.count("event")
            assert results and found  # the other outputs have everything
            assert f"not delivered: {results} results, {found} events" in done.stderr
            assert why in done.stderr.splitlines()[-1]


def test_a_pipe_that_no_broker_receives_ends_with_a_warning() -> None:
    with silent() as (port, _):
        code, told = said(f"mqtt://127.0.0.1:{port}")
    # A pipe counts as live, so a lost broker is not a failure.
    assert code == 0
    assert "does not answer: nothing was published" in told


def test_an_end_without_a_broker_reports_the_lost_events(tmp_path: Path) -> None:
    told = Told()
    broker = Mosquitto(tmp_path)
    broker.start()
    with closing(opened(broker.port, told)) as output:
        eventually(lambda: output._link.is_up, "connected")
        broker.stop()
        eventually(lambda: told.codes == ["broker-lost"], str(told.texts))
        for record in (START, result(), END):
            output.write(record)
        output.finish()
    assert told.texts[-1] == f"the MQTT broker 127.0.0.1:{broker.port} did not get 2 events"
