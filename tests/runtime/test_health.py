"""The data for monitoring programs: status, state, Prometheus's text."""

from __future__ import annotations

import dataclasses
import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from output_cases import CONTRACT, END, LOST, SESSION, START, Told, result

from sernet_edge.runtime.outputs.health import Health, memory_bytes
from sernet_edge.runtime.outputs.prometheus import prometheus
from sernet_edge.runtime.outputs.web import Web
from sernet_edge.runtime.outputs.web_access import Address
from sernet_edge.runtime.records import Notice

BACK = Notice("device-back", "the microphone is back", 9.0, "info")


class Clock:
    """A clock that a test sets."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(SESSION, timing=True, clock=clock)


def test_the_status_is_starting_then_ok_then_stale(health: Health, clock: Clock) -> None:
    assert health.summary() == {"status": "starting", "age_s": None}
    health.put(result(3.0))
    clock.now_s += 3.0
    assert health.summary() == {"status": "ok", "age_s": 3.0}
    clock.now_s += 0.1
    assert health.status == "stale"


def test_with_a_long_hop_a_listener_is_stale_later(clock: Clock) -> None:
    health = Health(dataclasses.replace(SESSION, hop_s=4.0), timing=True, clock=clock)
    health.put(result(3.0))
    clock.now_s += 5.9
    assert health.status == "ok"
    clock.now_s += 0.2
    assert health.status == "stale"


def test_a_recording_is_never_stale(clock: Clock) -> None:
    health = Health(dataclasses.replace(SESSION, live=False), timing=True, clock=clock)
    health.put(result(3.0))
    clock.now_s += 1000
    assert health.status == "ok"


def test_a_microphone_that_is_gone_is_lost_until_it_is_back(health: Health) -> None:
    health.put(result(3.0))
    health.put(LOST)
    assert health.status == "lost"
    assert health.record()["lost"] == ["device"]
    health.put(BACK)
    assert (health.status, health.record()["lost"]) == ("ok", [])


def test_a_lost_broker_is_in_the_state_and_the_status_stays_ok(health: Health) -> None:
    health.put(result(3.0))
    health.put(Notice("broker-lost", "no answer", 4.0, "warning"))
    assert (health.status, health.record()["lost"]) == ("ok", ["broker"])


def test_the_state_counts_each_kind_of_record(health: Health) -> None:
    for record in (
        result(3.0, clipped=7),
        result(3.5, sure=False, clipped=1),
        result(4.0, None),
        START,
        LOST,
    ):
        health.put(record)
    state = health.record()
    assert state["results"] == {"anger": 2, "no speech": 1}
    assert (state["unsure"], state["clipped"]) == (1, 8)
    assert (state["events"], state["running"]) == ({"anger": 1}, ["anger"])
    assert state["notices"] == {"device-lost": 1}
    assert state["result"] == result(4.0, None).record()
    assert (state["model"], state["contract"]) == (SESSION.model, CONTRACT.id)
    health.put(END)
    assert health.record()["running"] == []
    assert json.loads(json.dumps(state)) == state


def test_computing_times_are_left_out_without_timing(clock: Clock) -> None:
    health = Health(SESSION, timing=False, clock=clock)
    health.put(result(3.0))
    assert "inference_ms" not in health.record()["result"]
    assert "inference" not in prometheus(health.record())


def test_memory_is_the_system_s_figure() -> None:
    with open("/proc/self/status") as file:
        told = re.search(r"VmRSS:\s+(\d+) kB", file.read())
    assert told
    assert memory_bytes() == pytest.approx(int(told[1]) * 1024, rel=0.1)


# The grammar of https://prometheus.io/docs/instrumenting/exposition_formats/.
_COMMENT = re.compile(r"# (?:HELP ([a-z_]+) .+|TYPE ([a-z_]+) (?:counter|gauge))")
_PAIR = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE = re.compile(rf"([a-z_]+)(\{{{_PAIR}(?:,{_PAIR})*\}})? (-?[0-9.]+(?:e[+-][0-9]+)?)")


def test_prometheus_text_follows_its_grammar(health: Health) -> None:
    odd = dataclasses.replace(SESSION, source='USB "Mic"\\\nright')
    for its in (health, Health(odd, timing=True)):
        for record in (result(3.0), START, LOST):
            its.put(record)
        named = ""
        text = prometheus(its.record())
        assert text.endswith("\n")
        for line in text.splitlines():
            if comment := _COMMENT.fullmatch(line):
                named = comment[1] or comment[2]
            else:
                sample = _SAMPLE.fullmatch(line)
                assert sample, line
                assert sample[1] == named


def test_prometheus_gets_the_figures_of_the_state(health: Health) -> None:
    for record in (result(3.0), result(3.5), START):
        health.put(record)
    lines = prometheus(health.record()).splitlines()
    for line in (
        "sernet_healthy 1",
        'sernet_results_total{label="anger"} 2',
        'sernet_events_total{label="anger"} 1',
        'sernet_running{label="anger"} 1',
        'sernet_score{label="anger"} 0.64',
        "sernet_inference_seconds 0.0085",
        "sernet_level_dbfs -24",
    ):
        assert line in lines


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web(
        Address.from_text("127.0.0.1:0"), "correct-horse-battery", SESSION, Told(), timing=True
    )
    with closing(web):
        yield web


def _get(web: Web, path: str, **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(web.url).port or 0, timeout=60)
    with closing(connection):
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.getheader("content-type", ""), response.read().decode()


@pytest.mark.parametrize("path", ["/health", "/state", "/metrics"])
def test_health_asks_for_the_token_as_the_page_does(web: Web, path: str) -> None:
    assert _get(web, path)[0] == 401
    assert _get(web, path, Authorization="Bearer wrong")[0] == 401
    assert _get(web, path, Authorization="Bearer correct-horse-battery")[0] in (200, 503)


def test_the_port_answers_with_status_state_and_metrics(web: Web) -> None:
    bearer = {"Authorization": "Bearer correct-horse-battery"}
    status, kind, text = _get(web, "/health", **bearer)
    assert (status, kind, json.loads(text)["status"]) == (503, "application/json", "starting")
    for moment in range(20):  # also those that come too fast for the page
        web.write(result(3.0 + moment))
    status, _, text = _get(web, "/health", **bearer)
    assert (status, json.loads(text)["status"]) == (200, "ok")
    _, _, text = _get(web, "/state", **bearer)
    assert json.loads(text)["results"] == {"anger": 20}
    status, kind, text = _get(web, "/metrics", **bearer)
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'sernet_results_total{label="anger"} 20\n' in text
