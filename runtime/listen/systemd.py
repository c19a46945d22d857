"""Tells a service manager that the program has started, is alive, or stops.

It sends datagrams of NAME=VALUE to the socket in NOTIFY_SOCKET, as in systemd's sd_notify(3). If no
service manager started the program, there is no such socket, and nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time

from sernet_edge.runtime.files import readable


class ServiceManager:
    """The service manager that started this process, if one did."""

    def __init__(self) -> None:
        """Read the manager's socket from the environment."""
        address = os.environ.get("NOTIFY_SOCKET", "")
        # A name with @ at its start is in Linux's abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = os.environ.get("WATCHDOG_USEC", "") if for_us else ""
        # Twice as often as the manager expects, as sd_watchdog_enabled(3) recommends.
        self._period_s = int(microseconds) / 2e6 if microseconds.isdecimal() else None
        self._last_s = float("-inf")

    def ready(self, status: str) -> None:
        """Tell the manager that the program has started."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """Set the text that `systemctl status` shows."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Tell the watchdog that the program is alive; call this at every progress."""
        now_s = time.monotonic()
        if self._period_s is not None and now_s - self._last_s >= self._period_s:
            self._last_s = now_s
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell the manager that the program is about to end."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.connect(self._address)
                sender.send(readable(message).encode())
            except OSError:
                pass  # The program goes on even if its manager is gone or busy.
