"""The web page's port under attack, and the addresses that are printed for it."""

from __future__ import annotations

import http.client
import ipaddress
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from output_cases import SESSION, Told, eventually, result

from sernet_edge.runtime.outputs import web_connections
from sernet_edge.runtime.outputs.web import Web
from sernet_edge.runtime.outputs.web_access import Address
from sernet_edge.runtime.outputs.web_connections import Connections

TOKEN = "correct-horse-battery"
AS_READER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, told: Told) -> Iterator[Web]:
    """A page that asks for a token."""
    monkeypatch.setattr("sernet_edge.runtime.outputs.web_app._WRONG_TOKEN_S", 0.0)
    served = Web(Address("127.0.0.1", 0), TOKEN, SESSION, told, timing=True)
    served.write(result())
    yield served
    served.close()


def port(web: Web) -> int:
    return urlsplit(web.url).port or 0


def connect(web: Web) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port(web)), timeout=60)


def status(web: Web, path: str = "/events", **headers: str) -> int:
    """Send a reader's request over a new connection; close it and return the status."""
    with closing(http.client.HTTPConnection("127.0.0.1", port(web), timeout=60)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=AS_READER | named)
        return connection.getresponse().status


def test_idle_connections_do_not_lock_readers_out(web: Web) -> None:
    idle = [connect(web) for _ in range(45)]
    try:
        began_s = time.monotonic()
        assert status(web) == status(web, "/") == 200
        # At once, and not after the idle connections' timeout.
        assert time.monotonic() - began_s < web_connections.REQUEST_S / 2
    finally:
        for connection in idle:
            connection.close()


def test_endless_requests_do_not_lock_readers_out(web: Web) -> None:
    stop = threading.Event()

    def drip() -> None:
        while not stop.is_set():
            try:
                with connect(web) as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\n")
                    while not stop.wait(0.1):
                        connection.sendall(b"X-Never: ending\r\n")
            except OSError:
                pass  # it was closed: open the next

    attackers = [threading.Thread(target=drip) for _ in range(60)]
    for attacker in attackers:
        attacker.start()
    try:
        for _ in range(10):
            assert status(web) == status(web, "/page.css") == 200
    finally:
        stop.set()
        for attacker in attackers:
            attacker.join()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ntoken=",
        # A whole request, and a part of the next.
        b"GET /page.css HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n",
    ],
    ids=["nothing", "a part of the head", "a part of the form", "a part of the second"],
)
def test_a_request_has_to_come_in_time(
    begun: bytes, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_connections, "REQUEST_S", 0.5)
    with connect(web) as connection:
        connection.sendall(begun)
        connection.settimeout(0.05)
        began_s = time.monotonic()
        with suppress(ConnectionError):
            while not _is_closed(connection):
                assert time.monotonic() - began_s < 30
                connection.sendall(b"X" if begun else b"")  # progress, but no end
    eventually(lambda: not len(web._connections), "forgotten")


def _is_closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(65_536)
    except TimeoutError:
        return False


def test_a_reader_stays_longer_than_a_request_may_take(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_connections, "REQUEST_S", 0.2)
    with closing(http.client.HTTPConnection("127.0.0.1", port(web), timeout=60)) as connection:
        connection.request("GET", "/events", headers=AS_READER)
        response = connection.getresponse()
        idle = [connect(web) for _ in range(45)]  # they must not take a reader's place
        time.sleep(1)
        web.write(result(99))
        while b'"time_s": 99' not in (line := response.readline()):
            assert line
        for one in idle:
            one.close()


class Fake:
    """A connection that has only an address."""

    def __init__(self, address: str) -> None:
        self.client = (address, 1)
        self.transport = self.loop = self
        self.closed = False

    def abort(self) -> None:
        self.closed = True

    def call_later(self, delay_s: float, call: Callable[..., None], *arguments: object) -> None:
        call(*arguments)


def test_many_addresses_can_connect_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_connections, "_GRACE_S", 0.0)
    connections = Connections()

    def enter(address: str) -> Fake:
        connections.enter(one := Fake(address))  # type: ignore[arg-type]
        return one

    others = [enter(f"192.0.2.{number}") for number in range(10)]
    # An IPv6 network counts as one sender, since it may use any number of addresses.
    network = ipaddress.ip_network("2001:db8::/64")
    attacker = [enter(str(network[number])) for number in range(100)]
    assert [one.closed for one in attacker] == [True] * 92 + [False] * 8
    mapped = [enter("::ffff:198.51.100.1") for _ in range(9)]
    assert [one.closed for one in mapped] == [True] + [False] * 8
    assert not any(one.closed for one in others)
    # With more addresses than connections, the address with the most connections loses one.
    more = [enter(f"203.0.113.{number}") for number in range(110)]
    assert len(connections) == 128
    assert not more[-1].closed and not any(one.closed for one in others)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "pi.local:8723", "Origin": "http://pi.local:8723"}, 200),
        ({"Host": "pi.local:8723", "Origin": "http://pi.local:3000"}, 403),
    ],
)
def test_only_the_server_s_own_page_and_programs_may_follow_the_events(
    headers: dict[str, str], expected: int, web: Web
) -> None:
    assert status(web, **headers) == expected
    # A link from elsewhere still opens the page.
    assert status(web, "/", Sec_Fetch_Site="cross-site") == 200


_SEEDS = (
    f"GET /?token={quote(TOKEN[:-1])} HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /events HTTP/1.1\r\nHost: localhost\r\nCookie: sernet_edge=0\r\n\r\n",
    "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded"
    "\r\nContent-Length: 11\r\n\r\ntoken=wrong",
    "POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\ntoken\r\n0\r\n\r\n",
    "GET /page.js HTTP/1.0\r\nAuthorization: Bearer x\r\nExpect: 100-continue\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "HEAD /%2e%2e/icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-1\r\n\r\n",
)
_PIECES = (
    b"\r\n", b"\n", b"\0", b"%", b"%00", b"%ff", b"\xff\xfe", b"\xc3\xa9", b":", b"[", b"]",
    b"?", b"#", b"//", b"../", b"Host: a\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999\r\n",
    b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\n", b"A" * 3000, b"=" * 500, b"; ",
    b"Cookie: sernet_edge=\xe9\r\n", b"Authorization: Bearer \xff\r\n", b"Origin: http://[\r\n",
    b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"token=%ff&token=", b"HTTP/9.9",
)  # fmt: skip


def _damaged(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(_SEEDS).encode())
    for _ in range(chance.randint(0, 6)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                data[place:place] = chance.choice(_PIECES)
            case 1:
                del data[place : place + chance.randint(1, 12)]
            case 2:
                data[place : place + 1] = chance.randbytes(1)
            case 3:
                data[place:place] = data[: chance.randint(0, len(data))]
    return bytes(data)


def test_damaged_requests_change_nothing(
    web: Web, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(13)
    answers: set[int] = set()
    for _ in range(400):
        request = _damaged(chance)
        with connect(web) as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: connection.recv(65_536), b""))  # noqa: B023
            except OSError:
                continue  # it was closed while it was being sent
        for head in answer.split(b"HTTP/1.1 ")[1:]:
            answers.add(int(head[:3]))
        # Only readers with the token get the page, its program and the events.
        assert b"EventSource" not in answer and b"event: session" not in answer, request
        assert TOKEN.encode() not in answer
    assert answers <= {100, 303, 400, 401, 403, 404, 405, 421, 501}
    assert {400, 401, 404, 405} <= answers
    assert status(web) == status(web, "/") == 200
    assert told.codes == []
    # asyncio and uvicorn log errors in the server.
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
    eventually(lambda: not len(web._connections), "no connection is left")


def test_the_page_s_addresses_include_the_ip_address_and_the_local_name() -> None:
    with closing(Web(Address("0.0.0.0", 0), None, SESSION, Told(), timing=True)) as web:
        shown = [urlsplit(page) for page in web.shown]
        address, name = (page.hostname or "" for page in shown)
        # One of the addresses that the system lists.
        told = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout
        assert address in told.split() and not ipaddress.ip_address(address).is_loopback
        assert name == f"{socket.gethostname().partition('.')[0].lower()}.local"
        tokens = {parse_qs(page.query)["token"][0] for page in shown}
        assert len(tokens) == 1  # the new token must be printed
        with socket.create_connection((address, port(web)), timeout=60):
            pass


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::"])
def test_a_token_that_the_user_chose_is_not_printed(address: str) -> None:
    with closing(Web(Address(address, 0), TOKEN, SESSION, Told(), timing=True)) as web:
        assert web.shown and not any(TOKEN in page for page in web.shown)
        assert all(page.endswith("/ asks for the token that you chose") for page in web.shown)


def test_without_a_route_the_address_is_that_of_an_interface(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sernet_edge.runtime.outputs import web_hosts

    class NoRoute(socket.socket):
        def connect(self, address: Any) -> None:
            raise OSError("Network is unreachable")

    with socket.create_server(("0.0.0.0", 0)) as listening:
        expected = web_hosts.hosts(listening)
        monkeypatch.setattr(web_hosts.socket, "socket", NoRoute)
        found = web_hosts.hosts(listening)
    assert found == expected
