"""Outputs for records, one module each; each gets one `Record` at a time.

The users' page is docs/guides/outputs.md.
"""

from __future__ import annotations

from typing import Protocol

from sernet_edge.runtime.records import Record

__all__ = ["Output"]


class Output(Protocol):
    """Shows or sends records, without making the caller wait."""

    def write(self, record: Record) -> None:
        """Show or send one record, at once."""

    def finish(self) -> None:
        """Write what belongs at the end, such as a summary.

        Raises:
            SernetError: Some records could not be delivered; says which.
        """

    def close(self) -> None:
        """Restore everything, such as the terminal, even after an error."""
