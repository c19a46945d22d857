"""Answers of the web server: login, the page and its parts, the live events."""

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

_MEDIA_TYPES = {
    "page.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "timeline.js": "text/javascript",
    "words.js": "text/javascript",
    "elements.js": "text/javascript",
    "recordings.js": "text/javascript",
    "guided.html": "text/html",
    "guided.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

_SCRIPTS = [name for name in _MEDIA_TYPES if name.endswith(".js")]

_HEADERS = {
    # Nothing from elsewhere, nothing in the page itself, and no frame around it.
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
"""Pause before a wrong token is refused, against trying many."""

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
    """Return the application that shows `feed` to readers that `guard` knows.

    Args:
        feed: What is shown.
        health: What programs are told that watch the listener.
        guard: Knows the readers.
        connections: Are told of a connection that may stay open.
        card: The model's card, which is sent as it is.
        recordings: Answers about recordings; None where nothing is recorded.
        guided: Answers in a guided session, whose page is then the first one; None for none.
    """
    ask_for_token = (_FOLDER / "login.html").read_text("utf-8")

    def guarded(endpoint: _Endpoint, *, for_all: bool = False) -> _Endpoint:
        @functools.wraps(endpoint)
        async def checked(request: Request) -> Response:
            if not guard.knows_host(request.headers.get("host", "")):
                response: Response = PlainTextResponse(
                    "This page answers to localhost and 127.0.0.1 only.\n", 421
                )
            elif guard.token and request.url.path == "/" and "token" in request.query_params:
                response = await enter(request)
            elif for_all or _is_known(request, guard):
                response = await endpoint(request)
            elif request.url.path == "/":
                response = await enter(request)
            else:
                response = PlainTextResponse("A token is needed.\n", 401)
            response.headers.update(_HEADERS)
            return response

        return checked

    async def enter(request: Request) -> Response:
        """Let in who brings the token, in the address or the form; else ask for it."""
        token = request.query_params.get("token")
        if request.method == "POST":
            token = await _token_of_form(request)
        if token is None:
            return Response(ask_for_token.replace("{message}", ""), 401, media_type="text/html")
        if not guard.knows_token(token):
            await asyncio.sleep(_WRONG_TOKEN_S)
            text = ask_for_token.replace("{message}", "This is not the token.")
            return Response(text, 401, media_type="text/html")
        # To the page without the token in its address, which is seen and kept.
        response = RedirectResponse("/", 303)
        response.set_cookie(guard.COOKIE, guard.cookie, httponly=True, samesite="lax")
        return response

    async def events(request: Request) -> Response:
        # It could not read the answer, but it would take the place of a reader.
        if is_from_another_page(request):
            return PlainTextResponse("Only this server's own page may follow the events.\n", 403)
        if feed.is_full:
            return PlainTextResponse("Too many readers.\n", 503)
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        connections.stay(request.scope["client"])
        return StreamingResponse(feed.messages(), media_type="text/event-stream")

    async def send_card(request: Request) -> Response:
        try:
            text = "" if card is None else card.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            text = ""
        return PlainTextResponse(text or "This model has no card.\n", 200 if text else 404)

    def file(name: str) -> _Endpoint:
        content, media_type = (_FOLDER / name).read_bytes(), _MEDIA_TYPES[name]

        async def send(request: Request) -> Response:
            return Response(content, media_type=media_type)

        return send

    recorded = []
    if recordings is not None:
        recorded = [
            Route("/recordings", guarded(recordings.listed)),
            Route("/recordings/{name}.wav", guarded(recordings.audio)),
            Route("/recordings/{name}/mark", guarded(recordings.mark), methods=["PUT"]),
        ]
    first = "page.html"
    if guided is not None:
        first = "guided.html"
        recorded += [
            Route("/answer", guarded(guided.answer), methods=["POST"]),
            Route("/clip.wav", guarded(guided.clip)),
        ]
    return Starlette(
        routes=[
            Route("/", guarded(file(first))),
            *(Route(f"/{name}", guarded(file(name))) for name in _SCRIPTS),
            Route("/events", guarded(events)),
            Route("/card", guarded(send_card)),
            *_health_routes(health, guarded),
            *recorded,
            # What the form that asks for the token needs, too.
            Route("/page.css", guarded(file("page.css"), for_all=True)),
            Route("/icon.svg", guarded(file("icon.svg"), for_all=True)),
            Route("/login", guarded(enter, for_all=True), methods=["POST"]),
        ]
    )


def _health_routes(health: Health, guarded: Callable[[_Endpoint], _Endpoint]) -> list[Route]:
    """Return the routes for programs that watch the listener."""

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
    """Return whether a request brings the cookie, or the token as programs do."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and guard.knows_token(token.strip()):
        return True
    return guard.knows_cookie(request.cookies.get(guard.COOKIE, ""))


async def _token_of_form(request: Request) -> str:
    body = await read_body(request, _MAX_FORM_BYTES) or b""
    return parse_qs(body.decode("latin-1")).get("token", [""])[0]
