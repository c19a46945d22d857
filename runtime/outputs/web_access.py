"""Access to the web page: the address, the token, and the allowed host names."""

from __future__ import annotations

import errno
import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import socket
from dataclasses import dataclass

from sernet_edge.runtime.errors import SernetError

DEFAULT_ADDRESS = "127.0.0.1:8723"

MIN_TOKEN = 16
"""The least length of a token, so that nobody can guess it."""


@dataclass(frozen=True)
class Address:
    """An address to listen on.

    Attributes:
        host: Name or address of one of this machine's interfaces; 0.0.0.0 and :: mean all.
        port: TCP port; 0 for any free one.
    """

    host: str
    port: int

    @classmethod
    def from_text(cls, text: str) -> Address:
        """Parse `PORT`, `HOST` or `HOST:PORT`; an IPv6 address is in brackets.

        Raises:
            ValueError: The text has another form.
        """
        default_host, _, default_port = DEFAULT_ADDRESS.rpartition(":")
        if re.fullmatch(r"[0-9]+", text):
            text = f"{default_host}:{text}"
        match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]/@]+)(?::([0-9]{1,5}))?", text)
        if match is None or int(match[2] or 0) > 65_535:
            raise ValueError("it must be HOST:PORT, HOST or PORT, with a port up to 65535")
        return cls(match[1].strip("[]"), int(match[2] or default_port))

    def listen(self) -> socket.socket:
        """Return a socket that accepts connections.

        Raises:
            SernetError: The host is not this machine's, or the port is in use or not allowed.
        """
        try:
            family, *_, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            return socket.create_server(address[:2], family=family)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = "give --web another port, or port 0 for any that is free"
            if isinstance(error, (socket.gaierror, UnicodeError)) or (
                error.errno == errno.EADDRNOTAVAIL
            ):
                hint = "give --web a name or an address of this computer, or 0.0.0.0 for all"
            if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
                reason = os.strerror(error.errno)  # without Python's additions
            raise SernetError(
                f"cannot serve the web page on {self.host} port {self.port}: {reason}",
                hint=hint,
            ) from error


class Guard:
    """Decides which requests are allowed.

    On a loopback address, all programs of this machine are allowed, but only under a name of this
    machine. Otherwise a foreign web page could let its own name point here and read along through
    the browser ("DNS rebinding"). On any other address the guard asks for a token; a cookie
    remembers a browser that has sent it. The name does not matter then: a browser sends the cookie
    only to the name that set it.
    """

    COOKIE = "sernet_edge"

    token: str | None
    """The token to ask for; None for none."""

    is_token_new: bool
    """Whether the token was generated here, so that the user must be told."""

    def __init__(self, address: str, token: str | None) -> None:
        """Guard a server that listens on `address`, an IP address.

        Args:
            address: The socket's address.
            token: Token to ask for; None for a new one, or for none on a loopback address.
        """
        self._loopback = ipaddress.ip_address(address).is_loopback
        self.is_token_new = token is None and not self._loopback
        self.token = token or (None if self._loopback else secrets.token_urlsafe(24))

    def knows_host(self, header: str) -> bool:
        """Return whether a request with this `Host` is allowed."""
        if self.token is not None:
            return True
        host = re.sub(r":[0-9]*$", "", header).strip("[]").rstrip(".").lower()
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def knows_token(self, token: str) -> bool:
        """Return whether this is the token; the time does not depend on which characters match."""
        return self.token is None or hmac.compare_digest(token.encode(), self.token.encode())

    def knows_cookie(self, cookie: str) -> bool:
        """Return whether `cookie` belongs to a browser that has sent the token."""
        return self.token is None or hmac.compare_digest(cookie.encode(), self.cookie.encode())

    @property
    def cookie(self) -> str:
        """The cookie of a browser that has sent the token, which it does not reveal."""
        return hmac.new((self.token or "").encode(), b"cookie", hashlib.sha256).hexdigest()
