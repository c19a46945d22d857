"""Recordings of events on the web page: a list, their audio, and their marks."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.event_folder import EventFolder, Mark, Recording
from sernet_edge.runtime.outputs.web_requests import is_from_another_page, read_body

_MOST_LISTED = 50

_MAX_MARK_BYTES = 2048


class RecordingPages:
    """The server's endpoints for the recordings of one folder.

    They answer only this server's own page and programs. Another page, open in a browser on this
    machine, must not mark recordings or know of them.
    """

    def __init__(self, folder: EventFolder, labels: Sequence[str]) -> None:
        """Serve a folder.

        Args:
            folder: The folder of `listen --record`.
            labels: The model's labels, which a mark may name.
        """
        self._folder = folder
        self._labels = [label for label in labels if label != NONE]

    async def listed(self, request: Request) -> Response:
        """Send the newest recordings and the folder's name."""
        if is_from_another_page(request):
            return _refusal()
        try:
            newest = await asyncio.to_thread(self._newest)
        except SernetError as error:
            return PlainTextResponse(f"{error}\n", 500)
        return JSONResponse({"folder": str(self._folder.path), "recordings": newest})

    async def audio(self, request: Request) -> Response:
        """Send a recording's audio."""
        recording = self._asked_for(request)
        if isinstance(recording, Response):
            return recording
        try:
            content = await asyncio.to_thread(recording.path.read_bytes)
        except OSError:  # it was deleted to make room for another
            return _missing()
        return Response(content, media_type="audio/wav")

    async def mark(self, request: Request) -> Response:
        """Receive a mark, {"verdict": ..., "label": ...}, or null to remove it."""
        recording = self._asked_for(request)
        if isinstance(recording, Response):
            return recording
        try:
            mark = self._mark_of(recording, await read_body(request, _MAX_MARK_BYTES))
        except ValueError as error:
            return PlainTextResponse(f"This is not a mark: {error}.\n", 400)
        try:
            await asyncio.to_thread(recording.set_mark, mark)
        except SernetError as error:
            return PlainTextResponse(f"{error}\n", 500)
        return JSONResponse(_entry(recording))

    def _asked_for(self, request: Request) -> Recording | Response:
        """Return the recording that a request names, or the answer that there is none."""
        if is_from_another_page(request):
            return _refusal()
        return self._folder.find(request.path_params["name"]) or _missing()

    def _mark_of(self, recording: Recording, body: bytes | None) -> Mark | None:
        """Return the mark in a request.

        Raises:
            ValueError: The request contains no valid mark.
        """
        asked: Any = json.loads(body or b"")
        if asked is None:
            return None
        if not isinstance(asked, dict):
            raise ValueError("it must be an object or null")
        label = asked.get("label")
        if label is not None and label not in self._labels:
            raise ValueError("the model has no such emotion")
        return Mark.of(asked.get("verdict"), recording, label)  # type: ignore[arg-type]

    def _newest(self) -> list[dict[str, Any]]:
        return [_entry(one) for one in itertools.islice(self._folder.recordings(), _MOST_LISTED)]


def _entry(recording: Recording) -> dict[str, Any]:
    """Return a recording's entry in the page's list."""
    try:
        mark = recording.mark()
    except SernetError:
        mark = None  # a damaged mark can be replaced
    onset = datetime.fromisoformat(recording.began) + timedelta(seconds=recording.onset_s)
    lasted_s = None if recording.end_s is None else round(recording.end_s - recording.onset_s, 3)
    return {
        "name": recording.name,
        "label": recording.label,
        "utc": onset.isoformat(timespec="milliseconds"),
        "lasted_s": lasted_s,
        "peak": recording.peak,
        "mark": None if mark is None else {"verdict": mark.verdict, "label": mark.label},
    }


def _refusal() -> Response:
    return PlainTextResponse("Only this server's own page may ask for recordings.\n", 403)


def _missing() -> Response:
    return PlainTextResponse("There is no such recording.\n", 404)
