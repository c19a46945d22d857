"""Passes records and notices to several outputs."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from typing import Literal, Protocol

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs import Output
from sernet_edge.runtime.records import Event, Notice, Record, Result


class Tell(Protocol):
    """`Outputs.tell`."""

    def __call__(
        self, code: str, text: str, level: Literal["info", "warning"] = "warning", /
    ) -> None:
        """Queue a notice, to be written before the next record."""


class Outputs:
    """Gives every record to several outputs.

    An output that has lost its broker or its disk reports it with `tell`, from any thread. All
    outputs get this notice before the next record.
    """

    def __init__(self) -> None:
        """Start without an output."""
        self._outputs: list[Output] = []
        self._stack = ExitStack()
        # More notices wait only if no record comes for hours; then the oldest are dropped.
        self._told: deque[tuple[str, str, Literal["info", "warning"]]] = deque(maxlen=100)
        self._time_s = 0.0

    def add(self, output: Output) -> None:
        """Add an output, which gets all records from now on; `close` closes it."""
        self._outputs.append(output)
        self._stack.callback(output.close)

    def tell(self, code: str, text: str, level: Literal["info", "warning"] = "warning", /) -> None:
        """Queue a notice, to be written before the next record; any thread may call this.

        Args:
            code: See `Notice.code`.
            text: See `Notice.text`.
            level: See `Notice.level`.
        """
        self._told.append((code, text, level))

    def write(self, record: Record) -> None:
        """Write the queued notices, then `record`."""
        match record:
            case Result() | Notice():
                self._time_s = record.time_s
            case Event(end_s=time_s) if time_s is not None:
                self._time_s = max(self._time_s, time_s)
        self._give_out_told()
        self._give_out(record)

    def finish(self) -> None:
        """Write the queued notices, and call `finish` of each output.

        Raises:
            SernetError: One output could not deliver its records; the others have finished.
        """
        failure: SernetError | None = None
        self._give_out_told()
        for output in self._outputs:
            try:
                output.finish()
            except SernetError as error:
                failure = failure or error
            self._give_out_told()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Close the outputs, the last one first; an error of one does not stop the others."""
        self._stack.close()

    def _give_out_told(self) -> None:
        while self._told:
            code, text, level = self._told.popleft()
            self._give_out(Notice(code, text, self._time_s, level))

    def _give_out(self, record: Record) -> None:
        for output in self._outputs:
            output.write(record)
