"""Where results go: one class an output, each fed one `Record` at a time."""

from __future__ import annotations

from typing import Protocol

from sernet_edge.runtime.outputs.json_lines import JsonLines
from sernet_edge.runtime.outputs.terminal import LiveView, PlainLines
from sernet_edge.runtime.records import Record

__all__ = ["JsonLines", "LiveView", "Output", "PlainLines"]


class Output(Protocol):
    """Something that shows or sends records."""

    def write(self, record: Record) -> None:
        """Give out one record, now."""

    def finish(self) -> None:
        """Say what there is to say when a recording has come to its end."""

    def close(self) -> None:
        """Leave everything as it was found, whatever happened."""
