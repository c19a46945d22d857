"""Tells a service manager that the program runs, is still alive, or stops.

The protocol of systemd's sd_notify(3): datagrams of NAME=VALUE to the socket that NOTIFY_SOCKET
names. Started by anything else, there is none, and nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time

from sernet_edge.runtime.files import readable


class ServiceManager:
    """The service manager that started this process, if one did."""

    def __init__(self) -> None:
        """Find it in the environment."""
        address = os.environ.get("NOTIFY_SOCKET", "")
        # A name that begins with @ lies in Linux's abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = os.environ.get("WATCHDOG_USEC", "") if for_us else ""
        # Twice as often as it must be, as sd_watchdog_enabled(3) recommends.
        self._period_s = int(microseconds) / 2e6 if microseconds.isdecimal() else None
        self._last_s = float("-inf")

    def ready(self, status: str) -> None:
        """Say that the start is over."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """Say what `systemctl status` should show."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Keep the watchdog quiet; to be called whenever there is progress."""
        now_s = time.monotonic()
        if self._period_s is not None and now_s - self._last_s >= self._period_s:
            self._last_s = now_s
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.connect(self._address)
                sender.send(readable(message).encode())
            except OSError:
                pass  # A manager that is gone or busy must not end what it manages.
