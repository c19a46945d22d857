"""A guided session on the web page: receives the answers, and sends the recorded clip."""

from __future__ import annotations

import json
import queue
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sernet_edge.runtime.outputs.web_requests import is_from_another_page, read_body

_MAX_ANSWER_BYTES = 256


class GuidedPages:
    """The server's endpoints for a guided session.

    Attributes:
        question: Number of the current question; an answer to another one is too late.
        sound: The clip to play, a WAV file.
    """

    def __init__(self) -> None:
        """Wait for the first question."""
        self.question = 0
        self.sound = b""
        self._answers: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()

    def answered(self) -> str | None:
        """Return the answer to the current question; None if there is none yet."""
        while True:
            try:
                question, key = self._answers.get_nowait()
            except queue.Empty:
                return None
            if question == self.question:
                return key

    async def answer(self, request: Request) -> Response:
        """Receive an answer: {"question": 3, "key": "r"}."""
        if is_from_another_page(request):
            return PlainTextResponse("Only this server's own page may answer.\n", 403)
        try:
            given: Any = json.loads(await read_body(request, _MAX_ANSWER_BYTES) or b"")
            question, key = given["question"], given["key"]
        except (ValueError, KeyError, TypeError):
            return PlainTextResponse("This is not an answer.\n", 400)
        if not isinstance(key, str) or question != self.question:
            return PlainTextResponse("The question was answered already.\n", 409)
        self._answers.put((question, key))
        return Response(status_code=204)

    async def clip(self, request: Request) -> Response:
        """Send the clip to play."""
        if is_from_another_page(request):
            return PlainTextResponse("Only this server's own page may play the clip.\n", 403)
        if not self.sound:
            return PlainTextResponse("There is no clip to play.\n", 404)
        return Response(self.sound, media_type="audio/wav")
