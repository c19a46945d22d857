"""Requests to the web page: whose they are, and what they bring."""

from __future__ import annotations

from starlette.requests import Request


def is_from_another_page(request: Request) -> bool:
    """Return whether a browser asks in the name of a page that this server did not send.

    Browsers send `Sec-Fetch-Site` to this machine itself and over TLS, `Origin` everywhere;
    programs neither.
    """
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


async def read_body(request: Request, most_bytes: int) -> bytes | None:
    """Return the body of a request; None where it is longer than `most_bytes`."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            return None
    return body
