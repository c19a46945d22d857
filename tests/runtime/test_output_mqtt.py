"""MQTT and Home Assistant's discovery, against a real mosquitto and a second client."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jinja2
import pytest
from mqtt_cases import Mosquitto, Subscriber
from output_cases import (
    CONTRACT,
    END,
    LABELS,
    LOST,
    SESSION,
    START,
    Told,
    eventually,
    free_port,
    result,
)

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs.home_assistant import discovery, discovery_topic, emotion
from sernet_edge.runtime.outputs.mqtt import Mqtt
from sernet_edge.runtime.outputs.mqtt_broker import Broker

pytestmark = pytest.mark.programs

SAMPLE = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def subscriber(mosquitto: Mosquitto) -> Iterator[Subscriber]:
    with closing(Subscriber(mosquitto)) as client:
        yield client


Open = Callable[..., Mqtt]


@pytest.fixture
def mqtt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open an output with the prefix `home/desk`; it is closed in the end."""
    # Reconnect soon, and don't wait for a broker that hangs.
    monkeypatch.setattr("sernet_edge.runtime.outputs.mqtt_link._RETRY_S", (1.0, 1.0))
    opened: list[Mqtt] = []

    def to(port: int, told: Told, password: str | None = None, user: str = "") -> Mqtt:
        broker = Broker.from_url(f"mqtt://{user}127.0.0.1:{port}/home/desk")
        opened.append(Mqtt(broker, password, SESSION, told, timing=True))
        return opened[-1]

    yield to
    for output in opened:
        output.close()


CONFIG = "homeassistant/device/home_desk/config"


def test_every_record_is_published_as_json(
    mosquitto: Mosquitto, subscriber: Subscriber, mqtt: Open
) -> None:
    told = Told()
    output = mqtt(mosquitto.port, told)
    for record in (result(), START, END, LOST):
        output.write(record)
    assert json.loads(subscriber.wait_for("home/desk/result")) == result().record()
    eventually(lambda: len(subscriber.payloads("home/desk/event")) == 2, "two events")
    events = [json.loads(payload) for payload in subscriber.payloads("home/desk/event")]
    assert events == [START.record(), END.record()]
    assert json.loads(subscriber.wait_for("home/desk/notice")) == LOST.record()
    assert told.codes == []


def test_the_state_is_published_when_the_emotion_changes(
    mosquitto: Mosquitto, subscriber: Subscriber, mqtt: Open
) -> None:
    output = mqtt(mosquitto.port, Told())
    for one in (result(), result(3.5), result(4, sure=False), result(4.5, None), result(5, None)):
        output.write(one)
    eventually(lambda: len(subscriber.payloads("home/desk/result")) == 5, "five results")
    states = [json.loads(payload) for payload in subscriber.payloads("home/desk/state")]
    assert [state["emotion"] for state in states] == ["anger", "unsure", "no speech"]
    assert {k: v for k, v in states[0].items() if k != "emotion"} == result().record()


def test_a_client_that_connects_later_gets_the_device_and_its_state(
    mosquitto: Mosquitto, mqtt: Open, subscriber: Subscriber
) -> None:
    output = mqtt(mosquitto.port, Told())
    output.write(result())
    # Another thread publishes, so wait for its messages.
    for topic in ("home/desk/state", "home/desk/availability", CONFIG):
        subscriber.wait_for(topic)
    with closing(Subscriber(mosquitto)) as late:
        late.wait_for("home/desk/state")
        late.wait_for("home/desk/availability", "online")
        assert json.loads(late.wait_for(CONFIG)) == discovery("home/desk", SESSION, 30)
        assert all(retained for *_, retained in late.messages)
        assert late.payloads("home/desk/result") == []
        output.close()
        late.wait_for("home/desk/availability", "offline")
    with closing(Subscriber(mosquitto)) as later:
        later.wait_for("home/desk/availability", "offline")
        later.wait_for(CONFIG)


def test_discovery_is_published_again_when_home_assistant_has_started(
    mosquitto: Mosquitto, subscriber: Subscriber, mqtt: Open
) -> None:
    output = mqtt(mosquitto.port, Told())
    output.write(result())
    subscriber.wait_for("home/desk/state")
    subscriber.say("homeassistant/status", "offline")
    subscriber.say("homeassistant/status", "online")
    eventually(lambda: len(subscriber.payloads(CONFIG)) == 2, "discovery a second time")
    eventually(lambda: len(subscriber.payloads("home/desk/availability")) == 2, "availability")
    output.write(result(3.5))
    eventually(lambda: len(subscriber.payloads("home/desk/state")) == 2, "the same state again")


# The tests below check the payload against Home Assistant's documentation of MQTT discovery
# (https://www.home-assistant.io/integrations/mqtt/) and of each platform, and against its
# schemas (homeassistant/components/mqtt: schemas.py, sensor.py, binary_sensor.py, event.py).

_COMMON = {
    "platform", "name", "unique_id", "state_topic", "value_template", "icon", "entity_category",
    "device_class",
}  # fmt: skip
_KEYS = {
    "sensor": _COMMON
    | {"expire_after", "options", "state_class", "unit_of_measurement"}
    | {"suggested_display_precision"},
    "binary_sensor": _COMMON | {"expire_after", "payload_on", "payload_off"},
    "event": _COMMON | {"event_types"},
}


def test_the_discovery_payload_follows_home_assistants_documentation() -> None:
    payload = json.loads(json.dumps(discovery("home/desk", SESSION, 30)))
    assert set(payload) == {"device", "origin", "availability_topic", "components"}
    assert payload["device"]["identifiers"] == ["home_desk"]
    assert set(payload["device"]) <= {
        "identifiers", "connections", "name", "manufacturer", "model", "model_id", "serial_number",
        "sw_version", "hw_version", "suggested_area", "via_device", "configuration_url",
    }  # fmt: skip
    assert payload["origin"]["name"]  # required
    assert set(payload["origin"]) <= {"name", "sw_version", "support_url"}
    components = payload["components"]
    for component in components.values():
        assert set(component) <= _KEYS[component["platform"]], component
        assert {"platform", "unique_id", "state_topic"} <= set(component)
        assert component.get("entity_category") in (None, "diagnostic")
        # An entity that is disabled, or is not a measurement, has no statistics.
        if "state_class" in component:
            assert component["state_class"] == "measurement"
            assert component["unit_of_measurement"] in ("%", "dBFS")
    ids = [component["unique_id"] for component in components.values()]
    assert len(set(ids)) == len(ids)
    emotion = components["emotion"]
    # "The `options` can only be used with device_class enum", without the other two fields.
    assert emotion["device_class"] == "enum"
    assert emotion["options"] == [*LABELS, "unsure", "no speech"]
    assert not {"state_class", "unit_of_measurement"} & set(emotion)
    assert components["speech"]["device_class"] == "sound"
    assert components["event"]["event_types"] == list(LABELS)


def rendered(component: dict[str, Any], payload: dict[str, Any]) -> str:
    """Render a payload as Home Assistant does: with Jinja2, and the JSON as `value_json`."""
    template = jinja2.Environment().from_string(component["value_template"])
    return template.render(value=json.dumps(payload), value_json=payload)


def states_of(record: Any, emotion: str = "") -> dict[str, str]:
    components = discovery("home/desk", SESSION, 30)["components"]
    payload = json.loads(json.dumps({"emotion": emotion, **record.record()}))
    topic = {"result": "state"}.get(payload["type"], payload["type"])
    return {
        name: rendered(component, payload)
        for name, component in components.items()
        if component["state_topic"] == f"home/desk/{topic}"
    }


def test_home_assistants_templates_make_states_of_the_payloads() -> None:
    sure = states_of(result(), "anger")
    assert sure["emotion"] == "anger"
    assert sure["speech"] == "ON"
    assert float(sure["level"]) == -24.0
    assert float(sure["score_anger"]) == 64.0
    assert [float(sure[f"score_{label}"]) for label in LABELS[1:]] == [6.0] * 6
    silent = states_of(result(label=None), "no speech")
    assert (silent["speech"], float(silent["score_anger"])) == ("OFF", 0)
    # Without a voice gate it is unknown whether somebody speaks.
    assert states_of(result(speech=None))["speech"] == "None"
    assert json.loads(states_of(START)["event"])["event_type"] == "anger"
    assert states_of(END) == {"event": ""}  # which Home Assistant ignores
    assert states_of(LOST) == {"notice": LOST.text}


def test_a_model_with_the_label_none_reports_whether_somebody_speaks() -> None:
    contract = SESSION.contract.replace(labels=("anger", "neutral", "none"))
    components = discovery("desk", dataclasses.replace(SESSION, contract=contract), 30)[
        "components"
    ]
    assert components["emotion"]["options"] == ["anger", "neutral", "unsure", "no speech"]
    assert components["event"]["event_types"] == ["anger", "neutral"]
    assert components["score_none"]["name"] == "Score none"

    def spoken(label: str | None) -> str:
        return rendered(components["speech"], result(label=label, speech=None).record())

    assert [spoken(label) for label in ("anger", "none", None)] == ["ON", "OFF", "OFF"]
    assert [emotion(result(label=name)) for name in ("anger", "none", None)] == [
        "anger",
        "no speech",
        "no speech",
    ]


def test_arousal_is_a_sensor_in_per_cent() -> None:
    assert float(states_of(result(arousal=0.834))["arousal"]) == 83.4
    assert states_of(result(label=None))["arousal"] == "None"  # which is unknown
    contract = SESSION.contract.replace(labels=("yes", "no"))
    assert (
        "arousal"
        not in discovery("x", dataclasses.replace(SESSION, contract=contract), 30)["components"]
    )


def test_a_label_with_any_characters_makes_a_valid_payload() -> None:
    labels = ("it's", 'a "label"', "{{ 1 }}", "über/+#")
    contract = CONTRACT.replace(labels=labels)
    session = dataclasses.replace(SESSION, contract=contract)
    components = discovery("home/desk", session, 30)["components"]
    scores = {"scores": dict(zip(labels, (0.1, 0.2, 0.3, 0.4), strict=True))}
    found = [
        float(rendered(component, scores))
        for name, component in components.items()
        if name.startswith("score_")
    ]
    assert found == [10.0, 20.0, 30.0, 40.0]


@pytest.mark.parametrize(
    "labels",
    [
        ("害怕", "生气", "高兴"),
        ("страх", "гнев", "радость"),
        ("خوف", "غضب", "فرح"),
        ("für", "fur", "f_r", "f/r", "f r", "f-r", "FUR"),
        ("_", "__", "/", "-", "é", "e", "e\u0301"),
    ],
)
def test_every_label_has_a_sensor_of_its_own_under_its_own_name(labels: tuple[str, ...]) -> None:
    session = dataclasses.replace(SESSION, contract=CONTRACT.replace(labels=labels))
    components = discovery("home/desk", session, 30)["components"]
    scores = {key: item for key, item in components.items() if key.startswith("score_")}
    assert [item["name"] for item in scores.values()] == [f"Score {label}" for label in labels]
    ids = [item["unique_id"] for item in components.values()]
    assert len(set(ids)) == len(ids) == len(labels) + 5
    assert all(re.fullmatch("[a-zA-Z0-9_-]+", name) for name in [*components, *ids])
    assert components["emotion"]["options"] == [*labels, "unsure", "no speech"]


def test_every_prefix_is_a_device_of_its_own() -> None:
    rooms = ("home/厨房", "home/客厅", "home/Küche", "home/Kuche", "home/desk", "home_desk")
    topics = [discovery_topic(room) for room in rooms]
    assert len(set(topics)) == len(rooms)
    # The same at every start: printf 'home/客厅' | sha256sum
    assert topics[1] == "homeassistant/device/home_3b0060f8/config"
    assert topics[4:] == [CONFIG, "homeassistant/device/home_desk_feab18ed/config"]
    for room, topic in zip(rooms, topics, strict=True):
        device = discovery(room, SESSION, 30)["device"]
        assert topic == f"homeassistant/device/{device['identifiers'][0]}/config"
        assert re.fullmatch("[a-zA-Z0-9_-]+", device["identifiers"][0])
        assert device["name"] == room.replace("/", " ")


def test_a_missing_broker_is_reported_and_found_when_it_starts(tmp_path: Path, mqtt: Open) -> None:
    broker, told = Mosquitto(tmp_path), Told()
    output = mqtt(broker.port, told)
    output.write(result())
    assert told.codes == ["broker-lost"]
    assert f"cannot reach the MQTT broker 127.0.0.1:{broker.port}" in told.texts[0]
    assert "Connection refused" in told.texts[0]
    broker.start()
    try:
        eventually(lambda: told.codes == ["broker-lost", "broker-back"], str(told.texts))
        with closing(Subscriber(broker)) as subscriber:
            output.write(result(9))
            assert json.loads(subscriber.wait_for("home/desk/state"))["time_s"] == 9
    finally:
        broker.stop()


def test_a_broker_that_lost_its_data_gets_everything_again(
    mosquitto: Mosquitto, mqtt: Open
) -> None:
    told = Told()
    output = mqtt(mosquitto.port, told)
    for restart in (1, 2):
        mosquitto.stop()
        eventually(lambda n=restart: told.codes.count("broker-lost") == n, str(told.texts))  # type: ignore[misc]
        output.write(result())
        output.write(LOST)
        mosquitto.start()
        eventually(lambda n=restart: told.codes.count("broker-back") == n, str(told.texts))  # type: ignore[misc]
        with closing(Subscriber(mosquitto)) as subscriber:
            output.write(result(10 + restart))
            subscriber.wait_for(CONFIG)
            subscriber.wait_for("home/desk/availability", "online")
            assert json.loads(subscriber.wait_for("home/desk/state"))["time_s"] == 10 + restart
            # Notices from the outage are not sent later.
            assert subscriber.payloads("home/desk/notice") == []


def test_a_lasting_problem_is_reported_once(mqtt: Open) -> None:
    told = Told()
    with socket.create_server(("127.0.0.1", 0)) as server:
        mqtt(server.getsockname()[1], told)
        for _ in range(3):  # it comes again and again
            server.accept()[0].close()
        eventually(lambda: told.codes, "told")
        assert len(told.codes) == 1


def test_a_silent_broker_does_not_delay_the_listener(mqtt: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        output = mqtt(server.getsockname()[1], Told())
        connection, _ = server.accept()
        for index in range(1000):
            output.write(result(index))
        output.close()
        connection.settimeout(60)
        received = b""
        while data := connection.recv(65_536):
            received += data
        connection.close()
    # The client has sent only the request to connect, which contains the will.
    assert received.count(b"home/desk") == received.count(b"home/desk/availability") == 1


def test_a_broker_that_stops_reading_does_not_fill_the_memory(mqtt: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = server.getsockname()[1]
        accepted: list[socket.socket] = []

        def accept() -> None:
            connection, _ = server.accept()
            connection.recv(1024)
            connection.sendall(b"\x20\x02\x00\x00")  # CONNACK: accepted
            accepted.append(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        output = mqtt(port, Told())
        thread.join()
        # The system's own buffers hold a few megabytes.
        for index in range(20_000):
            output.write(result(index))
        for _ in range(1000):
            output.write(LOST)
        waiting = len(output._link._client._out_packet)  # type: ignore[union-attr]
        assert waiting < 1000
        accepted[0].close()


def test_a_wrong_password_is_reported(tmp_path: Path, mqtt: Open) -> None:
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd")
    assert tool
    subprocess.run([tool, "-c", "-b", passwords, "kitchen", "right"], check=True)
    passwords.chmod(0o644)  # mosquitto switches to another user if root starts it
    broker = Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}", "user root")
    broker.start()
    try:
        told = Told()
        mqtt(broker.port, told, "wrong", "kitchen@")
        eventually(lambda: told.codes, "told")
        assert "refuses: Not authorized; check the user and --mqtt-password" in told.texts[0]
        right = Told()
        output = mqtt(broker.port, right, "right", "kitchen@")
        eventually(lambda: output._link.is_up, "connected")
        assert right.codes == []
    finally:
        broker.stop()


def listen(*arguments: object, **variables: str) -> subprocess.Popen[bytes]:
    """Start `listen` on an endless pipe."""
    command = [sys.executable, "-m", "sernet_edge", "listen", "--input", "-", "--json"]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | variables,
    )


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_program_that_ends_or_is_killed_is_offline(
    how: signal.Signals, mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    process = listen("--mqtt", f"mqtt://127.0.0.1:{mosquitto.port}/home/desk")
    assert process.stdin and process.stdout and process.stderr
    process.stdin.write(bytes(2 * 16_000 * 4))
    process.stdin.flush()
    subscriber.wait_for("home/desk/availability", "online")
    subscriber.wait_for("home/desk/result")
    process.send_signal(how)
    subscriber.wait_for("home/desk/availability", "offline")
    assert process.wait(60) == (0 if how is signal.SIGTERM else -how)
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def test_the_password_comes_from_the_environment_and_every_output_reports_a_lost_broker(
    tmp_path: Path,
) -> None:
    port = free_port()
    process = listen(
        "--mqtt",
        f"mqtt://kitchen@127.0.0.1:{port}",
        "--csv",
        tmp_path / "a.csv",
        SERNET_EDGE_LISTEN_MQTT_PASSWORD="secret",
    )
    out, err = process.communicate(bytes(2 * 16_000 * 4), timeout=60)
    assert process.returncode == 0, err
    records = [json.loads(line) for line in out.splitlines()]
    lost = [record for record in records if record.get("code") == "broker-lost"]
    assert len(lost) == 1 and f"127.0.0.1:{port}" in lost[0]["text"]
    assert f"warning: cannot reach the MQTT broker 127.0.0.1:{port}" in err.decode()
    assert b"secret" not in out + err


def test_tls_trusts_the_authorities_of_the_system_or_ssl_cert_file(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-keyout", key, "-out", certificate, "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost"],
        check=True,
        capture_output=True,
    )
    tls = f"certfile {certificate}", f"keyfile {key}", "allow_anonymous true", "user root"
    broker = Mosquitto(tmp_path, *tls)
    broker.start()
    try:
        url = f"mqtts://localhost:{broker.port}/home/desk"
        audio = bytes(2 * 16_000 * 4)
        refused = listen("--mqtt", url).communicate(audio, timeout=60)[1].decode()
        assert "self-signed certificate" in refused and "SSL_CERT_FILE" in refused
        trusted = listen("--mqtt", url, SSL_CERT_FILE=str(certificate))
        assert b"warning" not in trusted.communicate(audio, timeout=60)[1]
    finally:
        broker.stop()


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(SernetError, match=r"paho-mqtt.*pip install 'sernet-edge\[mqtt\]'"):
        Mqtt(Broker.from_url("mqtt://127.0.0.1:1"), None, SESSION, Told(), timing=True)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://pi.local", Broker("pi.local", 1883, False, None, "")),
        ("mqtts://pi.local", Broker("pi.local", 8883, True, None, "")),
        ("mqtt://me%40home@10.0.0.2:99/a/b/", Broker("10.0.0.2", 99, False, "me@home", "a/b")),
        ("mqtt://[::1]:1884/K%C3%BCche", Broker("::1", 1884, False, None, "Küche")),
    ],
)
def test_a_url_is_parsed(url: str, expected: Broker) -> None:
    found = Broker.from_url(url)
    if not expected.prefix:
        assert found.prefix.startswith("sernet-edge/")
        expected = Broker(expected.host, expected.port, expected.tls, None, found.prefix)
    assert found == expected


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "must begin with"),
        ("localhost:1883", "must begin with"),
        ("http://localhost", "must begin with"),
        ("mqtt://", "must name a host"),
        ("mqtt://host:0/a", "port from 1 to 65535"),
        ("mqtt://host:65536/a", "out of range"),
        ("mqtt://host:mqtt/a", "host or port is wrong"),
        ("mqtt://two words/a", "must name a host"),
        (f"mqtt://{'a' * 64}/a", "host or port is wrong"),
        ("mqtt://[::1/a", "IPv6"),
        ("mqtt://me:secret@host/a", "--mqtt-password"),
        ("mqtt://host/a?b=c", "follow the prefix"),
        ("mqtt://host/a/+", "wildcards"),
        ("mqtt://host/a/%23", "wildcards"),
        ("mqtt://host/a//b", "empty levels"),
        ("mqtt://host/$SYS", "wildcards"),
        ("mqtt://host/%00", "wildcards"),
        ("mqtt://host/homeassistant/x", "Home Assistant's own"),
    ],
)
def test_a_bad_url_is_refused_with_the_reason(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as raised:
        Broker.from_url(url)
    assert "secret" not in str(raised.value)
