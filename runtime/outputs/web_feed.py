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
        # The history is kept as JSON: as dictionaries it would take three times the memory.
        self._results: deque[str] = deque(maxlen=round(_HISTORY_S / _HISTORY_STEP_S))
        self._log: deque[str] = deque(maxlen=_LOG_LENGTH)
        self._next_result_s = float("-inf")  # the audio's time of the next result to keep
        self._result_came_s: float | None = None
        self._readers: set[asyncio.Queue[str | None]] = set()

    @property
    def is_full(self) -> bool:
        """Whether no more readers can connect."""
        return len(self._readers) >= _MAX_READERS

    def put(self, record: dict[str, Any]) -> None:
        """Send a record to all readers."""
        text = _json(record)
        if record["type"] != "result":
            self._log.append(text)
        else:
            self._result_came_s = time.monotonic()
            if record["time_s"] >= self._next_result_s:
                self._next_result_s = record["time_s"] + 0.9 * _HISTORY_STEP_S
                self._results.append(text)
        message = _message("record", text)
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
            yield "retry: 2000\n" + _message("session", self._session_text())
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

    def _session_text(self) -> str:
        """Return the session with its history, as JSON."""
        session = _json({**self._session, "age_s": self._age_s}).removesuffix("}")
        results, log = ", ".join(self._results), ", ".join(self._log)
        return f'{session}, "results": [{results}], "log": [{log}]}}'

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


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False)


def _message(kind: str, text: str) -> str:
    return f"event: {kind}\ndata: {text}\n\n"
