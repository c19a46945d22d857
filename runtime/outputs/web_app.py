"""The web server's endpoints: login, the page and its parts, the live events."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from sernet_edge.runtime.outputs.health import Health
from sernet_edge.runtime.outputs.prometheus import CONTENT_TYPE, prometheus
from sernet_edge.runtime.outputs.web_access import Guard
from sernet_edge.runtime.outputs.web_connections import Connections
from sernet_edge.runtime.outputs.web_feed import Feed
from sernet_edge.runtime.outputs.web_guided import GuidedPages
from sernet_edge.runtime.outputs.web_recordings import RecordingPages
from sernet_edge.runtime.outputs.web_requests import is_from_another_page, read_body

_FOLDER = files("sernet_edge.runtime.outputs") / "page"

_SCRIPTS = ("page.js", "timeline.js", "words.js", "elements.js", "recordings.js", "guided.js")

_HEADERS = {
    # Nothing from other servers, no inline code, no frame around the page.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; media-src blob:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}

_WRONG_TOKEN_S = 1.0
"""Delay before the answer to a wrong token, against guessing."""

_MAX_FORM_BYTES = 2048

_Endpoint = Callable[[Request], Awaitable[Response]]


def application(
    feed: Feed,
    health: Health,
    guard: Guard,
    connections: Connections,
    card: Path | None = None,
    recordings: RecordingPages | None = None,
    guided: GuidedPages | None = None,
) -> Starlette:
    """Return the application that shows `feed` to the readers that `guard` allows.

    Args:
        feed: The records.
        health: The state, for monitoring programs.
        guard: Decides which requests are allowed.
        connections: Told about connections that may stay open.
        card: The model's card, sent as it is.
        recordings: Endpoints for recordings; None if nothing is recorded.
        guided: Endpoints of a guided session, whose page is then the first; None for no session.
    """
    door = _Door(guard)
    guarded = door.guarded
    first = (
        _page("page", "sernet-edge")
        if guided is None
        else _page("guided", "Teaching · sernet-edge")
    )
    routes = [
        Route("/", guarded(_sending(first, "text/html"))),
        *(Route(f"/{name}", guarded(_file(name, "text/javascript"))) for name in _SCRIPTS),
        Route("/events", guarded(_events(feed, connections))),
        Route("/card", guarded(_card(card))),
        *_health_routes(health, guarded),
        # The login form needs these, too.
        Route("/page.css", guarded(_file("page.css", "text/css"), for_all=True)),
        Route("/icon.svg", guarded(_file("icon.svg", "image/svg+xml"), for_all=True)),
        Route("/login", guarded(door.enter, for_all=True), methods=["POST"]),
    ]
    if recordings is not None:
        routes += [
            Route("/recordings", guarded(recordings.listed)),
            Route("/recordings/{name}.wav", guarded(recordings.audio)),
            Route("/recordings/{name}/mark", guarded(recordings.mark), methods=["PUT"]),
        ]
    if guided is not None:
        routes += [
            Route("/answer", guarded(guided.answer), methods=["POST"]),
            Route("/clip.wav", guarded(guided.clip)),
        ]
    return Starlette(routes=routes)


class _Door:
    """Lets in readers with the token, and asks others for it."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._form = (_FOLDER / "login.html").read_text("utf-8")

    def guarded(self, endpoint: _Endpoint, *, for_all: bool = False) -> _Endpoint:
        """Return an endpoint that answers only readers who are let in."""
        guard = self._guard

        @functools.wraps(endpoint)
        async def checked(request: Request) -> Response:
            if not guard.knows_host(request.headers.get("host", "")):
                response: Response = PlainTextResponse(
                    "This page answers to localhost and 127.0.0.1 only.\n", 421
                )
            elif guard.token and request.url.path == "/" and "token" in request.query_params:
                response = await self.enter(request)
            elif for_all or _is_known(request, guard):
                response = await endpoint(request)
            elif request.url.path == "/":
                response = await self.enter(request)
            else:
                response = PlainTextResponse("A token is needed.\n", 401)
            response.headers.update(_HEADERS)
            return response

        return checked

    async def enter(self, request: Request) -> Response:
        """Let in a reader with the token in the address or the form; else ask for it."""
        token = request.query_params.get("token")
        if request.method == "POST":
            token = await _token_of_form(request)
        if token is None:
            return self._asked("")
        if not self._guard.knows_token(token):
            await asyncio.sleep(_WRONG_TOKEN_S)
            return self._asked("This is not the token.")
        # Redirect to an address without the token: addresses are visible, and stored in histories.
        response = RedirectResponse("/", 303)
        cookie = self._guard.cookie
        response.set_cookie(self._guard.COOKIE, cookie, httponly=True, samesite="lax")
        return response

    def _asked(self, message: str) -> Response:
        return Response(self._form.replace("{message}", message), 401, media_type="text/html")


def _page(name: str, title: str) -> bytes:
    """Return a page: the common frame around the page's own content."""
    text = (_FOLDER / "frame.html").read_text("utf-8")
    content = (_FOLDER / f"{name}.html").read_text("utf-8")
    for place, own in (("title", title), ("name", name), ("content", content)):
        text = text.replace(f"{{{place}}}", own)
    return text.encode()


def _file(name: str, media_type: str) -> _Endpoint:
    """Return an endpoint that sends one of the page's files."""
    return _sending((_FOLDER / name).read_bytes(), media_type)


def _sending(content: bytes, media_type: str) -> _Endpoint:
    async def send(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return send


def _events(feed: Feed, connections: Connections) -> _Endpoint:
    """Return the endpoint that sends the records as they come."""

    async def events(request: Request) -> Response:
        # The other page could not read the answer, but it would take a reader's place.
        if is_from_another_page(request):
            return PlainTextResponse("Only this server's own page may follow the events.\n", 403)
        if feed.is_full:
            return PlainTextResponse("Too many readers.\n", 503)
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        connections.stay(request.scope["client"])
        return StreamingResponse(feed.messages(), media_type="text/event-stream")

    return events


def _card(card: Path | None) -> _Endpoint:
    """Return the endpoint that sends the model's card."""

    async def send(request: Request) -> Response:
        try:
            text = "" if card is None else card.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            text = ""
        return PlainTextResponse(text or "This model has no card.\n", 200 if text else 404)

    return send


def _health_routes(health: Health, guarded: Callable[[_Endpoint], _Endpoint]) -> list[Route]:
    """Return the endpoints for monitoring programs."""

    async def summary(request: Request) -> Response:
        told = health.summary()
        return JSONResponse(told, 200 if told["status"] == "ok" else 503)

    async def state(request: Request) -> Response:
        return JSONResponse(health.record())

    async def metrics(request: Request) -> Response:
        return Response(prometheus(health.record()), media_type=CONTENT_TYPE)

    return [
        Route("/health", guarded(summary)),
        Route("/state", guarded(state)),
        Route("/metrics", guarded(metrics)),
    ]


def _is_known(request: Request, guard: Guard) -> bool:
    """Return whether a request has the cookie, or the token as a program sends it."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and guard.knows_token(token.strip()):
        return True
    return guard.knows_cookie(request.cookies.get(guard.COOKIE, ""))


async def _token_of_form(request: Request) -> str:
    body = await read_body(request, _MAX_FORM_BYTES) or b""
    return parse_qs(body.decode("latin-1")).get("token", [""])[0]
