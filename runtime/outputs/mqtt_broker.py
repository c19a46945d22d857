"""The address of an MQTT broker, as users write it."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit


@dataclass(frozen=True)
class Broker:
    """The broker and the topics of its messages.

    Attributes:
        host: Name or address.
        port: TCP port.
        tls: Whether to encrypt.
        user: User to log in as; None for no login.
        prefix: The start of all topics.
    """

    host: str
    port: int
    tls: bool
    user: str | None = field(repr=False)
    prefix: str

    @classmethod
    def from_url(cls, url: str) -> Broker:
        """Parse `mqtt[s]://[user@]host[:port][/prefix]`.

        The default prefix is `sernet-edge/` and the name of this machine, so that two machines
        with the same broker are two devices.

        Raises:
            ValueError: The URL is not of this form. The message does not quote it, since it may
                contain a password.
        """
        parts = _split(url)
        if parts.query or parts.fragment:
            raise ValueError("nothing may follow the prefix")
        host, port = _host_and_port(parts)
        prefix = unquote(parts.path).strip("/") or f"sernet-edge/{_machine()}"
        if re.search(r"[+#\x00-\x1f\x7f]|//|^\$", prefix) or len(prefix) > 200:
            raise ValueError("its prefix must be a topic without wildcards or empty levels")
        if prefix.split("/")[0] == "homeassistant":
            raise ValueError("its prefix must not lie in Home Assistant's own topics")
        tls = parts.scheme == "mqtts"
        user = unquote(parts.username) if parts.username else None
        return cls(host, port or (8883 if tls else 1883), tls, user, prefix)

    def __str__(self) -> str:
        """Return its name for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the MQTT broker {host}:{self.port}"


def _split(url: str) -> SplitResult:
    scheme, _, rest = url.partition("://")
    if scheme not in ("mqtt", "mqtts"):
        raise ValueError("it must begin with mqtt:// or mqtts://")
    login = rest.rpartition("@")[0]
    if ":" in login:
        raise ValueError("it must not hold a password; --mqtt-password says where to put it")
    if re.search(r"[/?#]", login):
        raise ValueError(
            "only a user's name may stand before @, with %2F for /, %3F for ? and %23 for #; "
            "in the prefix, write %40 for @"
        )
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError(
            "its host is wrong: it must be a name, an IPv4 address, or an IPv6 address in brackets"
        ) from None


def _host_and_port(parts: SplitResult) -> tuple[str, int | None]:
    host = parts.hostname or ""
    if not re.fullmatch(r"[^\s/@]+", host):
        raise ValueError("it must name a host, and a port from 1 to 65535 if any")
    try:
        port = parts.port
    except ValueError as error:
        if "out of range" in str(error):
            raise ValueError("its port is out of range: it must be from 1 to 65535") from None
        raise ValueError("its host or port is wrong: a port is a number") from None
    if port == 0:
        raise ValueError("it must name a host, and a port from 1 to 65535 if any")
    try:
        # A socket encodes a name like this before it looks it up.
        host.encode("idna")
    except UnicodeError:
        raise ValueError(
            "its host or port is wrong: a part of the host's name is empty or too long"
        ) from None
    return host, port


def _machine() -> str:
    """Return this machine's name, without characters that a topic must not contain."""
    return re.sub(r"[^\w.-]", "_", socket.gethostname().partition(".")[0]) or "unnamed"
