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
"""Time that a new reader is shown, ..."""

_HISTORY_STEP_S = 0.5
"""... with results at least so far apart, ..."""

_LOG_LENGTH = 50
"""... and so many events and notices."""

_MAX_READERS = 16

_MAX_BEHIND = 100
"""Messages that a reader may be behind before it is let go; its browser then begins anew."""

_PING_S = 10.0
"""A comment is sent when nothing was for this long, so that both sides notice a dead connection."""


class Feed:
    """Passes records on to readers, and keeps the last minutes for those to come.

    Lives in one event loop: its methods are called there and nowhere else.
    """

    def __init__(self, session: dict[str, Any]) -> None:
        """Start without history; `session` is what each reader is told first."""
        self._session = session
        self._results: deque[dict[str, Any]] = deque(maxlen=round(_HISTORY_S / _HISTORY_STEP_S))
        self._log: deque[dict[str, Any]] = deque(maxlen=_LOG_LENGTH)
        self._result_came_s: float | None = None
        self._readers: set[asyncio.Queue[str | None]] = set()

    @property
    def is_full(self) -> bool:
        """Whether no more readers are taken."""
        return len(self._readers) >= _MAX_READERS

    def put(self, record: dict[str, Any]) -> None:
        """Give a record to all readers."""
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
        """Let all readers go."""
        for reader in list(self._readers):
            self._let_go(reader)

    async def messages(self) -> AsyncIterator[str]:
        """Yield what one reader is sent, until it is let go."""
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
