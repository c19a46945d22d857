"""A web page with live results.

It needs Starlette and uvicorn (the extra `web`), both pure Python. They run in a thread of their
own, so that slow readers don't delay the listener.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs.fan_out import Tell
from sernet_edge.runtime.outputs.health import Health
from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.outputs.web_access import Address, Guard
from sernet_edge.runtime.outputs.web_feed import Feed
from sernet_edge.runtime.outputs.web_hosts import hosts
from sernet_edge.runtime.records import Event, Record, Result

if TYPE_CHECKING:
    from sernet_edge.runtime.outputs.web_guided import GuidedPages

_MIN_INTERVAL_S = 0.05
"""The least time between results; faster ones, as in a recording, are left out."""

_STALLED_MS = 30_000
"""The system closes a connection whose other side has not answered for this long."""

_SEND_BUFFER_BYTES = 65_536
"""The system's send buffer of a connection; with a larger one, a lost reader looks alive longer."""

_LAST_WAIT_S = 3.0

_SERVER: dict[str, Any] = {
    "ws": "none",
    "loop": "asyncio",
    "lifespan": "off",
    "log_config": None,
    "log_level": "critical",
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
    "timeout_graceful_shutdown": 1,
}
"""Settings of uvicorn."""


class Web:
    """Serves the page and, on `/events`, every record as server-sent events.

    Attributes:
        url: The URL to open in a browser, with the token if there is one.
        shown: The page's addresses, for the user. A token that the user chose is left out, since
            the output may end up in a journal.
    """

    def __init__(
        self,
        address: Address,
        token: str | None,
        session: Session,
        tell: Tell,
        timing: bool,
        guided: GuidedPages | None = None,
    ) -> None:
        """Begin to serve.

        Args:
            address: Address to listen on.
            token: Token to ask for; None for a new one, or for none on a loopback address.
            session: The source and the model.
            tell: Called if the server fails.
            timing: Whether the records contain computing times.
            guided: Endpoints of a guided session, whose page replaces that of the records.

        Raises:
            SernetError: A package is not installed, or the address cannot be listened on.
        """
        try:
            import uvicorn

            from sernet_edge.runtime.outputs.web_app import application
            from sernet_edge.runtime.outputs.web_connections import Connections
            from sernet_edge.runtime.outputs.web_recordings import RecordingPages
        except ModuleNotFoundError as error:
            raise SernetError(
                f"--web needs the Python package {error.name!r}",
                hint="pip install 'sernet-edge[web]'",
            ) from error
        self._timing = timing
        self._tell = tell
        self._feed = Feed(session.record())
        self._health = Health(session, timing)
        self._skipped: Result | None = None
        self._next_s = 0.0
        self._heard = (0.0, time.time())  # a time of the audio, and the time of day then

        listening = address.listen()
        guard = Guard(listening.getsockname()[0], token)
        self.url, self.shown = _addresses(listening, guard)
        _end_dead_connections(listening)
        self._connections = Connections()
        recordings = None
        if session.recordings is not None:
            recordings = RecordingPages(session.recordings, session.contract.labels)
        pages = application(
            self._feed, self._health, guard, self._connections, session.card, recordings, guided
        )
        config = uvicorn.Config(pages, http=self._connections.protocol(), **_SERVER)
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._serve, args=(listening,), name="web", daemon=True
        )
        self._thread.start()

    def write(self, record: Record) -> None:
        """Pass a record to the serving thread."""
        self._health.put(record)
        if isinstance(record, Result):
            self._heard = (record.time_s, time.time())
            now_s = time.monotonic()
            self._skipped = record if now_s < self._next_s else None
            if self._skipped:
                return
            self._next_s = now_s + _MIN_INTERVAL_S
        self._send(record)

    def finish(self) -> None:
        """Show the last result, even if it came soon after the one before."""
        if self._skipped:
            self._send(self._skipped)

    def close(self) -> None:
        """Close all connections and stop serving."""
        with suppress(RuntimeError):  # the loop is already closed
            self._loop.call_soon_threadsafe(self._feed.close)
        self._server.should_exit = True
        self._thread.join(_LAST_WAIT_S)

    def _send(self, record: Record) -> None:
        content = record.record(self._timing)
        if self._timing:
            content["utc"] = self._utc(record)
        self.put(content)

    def put(self, content: dict[str, Any]) -> None:
        """Pass content for the page, which has a `type`, to the serving thread."""
        with suppress(RuntimeError):  # the loop is closed, which a notice has reported
            self._loop.call_soon_threadsafe(self._feed.put, content)

    def _utc(self, record: Record) -> str:
        """Return the time of day of a record's audio: an event's start, a window's end."""
        time_s = record.start_s if isinstance(record, Event) else record.time_s
        heard_s, heard_at = self._heard
        heard = datetime.fromtimestamp(heard_at + time_s - heard_s, UTC)
        return heard.isoformat(timespec="milliseconds")

    def _serve(self, listening: socket.socket) -> None:
        """Serve until `close`; runs in the thread."""
        asyncio.set_event_loop(self._loop)
        try:
            with listening:
                self._loop.run_until_complete(self._server.serve([listening]))
        except Exception as error:  # noqa: BLE001 - listening goes on after any error
            self._tell("web-lost", f"the web page has ended: {error}; start again to have it back")
        finally:
            self._loop.run_until_complete(self._end_connections())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _end_connections(self) -> None:
        """Close connections and tasks that are still open after the server has stopped."""
        for connection in list(self._server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _addresses(listening: socket.socket, guard: Guard) -> tuple[str, list[str]]:
    """Return a server's `Web.url` and `Web.shown`."""
    port = listening.getsockname()[1]
    pages = [f"http://{name}:{port}/" for name in hosts(listening)]
    query = f"?token={quote(guard.token)}" if guard.token else ""
    if guard.token and not guard.is_token_new:
        shown = [f"{page} asks for the token that you chose" for page in pages]
    else:
        shown = [page + query for page in pages]
    return pages[0] + query, shown


def _end_dead_connections(listening: socket.socket) -> None:
    """Make the system close connections whose other side is gone or stalled.

    A telephone that leaves the network closes no connection. Within a month, such connections would
    use up all that are allowed.
    """
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    with suppress(AttributeError):  # only Linux has these; connections inherit them
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _STALLED_MS // 1000)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED_MS)
