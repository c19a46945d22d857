"""Sends events to the web page's readers, to each at its own pace.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

_HISTORY_S = 300.0
"""Length of the history that a new reader gets, ..."""

_HISTORY_STEP_S = 0.5
"""... the least time between its results, ..."""

_LOG_LENGTH = 50
"""... and the number of its events and notices."""

_MAX_READERS = 16

_MAX_BEHIND = 100
"""A reader that is more messages behind is disconnected; its browser reconnects."""

_PING_S = 10.0
"""A comment is sent after this long without a message, so that both sides notice a dead link."""


class Feed:
    """Passes records to readers, and stores the last minutes for new readers.

    Call its methods in one event loop only.
    """

    def __init__(self, session: dict[str, Any]) -> None:
        """Start without history; `session` is the first message to each reader."""
        self._session = session
        self._results: deque[dict[str, Any]] = deque(maxlen=round(_HISTORY_S / _HISTORY_STEP_S))
        self._log: deque[dict[str, Any]] = deque(maxlen=_LOG_LENGTH)
        self._result_came_s: float | None = None
        self._readers: set[asyncio.Queue[str | None]] = set()

    @property
    def is_full(self) -> bool:
        """Whether no more readers can connect."""
        return len(self._readers) >= _MAX_READERS

    def put(self, record: dict[str, Any]) -> None:
        """Send a record to all readers."""
        if record["type"] == "result":
            self._result_came_s = time.monotonic()
        if record["type"] != "result":
            self._log.append(record)
        elif not self._results or (
            record["time_s"] - self._results[-1]["time_s"] >= 0.9 * _HISTORY_STEP_S
        ):
            self._results.append(record)
        message = _message("record", record)
        for reader in list(self._readers):
            try:
                reader.put_nowait(message)
            except asyncio.QueueFull:
                self._let_go(reader)

    def close(self) -> None:
        """Disconnect all readers."""
        for reader in list(self._readers):
            self._let_go(reader)

    async def messages(self) -> AsyncIterator[str]:
        """Yield the messages to one reader, until it is disconnected."""
        reader: asyncio.Queue[str | None] = asyncio.Queue(_MAX_BEHIND)
        self._readers.add(reader)
        try:
            history = {"results": list(self._results), "log": list(self._log), "age_s": self._age_s}
            yield "retry: 2000\n" + _message("session", self._session | history)
            while True:
                try:
                    message = await asyncio.wait_for(reader.get(), _PING_S)
                except TimeoutError:
                    message = ":\n\n"
                if message is None:
                    return
                yield message
        finally:
            self._readers.discard(reader)

    @property
    def _age_s(self) -> float | None:
        """Seconds since the last result came; None before the first."""
        came_s = self._result_came_s
        return None if came_s is None else round(time.monotonic() - came_s, 3)

    def _let_go(self, reader: asyncio.Queue[str | None]) -> None:
        self._readers.discard(reader)
        while not reader.empty():
            reader.get_nowait()
        reader.put_nowait(None)


def _message(kind: str, content: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n"
