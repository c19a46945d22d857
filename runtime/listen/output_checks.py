"""Tries the outputs as `listen` would, and leaves everything as it was."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.listen.finding import Finding, failure

if TYPE_CHECKING:
    from sernet_edge.runtime.listen.decision_options import DecisionSettings
    from sernet_edge.runtime.listen.output_options import OutputSettings

# Below the first, nothing can be written for long; below the second, not for a day.
_FULL_BYTES = 1_000_000
_TIGHT_BYTES = 100_000_000


def broker_finding(outputs: OutputSettings) -> Finding:
    """Log in to the broker of `--mqtt`."""
    from sernet_edge.runtime.outputs import mqtt_link
    from sernet_edge.runtime.outputs.mqtt_broker import Broker

    broker = Broker.from_url(outputs.mqtt or "")
    try:
        mqtt_link.check(broker, outputs.mqtt_password)
    except SernetError as error:
        return failure("mqtt", error)
    login = "without a login" if broker.user is None else "with the login"
    return Finding("mqtt", "ok", f"connected to {broker} {login}")


def port_finding(outputs: OutputSettings) -> Finding:
    """Open the port of `--web` for a moment."""
    from sernet_edge.runtime.outputs.web_access import Address, Guard
    from sernet_edge.runtime.outputs.web_hosts import hosts

    try:
        with Address.from_text(outputs.web or "").listen() as listening:
            host, port = listening.getsockname()[:2]
            pages = ", ".join(f"http://{name}:{port}/" for name in hosts(listening))
    except SernetError as error:
        todo = f"end what uses the port (a running service?), or {error.hint}"
        return failure("web", error, todo if "in use" in error.message else "")
    guard = Guard(host, outputs.web_token)
    asks = "asks for no token"
    if guard.token:
        asks = "asks for a new token" if guard.is_token_new else "asks for your token"
    return Finding("web", "ok", f"port {port} is free: {pages}; the page {asks}")


def file_findings(
    decisions: DecisionSettings, outputs: OutputSettings, labels: tuple[str, ...]
) -> Iterator[Finding]:
    """Check the files and the folder of the outputs."""
    from sernet_edge.runtime.outputs.csv_rows import CsvRows
    from sernet_edge.runtime.outputs.json_lines import JsonLines

    # There are two results a second, each of 250 bytes as a row or 450 as JSON.
    for check, name in (("json", outputs.json), ("csv", outputs.csv)):
        if name is None or name == "-":
            continue
        try:
            there = _Present(Path(name))
            if check == "json":
                JsonLines(there)
            else:
                CsvRows(there, labels, not outputs.no_timing)
            yield _room(check, f"{name} can be written", Path(name).parent, _TIGHT_BYTES)
        except SernetError as error:
            yield failure(check, error)
    if decisions.record is not None:
        folder = decisions.record
        try:
            _try_folder(folder if folder.exists() else folder.parent)
            told = f"recordings can be kept in {folder}"
            yield _room("record", told, folder, decisions.record_limit * 1_000_000)
        except SernetError as error:
            yield failure("record", error)


class _Present:
    """A file that is checked and not written to, in the place of `Lines`.

    Attributes:
        name: See `Lines`.
        first_line: See `Lines`.
    """

    def __init__(self, path: Path) -> None:
        """Check whether the file can be written.

        Raises:
            SernetError: It cannot; says why.
        """
        self.name = str(path)
        self.first_line = ""
        if not path.exists():
            _try_folder(path.parent)
        elif path.is_dir():
            raise SernetError(f"cannot write {path}: it is a folder", "name a file")
        elif not os.access(path, os.W_OK):
            raise SernetError(f"cannot write {path}: no permission", "name another file")
        elif path.is_file():
            from sernet_edge.runtime.outputs.lines import first_line

            self.first_line = first_line(path)

    def write(self, line: str) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Leave everything as it was."""


def _try_folder(folder: Path) -> None:
    """Write to a temporary file without a name in `folder`.

    Raises:
        SernetError: The folder cannot be written to.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise SernetError(
            f"cannot write to the folder {folder}: {error.strerror}",
            "check that the folder exists, is writable and has space",
        ) from error


def _room(check: str, told: str, folder: Path, wanted_bytes: int) -> Finding:
    """Return a finding about the space left in a folder."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    free_bytes = shutil.disk_usage(there).free
    told += f"; free: {free_bytes / 1e9:.1f} GB"
    if free_bytes < _FULL_BYTES:
        return Finding(check, "fail", f"{told}: the disk is full", "make room")
    if free_bytes < wanted_bytes:
        wanted = f"{wanted_bytes / 1e6:.0f} MB"
        if check == "record":
            todo = f"make room, or give a smaller --record-limit than the {wanted} of now"
        else:
            todo = f"make room: a day of results may take {wanted}"
        return Finding(check, "note", told, todo)
    return Finding(check, "ok", told)
