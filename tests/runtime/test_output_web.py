"""The web page: access, the data for readers, and its appearance in a browser."""

from __future__ import annotations

import dataclasses
import gc
import http.client
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
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
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.expected_conditions import text_to_be_present_in_element
from selenium.webdriver.support.ui import WebDriverWait
from web_cases import Serve, complaints, port, request, text

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs.web import Web
from sernet_edge.runtime.outputs.web_access import Address, Guard
from sernet_edge.runtime.outputs.web_feed import Feed
from sernet_edge.runtime.records import Event, Notice
from sernet_edge.runtime.trust import INTENDED_USE

TOKEN = "correct-horse-battery"


class Reader:
    """Reads the events of a page, as an EventSource does."""

    def __init__(self, web: Web, **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port(web), timeout=60)
        self._connection.request("GET", "/events", headers=headers)
        self.response = self._connection.getresponse()

    def next(self) -> tuple[str, Any]:
        """Return the next event's name and data; nothing at the end."""
        name, data = "", ""
        while line := self.response.readline().decode():
            field, _, value = line.rstrip("\n").partition(": ")
            name = value if field == "event" else name
            data = value if field == "data" else data
            if line == "\n" and data:
                return name, json.loads(data)
        return "", None

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def test_a_reader_gets_the_history_and_then_each_record(serve: Serve) -> None:
    web = serve()
    for record in (result(3.0), START, LOST):
        web.write(record)
    with closing(Reader(web)) as reader:
        assert reader.response.getheader("content-type", "").startswith("text/event-stream")
        name, session = reader.next()
        assert name == "session"
        assert session["labels"] == list(LABELS)
        assert (session["source"], session["rate_hz"]) == ("USB Audio Device", 48_000)
        assert [dated(record) for record in session["results"]] == [result(3.0).record()]
        assert [dated(record) for record in session["log"]] == [START.record(), LOST.record()]
        for record in (result(3.5, None), END):
            web.write(record)
            name, content = reader.next()
            assert (name, dated(content)) == ("record", record.record())


def test_the_card_is_sent_unchanged_to_readers_who_may_see_the_page(
    serve: Serve, shipped_model: Path
) -> None:
    card = shipped_model.with_suffix(".md")
    web = serve(session=dataclasses.replace(SESSION, card=card))
    answer = request(web, "/card")
    assert (answer.status, answer.getheader("content-type")) == (200, "text/plain; charset=utf-8")
    assert answer.text == card.read_text()
    with closing(Reader(web)) as reader:
        _, session = reader.next()
        assert session["has_card"] and session["trust"] == SESSION.trust
    assert request(serve(), "/card").status == 404
    assert request(serve(token="secret"), "/card").status == 401


def dated(content: dict[str, Any]) -> dict[str, Any]:
    """A record without its time of day, which depends on the time of the test."""
    heard = datetime.fromisoformat(content["utc"])
    assert abs((datetime.now(UTC) - heard).total_seconds()) < 60
    return {name: value for name, value in content.items() if name != "utc"}


def test_an_event_has_the_time_of_day_at_which_it_began(serve: Serve) -> None:
    web = serve()
    for record in (result(4.0), START, result(8.0), END, LOST):
        web.write(record)
    with closing(Reader(web)) as reader:
        session = reader.next()[1]
    heard = datetime.fromisoformat(session["results"][0]["utc"])
    start, _, lost = (datetime.fromisoformat(record["utc"]) for record in session["log"])
    assert (heard - start).total_seconds() == pytest.approx(4.0 - START.start_s, abs=0.002)
    # The notice is at 4.0 s, and the last result at 8.0 s.
    later = datetime.fromisoformat(session["results"][1]["utc"])
    assert (later - lost).total_seconds() == pytest.approx(4.0, abs=0.002)


def test_a_new_reader_gets_the_age_of_the_last_result(serve: Serve) -> None:
    web = serve()
    with closing(Reader(web)) as reader:
        assert reader.next()[1]["age_s"] is None
        web.write(result())
        reader.next()
    time.sleep(0.3)
    with closing(Reader(web)) as reader:
        assert 0.3 <= reader.next()[1]["age_s"] < 10


def test_without_timing_no_record_has_a_time_of_day(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = serve()
    monkeypatch.setattr(web, "_timing", False)
    web.write(result())
    with closing(Reader(web)) as reader:
        assert reader.next()[1]["results"] == [result().record(timing=False)]


def test_the_history_is_five_minutes_whatever_the_hop(serve: Serve) -> None:
    web = serve()
    for index in range(4000):
        web.write(result(3 + index / 10))
    with closing(Reader(web)) as reader:
        times = [record["time_s"] for record in reader.next()[1]["results"]]
    assert len(times) <= 600
    assert times[-1] - times[0] >= 290
    assert times[-1] > 402


def test_the_history_takes_little_more_memory_than_what_a_reader_is_sent() -> None:
    feed = Feed({"type": "session"})
    tracemalloc.start()
    for index in range(600):
        feed.put(result(3 + index / 2).record())
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept_bytes < 1.2 * 600 * len(json.dumps(result().record()))


def test_results_that_come_too_fast_are_left_out_except_the_last(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = serve()
    with closing(Reader(web)) as reader:
        reader.next()
        monkeypatch.setattr("sernet_edge.runtime.outputs.web._MIN_INTERVAL_S", 1000.0)
        web.write(result(1))
        for index in range(2, 100):
            web.write(result(index))
        web.write(LOST)  # notices are never left out
        web.finish()
        found = [reader.next()[1] for _ in range(3)]
    assert [record["time_s"] for record in found] == [1, 4, 99]


def test_a_reader_that_stops_reading_is_disconnected_and_delays_nobody(serve: Serve) -> None:
    web = serve()
    long = Notice("x", "x" * 10_000, 1, "info")
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with closing(stalled), closing(Reader(web)) as reader:
        stalled.connect(("127.0.0.1", port(web)))
        stalled.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: len(web._feed._readers) == 2, "two readers")
        reader.next()
        for _ in range(300):
            web.write(long)
            assert reader.next()[1]["code"] == "x"
        eventually(lambda: len(web._feed._readers) == 1, "the stalled reader is disconnected")


def test_answers_that_are_not_sent_in_time_are_cut_off_without_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    web = serve()
    web._server.config.timeout_graceful_shutdown = 0
    web._feed.close = lambda: None  # type: ignore[method-assign]
    readers = [Reader(web) for _ in range(4)]
    for reader in readers:
        reader.next()
    web.close()
    gc.collect()  # reports connections that were not closed
    for reader in readers:
        reader.close()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


def test_the_number_of_readers_is_limited(serve: Serve) -> None:
    web = serve()
    readers = [Reader(web) for _ in range(17)]
    try:
        assert [reader.response.status for reader in readers] == [200] * 16 + [503]
    finally:
        for reader in readers:
            reader.close()
    eventually(lambda: not web._feed._readers, "readers that leave are forgotten")


def test_closing_disconnects_the_readers_and_frees_the_port(serve: Serve) -> None:
    web = serve()
    with closing(Reader(web)) as reader:
        reader.next()
        web.close()
        assert reader.next() == ("", None)
    serve(f"127.0.0.1:{port(web)}")


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/timeline.js", "/page.css", "/icon.svg", "/login"]
)
def test_headers_forbid_foreign_content_frames_and_caching(path: str, serve: Serve) -> None:
    answer = request(serve(), path, "POST" if path == "/login" else "GET")
    policy = answer.getheader("content-security-policy")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert answer.getheader("x-content-type-options") == "nosniff"
    assert answer.getheader("referrer-policy") == "no-referrer"
    assert answer.getheader("cache-control") == "no-store"
    assert answer.getheader("access-control-allow-origin") is None
    assert answer.getheader("server") is None
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", answer.text)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8723", "10.0.0.1", "", "127.evil"])
@pytest.mark.parametrize("path", ["/", "/events", "/page.js"])
def test_on_loopback_a_foreign_host_name_is_refused(host: str, path: str, serve: Serve) -> None:
    assert request(serve(), path, Host=host).status == 421


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9", "127.0.0.1:8723", "127.1.2.3", "[::1]", "[::1]:80"]
)
def test_this_machine_s_own_names_are_allowed(host: str, serve: Serve) -> None:
    assert request(serve(), Host=host).status == 200


def test_on_loopback_no_token_is_needed_unless_one_is_given(serve: Serve) -> None:
    assert request(serve()).status == 200
    web = serve(token=TOKEN)
    assert web.url.endswith(f"/?token={TOKEN}")
    assert request(web).status == 401


def test_on_other_addresses_a_token_is_made_and_asked_for(serve: Serve) -> None:
    first, second = serve("0.0.0.0:0"), serve("0.0.0.0:0")
    tokens = [parse_qs(urlsplit(web.url).query)["token"][0] for web in (first, second)]
    assert tokens[0] != tokens[1] and min(map(len, tokens)) >= 32
    assert request(first).status == 401
    assert request(first, "/events").status == 401
    for script in ("page", "timeline", "words"):
        assert request(first, f"/{script}.js").status == 401
    assert request(first, f"/?token={tokens[1]}").status == 401
    assert request(first, f"/?token={tokens[0]}").status == 303


def test_a_browser_that_has_sent_the_token_is_remembered(serve: Serve) -> None:
    web = serve("0.0.0.0:0", TOKEN)
    answers = [
        request(web, f"/?token={TOKEN}"),
        request(web, "/login", "POST", urlencode({"token": TOKEN})),
    ]
    for answer in answers:
        assert (answer.status, answer.getheader("location")) == (303, "/")
        cookie = answer.getheader("set-cookie")
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie
        assert TOKEN not in cookie
        kept = cookie.partition(";")[0]
        assert request(web, "/", Cookie=kept).status == 200
        assert "EventSource" in request(web, "/page.js", Cookie=kept).text
        with closing(Reader(web, Cookie=kept)) as reader:
            assert reader.next()[0] == "session"
        # The page redirects away from the address with the token.
        assert request(web, f"/?token={TOKEN}", Cookie=kept).status == 303


def test_a_program_may_send_the_token_as_a_header(serve: Serve) -> None:
    web = serve("0.0.0.0:0", TOKEN)
    with closing(Reader(web, Authorization=f"Bearer {TOKEN}")) as reader:
        assert reader.next()[0] == "session"
    assert request(web, "/events", Authorization="Bearer nonsense").status == 401
    assert request(web, "/events", Authorization=f"Basic {TOKEN}").status == 401


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN}x", "é" * 20, "x" * 5000])
def test_a_wrong_token_is_refused(token: str, serve: Serve) -> None:
    web = serve("0.0.0.0:0", TOKEN)
    answer = request(web, "/login", "POST", urlencode({"token": token}))
    assert answer.status == 401
    assert "This is not the token." in answer.text
    assert answer.getheader("set-cookie") is None
    assert request(web, "/", Cookie=f"{Guard.COOKIE}={token[:100].encode().hex()}").status == 401


def test_invalid_requests_do_not_stop_the_server(serve: Serve) -> None:
    web = serve()
    for nonsense in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port(web)), timeout=60) as connection:
            connection.sendall(nonsense)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert request(web).status == 200
    assert request(web, "/../web.py").status == 404
    assert request(web, "/", "DELETE").status == 405


@pytest.mark.parametrize("package", ["uvicorn", "starlette"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "sernet_edge.runtime.outputs.web_app", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SernetError, match=rf"{package}.*pip install 'sernet-edge\[web\]'"):
        Web(Address("127.0.0.1", 0), None, SESSION, Told(), timing=True)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("127.0.0.1", server.getsockname()[1])
        complaint = f"port {address.port}: Address already in use.*another port"
        with pytest.raises(SernetError, match=complaint):
            Web(address, None, SESSION, Told(), timing=True)


@pytest.mark.parametrize(
    ("address", "complaint"),
    [("192.0.2.1:0", "Cannot assign"), ("no.such.host.invalid:0", "port 0: .*(known|resolution)")],
)
def test_an_address_that_is_not_this_machine_s_is_named(address: str, complaint: str) -> None:
    with pytest.raises(SernetError, match=f"{complaint}.*address of this computer"):
        Web(Address.from_text(address), None, SESSION, Told(), timing=True)


@pytest.mark.parametrize(
    ("text", "host", "number"),
    [
        ("8080", "127.0.0.1", 8080),
        ("localhost", "localhost", 8723),
        ("0.0.0.0:1", "0.0.0.0", 1),
        ("[::1]:65535", "::1", 65_535),
        ("[::]", "::", 8723),
    ],
)
def test_an_address_is_parsed(text: str, host: str, number: int) -> None:
    assert Address.from_text(text) == Address(host, number)


def test_listen_prints_the_address_and_serves_its_results(tmp_path: Path) -> None:
    number = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "sernet_edge", "listen", "--input", "-", "--quiet"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"SERNET_EDGE_LISTEN_WEB": f"127.0.0.1:{number}"},
    )
    assert process.stdin and process.stderr
    process.stdin.write(bytes(2 * 16_000 * 3))
    process.stdin.flush()
    while b"web " not in (line := process.stderr.readline()):
        assert line
    assert line.decode() == f"web     http://127.0.0.1:{number}/\n"
    with closing(http.client.HTTPConnection("127.0.0.1", number, timeout=60)) as connection:
        connection.request("GET", "/events")
        response = connection.getresponse()
        data = [response.readline() for _ in range(3)][2].removeprefix(b"data: ")
        assert json.loads(data)["source"] == "standard input"
        process.stdin.close()
        assert process.wait(60) == 0
    process.stderr.close()


def test_the_page_shows_the_results(serve: Serve, browser: webdriver.Chrome) -> None:
    web = serve()
    web.write(result(3.0))
    browser.get(web.url)
    eventually(lambda: text(browser, "emotion") == "anger", "the history")
    assert text(browser, "source") == "USB Audio Device · 48000 Hz, mono"

    web.write(result(3.5, "sadness", clipped=12, overflows=2, skipped=5))
    eventually(lambda: text(browser, "status") == "live", "a new result")
    assert text(browser, "emotion") == "sadness"
    assert text(browser, "share") == "64 %"
    meters = browser.find_elements(By.CSS_SELECTOR, "#bars [role=meter]")
    values = {m.get_attribute("aria-label"): m.get_attribute("aria-valuenow") for m in meters}
    assert values == {label: "64" if label == "sadness" else "6" for label in LABELS}
    fill = browser.find_element(By.CSS_SELECTOR, "[aria-label=sadness] .fill")
    eventually(
        lambda: fill.size["width"] == pytest.approx(0.64 * meters[0].size["width"], abs=2), "bar"
    )
    level = browser.find_element(By.ID, "level")
    assert level.get_attribute("aria-valuenow") == "-24"
    assert text(browser, "level-text") == "-24 dBFS"
    assert text(browser, "clipping").startswith("Clipping: 12 samples at full scale")
    assert text(browser, "figures") == ""
    browser.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    figures = text(browser, "figures").split("\n")
    for name, value in [
        ("Features", "1.5 ms"),
        ("Model", "8.5 ms"),
        ("Computing", "2.0 % of the time"),
        ("Audio lost", "2 times"),
        ("Results skipped", "5"),
        ("Resampled", "48000 to 16000 Hz"),
    ]:
        assert figures[figures.index(name) + 1] == value

    web.write(result(4.0, None))
    eventually(lambda: text(browser, "emotion") == "no speech", "silence")
    assert text(browser, "arousal-text") == "–"
    assert text(browser, "trust").lower() == f"{SESSION.trust}.".lower()
    assert text(browser, "intended-use") == f"Use: {INTENDED_USE}."
    web.write(result(4.5, sure=False, arousal=0.834))
    eventually(lambda: text(browser, "emotion") == "unsure", "doubt")
    assert text(browser, "share") == "anger 64 %"
    assert text(browser, "arousal-text") == "83 %"
    arousal = browser.find_element(By.ID, "arousal")
    assert arousal.get_attribute("aria-valuenow") == "83"
    shares = text(browser, "timeline-shares").split("\n")
    assert shares == ["anger 25 %", "sadness 25 %", "unsure 25 %", "no speech 25 %"]


def test_the_label_none_is_shown_as_no_speech(serve: Serve, browser: webdriver.Chrome) -> None:
    contract = CONTRACT.replace(labels=("yes", "no", "none"))
    web = serve(session=dataclasses.replace(SESSION, contract=contract))
    for index in range(4):
        label = "yes" if index == 0 else "none"
        web.write(result(3.0 + index, label, scores={label: 0.9, "no": 0.1}))
    browser.get(web.url)
    eventually(lambda: text(browser, "emotion") == "no speech", "noise")
    assert text(browser, "share") == "90 %"
    shares = text(browser, "timeline-shares").split("\n")
    assert shares == ["yes 25 %", "no speech 75 %"]
    assert not browser.find_element(By.ID, "arousal-row").is_displayed()

    for record in (START, END, LOST):
        web.write(record)
    eventually(lambda: "gone" in text(browser, "notices"), "a notice")
    assert "Warning: the microphone is gone: plug it in again" in text(browser, "notices")
    rows = browser.find_elements(By.CSS_SELECTOR, "#events tbody tr")
    assert len(rows) == 1
    assert re.fullmatch(r"anger \d\d:\d\d:\d\d 3.5 s 90 %", rows[0].text)
    assert text(browser, "announcement") == "anger ended"
    assert complaints(browser) == []


def test_the_timeline_is_drawn(serve: Serve, browser: webdriver.Chrome) -> None:
    web = serve()
    for index in range(100):
        web.write(result(3 + index / 2, "anger"))
    browser.get(web.url)
    eventually(lambda: text(browser, "emotion") == "anger", "the history")
    red, grey = browser.execute_script(  # type: ignore[no-untyped-call]
        """const canvas = document.getElementById("timeline");
        const row = (canvas.height - 56 * devicePixelRatio) / 7;
        const draw = canvas.getContext("2d");
        const x = canvas.width - 20;
        return [0.5, 1.5].map((line) => [...draw.getImageData(x, line * row, 1, 1).data]);"""
    )
    assert red[0] > red[1] + 60  # anger's own colour, strong
    assert max(grey[:3]) - min(grey[:3]) < 40  # boredom's, faint


def test_a_device_s_name_is_shown_as_text_and_not_as_html(
    serve: Serve, browser: webdriver.Chrome
) -> None:
    web = serve()
    browser.get(web.url)
    web.write(Notice("x", "<img src=x onerror=alert(1)>", 1, "warning"))
    eventually(lambda: "<img src=x" in text(browser, "notices"), "as text")
    assert not browser.find_elements(By.CSS_SELECTOR, "#notices img")


def test_the_page_says_when_it_is_cut_off_and_comes_back(
    serve: Serve, browser: webdriver.Chrome
) -> None:
    web = serve()
    web.write(result())
    browser.get(web.url)
    eventually(lambda: "live" in text(browser, "status"), "live")
    web.close()
    eventually(lambda: "disconnected, trying again" in text(browser, "status"), "cut off")
    again = serve(f"127.0.0.1:{port(web)}")
    again.write(result(9, "fear"))
    eventually(lambda: text(browser, "emotion") == "fear", "back, with the new history")


def test_the_page_asks_for_the_token(serve: Serve, browser: webdriver.Chrome) -> None:
    web = serve(token=TOKEN)
    web.write(result())
    browser.get(f"http://127.0.0.1:{port(web)}/")
    for word, seen in [("nonsense", "This is not the token."), (TOKEN, "USB Audio Device")]:
        browser.find_element(By.ID, "token").send_keys(word)
        browser.find_element(By.TAG_NAME, "button").click()
        # Find and read in one step, since the answer's page replaces this one.
        answered = text_to_be_present_in_element((By.TAG_NAME, "body"), seen)
        WebDriverWait(browser, 60).until(answered, seen)
    assert browser.current_url == f"http://127.0.0.1:{port(web)}/"
    browser.delete_all_cookies()
    complaints(browser)  # of the 401, on purpose


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 360, 390, 768, 1080, 1280, 1920])
def test_the_page_fits_a_phone_and_follows_the_theme(
    width: int, dark: bool, serve: Serve, browser: webdriver.Chrome
) -> None:
    web = serve()
    web.write(result())
    theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    size = {"width": width, "height": 740, "deviceScaleFactor": 2, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)  # type: ignore[no-untyped-call]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})  # type: ignore[no-untyped-call]
    try:
        browser.get(web.url)
        eventually(lambda: text(browser, "emotion") == "anger", "the history")
        widths, colours, tops = browser.execute_script(  # type: ignore[no-untyped-call]
            """const style = getComputedStyle(document.body);
            return [[document.documentElement.scrollWidth, innerWidth],
                    [style.backgroundColor, style.color],
                    ["timeline", "sound"].map(
                      (name) => document.querySelector(`.${name}`).getBoundingClientRect().top)];"""
        )
        assert widths[0] <= widths[1] == width
        background, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
        assert (background < ink) == dark
        assert abs(background - ink) > 500
        if width < 720:  # on a phone, the timeline is above the sound
            assert tops[0] < tops[1]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})  # type: ignore[no-untyped-call]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})  # type: ignore[no-untyped-call]


def script(browser: webdriver.Chrome, code: str) -> Any:
    return browser.execute_script(code)  # type: ignore[no-untyped-call]


def is_grey(browser: webdriver.Chrome) -> bool:
    """Whether the current results are drawn without colours."""
    filters = script(
        browser,
        """return [...document.querySelectorAll("#emotion, #bars, #timeline, #level")].map(
          (part) => getComputedStyle(part.closest(".fades > *")).filter);""",
    )
    assert len(filters) == 4 and len(set(filters)) == 1
    return bool(filters[0] == "grayscale(1)")


def test_a_result_older_than_three_seconds_is_grey_and_shows_its_time(
    serve: Serve, browser: webdriver.Chrome
) -> None:
    web = serve()
    browser.get(web.url)
    web.write(result(3.0, "fear"))
    eventually(lambda: text(browser, "status") == "live", "a result")
    began = time.monotonic()
    assert not is_grey(browser) and text(browser, "stale") == ""
    eventually(lambda: is_grey(browser), "grey")
    assert 2 < time.monotonic() - began < 10
    assert text(browser, "status") == "no results at the moment"
    assert re.match(r"Last result at \d\d:\d\d:\d\d, \d+ s ago\.", text(browser, "stale"))
    assert browser.title.startswith("not live")
    web.write(result(9.0, "anger"))
    eventually(lambda: not is_grey(browser), "colours again")
    assert text(browser, "emotion") == "anger" and text(browser, "stale") == ""
    assert not browser.title.startswith("not live")


def test_a_page_opened_later_shows_the_age_of_the_last_result(
    serve: Serve, browser: webdriver.Chrome, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = serve()
    web.write(result())
    eventually(lambda: web._feed._result_came_s, "the result")
    monkeypatch.setattr(web._feed, "_result_came_s", time.monotonic() - 125)
    browser.get(web.url)
    eventually(lambda: is_grey(browser), "grey at once")
    assert re.search(r", 2 min \d+ s ago\.", text(browser, "stale"))


def test_a_lost_connection_greys_the_page(serve: Serve, browser: webdriver.Chrome) -> None:
    web = serve()
    web.write(result(3.0, "fear"))
    browser.get(web.url)
    eventually(lambda: text(browser, "emotion") == "fear" and not is_grey(browser), "live")
    web.close()
    eventually(lambda: is_grey(browser), "grey")
    assert text(browser, "status") == "disconnected, trying again"
    assert "Last result at " in text(browser, "stale")


def test_a_slow_hop_is_not_stale_between_two_results(
    serve: Serve, browser: webdriver.Chrome
) -> None:
    web = serve(session=dataclasses.replace(SESSION, hop_s=10.0))
    browser.get(web.url)
    web.write(result())
    eventually(lambda: text(browser, "status") == "live", "a result")
    time.sleep(4.5)
    assert text(browser, "status") == "live" and not is_grey(browser)


def test_a_mark_on_the_bars_shows_where_a_label_becomes_sure(
    serve: Serve, browser: webdriver.Chrome
) -> None:
    web = serve()
    web.write(result())
    browser.get(web.url)
    eventually(lambda: text(browser, "emotion") == "anger", "the history")
    marks = script(
        browser,
        """return [...document.querySelectorAll("#bars .track")].map((track) =>
          parseFloat(getComputedStyle(track, "::after").left) / track.clientWidth);""",
    )
    assert marks == pytest.approx([0.6] * len(LABELS), abs=0.01)
    assert browser.find_element(By.CSS_SELECTOR, ".scale").text == "sure from 60 %"
    browser.get(serve(session=dataclasses.replace(SESSION, unsure_below=0.0)).url)
    eventually(lambda: browser.find_elements(By.CSS_SELECTOR, "#bars .track"), "bars")
    assert not browser.find_elements(By.CSS_SELECTOR, ".scale, .marked")


def test_the_percentages_add_up_and_tiny_shares_have_no_bar(
    serve: Serve, browser: webdriver.Chrome
) -> None:
    shares = (0.3335, 0.3335, 0.2940, 0.0150, 0.0145, 0.0095, 0.0)
    web = serve()
    web.write(result(scores=dict(zip(LABELS, shares, strict=True))))
    browser.get(web.url)
    eventually(lambda: text(browser, "emotion") == "anger", "the history")
    numbers = [e.text for e in browser.find_elements(By.CSS_SELECTOR, "#bars .number")]
    assert all(number.endswith(" %") for number in numbers)
    found = [int(number.split()[0]) for number in numbers]
    assert sum(found) == 100
    assert all(abs(n - 100 * share) < 1 for n, share in zip(found, shares, strict=True))
    eventually(
        lambda: (
            [e.size["width"] > 0 for e in browser.find_elements(By.CSS_SELECTOR, "#bars .fill")]
            == [True] * 3 + [False] * 4
        ),
        "bars of a width worth drawing",
    )


def test_the_timeline_has_no_seams_and_hatches_unsure_results(
    serve: Serve, browser: webdriver.Chrome
) -> None:
    web = serve()
    for index in range(500):
        web.write(result(3 + 0.496 * index, "anger", sure=index >= 250))
    browser.get(web.url)
    eventually(lambda: text(browser, "emotion") == "anger", "the history")
    unsure, sure = script(
        browser,
        """const canvas = document.getElementById("timeline");
        const [width, ratio] = [canvas.width, devicePixelRatio];
        const row = (canvas.height - 56 * ratio) / 7;
        const draw = canvas.getContext("2d");
        const colours = (from, to) => {
          const data = draw.getImageData(from * width, row / 2, (to - from) * width, 1).data;
          return new Set(Array.from({ length: data.length / 4 },
            (_, i) => data.slice(4 * i, 4 * i + 3).join())).size;
        };
        return [colours(0.4, 0.55), colours(0.65, 0.98)];""",
    )
    assert sure == 1
    assert unsure > 3


def test_a_current_event_is_one_row_that_grows(serve: Serve, browser: webdriver.Chrome) -> None:
    web = serve()
    for record in (result(4.0), START, result(12.5)):
        web.write(record)
    browser.get(web.url)
    row = "#events tbody tr"
    eventually(lambda: browser.find_elements(By.CSS_SELECTOR, row), "the event")
    eventually(lambda: " 10 s … 70 %" in text(browser, "events"), "its length so far")
    web.write(result(17.5))
    eventually(lambda: " 15 s … " in text(browser, "events"), "longer")
    web.write(Event("end", 1, "anger", 2.5, 17.5, 0.98))
    eventually(lambda: " 15 s 98 %" in text(browser, "events"), "over")
    assert len(browser.find_elements(By.CSS_SELECTOR, row)) == 1


def test_an_event_is_underlined_up_to_the_last_result(
    serve: Serve, browser: webdriver.Chrome
) -> None:
    web = serve()
    for index in range(100):
        web.write(result(3 + 3 * index))
    web.write(Event("start", 1, "anger", 200.0, None, 0.7))
    browser.get(web.url)
    eventually(lambda: is_grey(browser), "grey")
    time.sleep(3)  # the timeline goes on without results
    dark = script(
        browser,
        """const canvas = document.getElementById("timeline");
        const row = (canvas.height - 56 * devicePixelRatio) / 7;
        const data = canvas.getContext("2d")
          .getImageData(0, Math.round(row - 3 * devicePixelRatio), canvas.width, 1).data;
        const columns = [...Array(canvas.width).keys()];
        return [columns.map((x) => data[4 * x + 3] > 0 && data[4 * x] < 60), canvas.width];""",
    )
    columns = [x for x, is_dark in enumerate(dark[0]) if is_dark]
    assert len(columns) > 0.2 * dark[1] and columns[-1] < dark[1] - 10
    assert columns == list(range(columns[0], columns[-1] + 1))


def test_for_a_recording_positions_are_shown(serve: Serve, browser: webdriver.Chrome) -> None:
    web = serve(session=dataclasses.replace(SESSION, live=False))
    for record in (result(64.0), dataclasses.replace(START, start_s=62.5)):
        web.write(record)
    browser.get(web.url)
    eventually(lambda: "anger 1:02 " in text(browser, "events"), "a position")


def test_speech_is_a_share_of_the_window(serve: Serve, browser: webdriver.Chrome) -> None:
    web = serve()
    web.write(result(speech=0.534))
    browser.get(web.url)
    eventually(lambda: text(browser, "speech-text") == "53 %", "speech")
    assert text(browser, "speech-note") == "of the last 3 s"
    web.write(result(3.5, speech=None))
    eventually(lambda: "gate is off" in text(browser, "speech-note"), "no gate")


LONG_LABELS = ("害怕", "Überraschung und Verwunderung über Unerwartetes", "غضب شديد", "दुःख")


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_long_labels_of_any_script_fit_any_width(
    width: int, serve: Serve, browser: webdriver.Chrome
) -> None:
    contract = CONTRACT.replace(labels=LONG_LABELS)
    web = serve(session=dataclasses.replace(SESSION, contract=contract))
    scores = dict(zip(LONG_LABELS, (0.1, 0.7, 0.1, 0.1), strict=True))
    web.write(result(3.0, LONG_LABELS[1], scores=scores))
    web.write(Event("start", 1, LONG_LABELS[1], 2.5, None, 0.7))
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)  # type: ignore[no-untyped-call]
    try:
        browser.get(web.url)
        eventually(lambda: text(browser, "share") == "70 %", "the history")
        assert script(browser, "return document.documentElement.scrollWidth") <= width
        bars = [e.rect for e in browser.find_elements(By.CSS_SELECTOR, "#bars .bar .name")]
        for above, below in itertools.pairwise(bars):
            assert above["y"] + above["height"] <= below["y"]
        tracks = browser.find_elements(By.CSS_SELECTOR, "#bars .track")
        assert min(track.size["width"] for track in tracks) > 60
        names = [e.text for e in browser.find_elements(By.CSS_SELECTOR, "#bars .name")]
        assert [" ".join(name.split()) for name in names] == list(LONG_LABELS)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})  # type: ignore[no-untyped-call]


TEXTS = ["text", "quiet", "good", "warn", "bad"]
GRAPHICS = [
    "accent", "anger", "happiness", "sadness", "fear", "disgust", "boredom", "neutral", "surprise",
    "none",
    *(f"other-{index}" for index in range(6)),
]  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_bars_have_enough_contrast_to_their_background(
    theme: str, serve: Serve, browser: webdriver.Chrome
) -> None:
    features = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)  # type: ignore[no-untyped-call]
    try:
        browser.get(serve().url)
        colours = script(
            browser,
            f"""const style = getComputedStyle(document.documentElement);
            return Object.fromEntries({[*GRAPHICS, *TEXTS, "card", "page", "track"]}
              .map((name) => [name, style.getPropertyValue("--" + name).trim()]));""",
        )
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})  # type: ignore[no-untyped-call]
    # WCAG 2.2, 1.4.3 for text and 1.4.11 for graphics.
    for name in TEXTS:
        for behind in ("card", "page"):
            assert contrast(colours[name], colours[behind]) >= 4.5, name
    for name in GRAPHICS:
        assert contrast(colours[name], colours["track"]) >= 3, name


def contrast(one: str, other: str) -> float:
    """Contrast of two colours such as #0af or #00aaff, as WCAG 2.2 defines it."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
