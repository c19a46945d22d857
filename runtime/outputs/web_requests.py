"""Checks of requests to the web page."""

from __future__ import annotations

from starlette.requests import Request


def is_from_another_page(request: Request) -> bool:
    """Return whether a browser sends the request for a page of another server.

    Browsers send `Sec-Fetch-Site` to loopback addresses and over TLS, and `Origin` everywhere;
    programs send neither.
    """
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


async def read_body(request: Request, most_bytes: int) -> bytes | None:
    """Return the body of a request; None if it is longer than `most_bytes`."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            return None
    return body
