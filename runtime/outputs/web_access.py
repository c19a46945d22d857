"""Access to the web page: the address, the token, and the host names that are answered."""

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
"""Characters of a token, at least: it must not be guessed by trying."""


@dataclass(frozen=True)
class Address:
    """Address that a server listens on.

    Attributes:
        host: Name or address of one of this machine's interfaces; 0.0.0.0 and :: are all.
        port: TCP port; 0 for any that is free.
    """

    host: str
    port: int

    @classmethod
    def from_text(cls, text: str) -> Address:
        """Take `PORT`, `HOST` or `HOST:PORT` apart; an IPv6 address stands in brackets.

        Raises:
            ValueError: It has another form.
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
                reason = os.strerror(error.errno)  # without what Python adds
            raise SernetError(
                f"cannot serve the web page on {self.host} port {self.port}: {reason}",
                hint=hint,
            ) from error


class Guard:
    """Decides about requests.

    On a loopback address all programs of this machine are let in, but only under a name that means
    this machine: a web page elsewhere could otherwise have its own name point here and read
    along through the browser ("DNS rebinding"). On any other address a token is asked for, and a
    browser that has shown it is remembered with a cookie. Names do not matter then: the browser
    sends the cookie to the name that it came from alone.
    """

    COOKIE = "sernet_edge"

    token: str | None
    """What is asked for, if anything."""

    is_token_new: bool
    """Whether the token was made here, so that the user has yet to be told."""

    def __init__(self, address: str, token: str | None) -> None:
        """Guard a server that listens on `address`, an IP address.

        Args:
            address: Of the socket.
            token: To be asked for; None for a new one, or none at all on loopback.
        """
        self._loopback = ipaddress.ip_address(address).is_loopback
        self.is_token_new = token is None and not self._loopback
        self.token = token or (None if self._loopback else secrets.token_urlsafe(24))

    def knows_host(self, header: str) -> bool:
        """Return whether the `Host` of a request may be answered."""
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
        """Return whether this is the token; takes as long for any of one length."""
        return self.token is None or hmac.compare_digest(token.encode(), self.token.encode())

    def knows_cookie(self, cookie: str) -> bool:
        """Return whether `cookie` was given to a browser that showed the token."""
        return self.token is None or hmac.compare_digest(cookie.encode(), self.cookie.encode())

    @property
    def cookie(self) -> str:
        """The browser's cookie for the token; the token does not follow from it."""
        return hmac.new((self.token or "").encode(), b"cookie", hashlib.sha256).hexdigest()
