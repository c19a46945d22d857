"""Outputs for records, one module each, fed one `Record` at a time.

docs/guides/outputs.md tells users.
"""

from __future__ import annotations

from typing import Protocol

from sernet_edge.runtime.records import Record

__all__ = ["Output"]


class Output(Protocol):
    """Something that shows or sends records; it never holds up who writes them."""

    def write(self, record: Record) -> None:
        """Give out one record, now."""

    def finish(self) -> None:
        """Say what there is to say at the end.

        Raises:
            SernetError: What was written could not be delivered; says what.
        """

    def close(self) -> None:
        """Leave everything as it was found, whatever happened."""
