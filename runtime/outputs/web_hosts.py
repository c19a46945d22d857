"""Names under which other machines of the network reach this one."""

from __future__ import annotations

import ipaddress
import socket
import struct
from contextlib import suppress

_SIOCGIFADDR = 0x8915
"""Asks Linux for an interface's address; netdevice(7)."""


def hosts(listening: socket.socket) -> list[str]:
    """Return the names under which others reach a listening socket, as they stand in a URL.

    For a socket on all interfaces these are this machine's address in its network, if it has one,
    and its `.local` name, which other machines of the network find by multicast DNS (RFC 6762).
    """
    host = listening.getsockname()[0]
    if not ipaddress.ip_address(host).is_unspecified:
        return [f"[{host}]" if ":" in host else host]
    address = _own_address(listening.family)
    found = [f"[{address}]" if ":" in address else address] if address else []
    name = socket.gethostname().partition(".")[0]
    return [*found, f"{name}.local"] if name and name != "localhost" else found or ["localhost"]


def _own_address(family: int) -> str:
    """Return this machine's address in its network; empty if it has none."""
    # Connecting a datagram socket sends nothing: the system only chooses the address that it would
    # send from. Both targets are reserved for documentation (RFC 5737, RFC 3849).
    elsewhere = "192.0.2.1" if family == socket.AF_INET else "2001:db8::1"
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((elsewhere, 9))
            return str(asking.getsockname()[0])
        except OSError:  # no route out of the local network
            pass
        return _interface_address(asking) if family == socket.AF_INET else ""


def _interface_address(asking: socket.socket) -> str:
    """Return the IPv4 address of the first interface that is not the loopback."""
    try:
        import fcntl
    except ModuleNotFoundError:  # not on Windows
        return ""
    for _, interface in socket.if_nameindex():
        request = struct.pack("256s", interface.encode()[:15])
        with suppress(OSError):  # an interface without an address
            answer = fcntl.ioctl(asking, _SIOCGIFADDR, request)
            address = socket.inet_ntoa(answer[20:24])
            if not ipaddress.ip_address(address).is_loopback:
                return address
    return ""
