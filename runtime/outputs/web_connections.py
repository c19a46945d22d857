"""Limits the number and the duration of the web server's connections.

uvicorn has no timeout for a request and no limit per address: a few dozen idle connections would
lock out all readers.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 10.0
"""Time limit from the start of a connection, or from its last answer, to its next answer."""

_MAX_WAITING = 128
"""Limit of waiting connections, of all addresses together, ..."""

_MAX_WAITING_PER_ADDRESS = 8
"""... and of one address. A browser opens six."""

_GRACE_S = 0.25
"""The limit per address closes no younger connection: a request usually comes at once."""


class Connections:
    """The open connections. Use it in one event loop only.

    A connection either receives the events and stays open, or waits for a request or an answer,
    for at most `REQUEST_S`. Beyond a limit, the connection that has waited longest is closed, and
    not the new one: idle connections keep no reader out, not even one with the same address.
    """

    def __init__(self) -> None:
        """Start without connections."""
        # The network of each, and since when it waits; the one that waits longest first.
        self._waiting: dict[Connection, tuple[str, float]] = {}

    def __len__(self) -> int:
        """Return how many connections are waiting."""
        return len(self._waiting)

    def protocol(self) -> type[asyncio.Protocol]:
        """Return the class of a connection, for uvicorn."""
        return type("Connection", (Connection,), {"keeper": self})

    def stay(self, client: tuple[str, int] | None) -> None:
        """Keep the connection from this address and port open until its answer ends."""
        for connection in list(self._waiting):
            if client and connection.client == client:
                connection.stay()

    def enter(self, connection: Connection) -> None:
        """Count a connection as waiting; if there are too many, close others."""
        network = _network(connection.client)
        if len(self._waiting) >= _MAX_WAITING:
            counts = Counter(its for its, _ in self._waiting.values())
            self._close_oldest(counts.most_common(1)[0][0], 1)
        self._waiting[connection] = network, time.monotonic()
        connection.loop.call_later(_GRACE_S, self._trim, network)

    def leave(self, connection: Connection) -> None:
        """Stop counting a connection as waiting."""
        self._waiting.pop(connection, None)

    def _trim(self, network: str) -> None:
        """Close a network's oldest connections beyond its limit."""
        since = [when for its, when in self._waiting.values() if its == network]
        old = sum(when <= time.monotonic() - _GRACE_S for when in since)
        self._close_oldest(network, min(old, len(since) - _MAX_WAITING_PER_ADDRESS))

    def _close_oldest(self, network: str, number: int) -> None:
        ages = [one for one, (its, _) in self._waiting.items() if its == network]
        for connection in ages[: max(0, number)]:
            self.leave(connection)
            connection.transport.abort()


class Connection(H11Protocol):
    """uvicorn's connection, with a timeout for each request and its answer."""

    keeper: Connections
    _answer_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout of the first request."""
        super().connection_made(transport)
        self._begin_wait()

    def on_response_complete(self) -> None:
        """Start the timeout of the next request."""
        self._end_wait()
        self._begin_wait()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_wait()
        super().connection_lost(exc)

    def stay(self) -> None:
        """Remove the timeout of the current answer."""
        self._end_wait()

    def _begin_wait(self) -> None:
        self.keeper.enter(self)
        self._answer_due = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _end_wait(self) -> None:
        self.keeper.leave(self)
        if self._answer_due is not None:
            self._answer_due.cancel()
            self._answer_due = None


def _network(client: tuple[str, int] | None) -> str:
    """Return the address of a sender; of an IPv6 sender, the network, as it has many addresses."""
    try:
        address = ipaddress.ip_address((client or ("", 0))[0].partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
