"""The result of one of the doctor's checks. Imports only the standard library."""

from __future__ import annotations

import dataclasses
from typing import Literal

from sernet_edge.runtime.errors import SernetError


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: What was checked.
        state: "fail" if listening cannot work, "note" if something is missing or scarce, or "ok".
        text: What the check found.
        todo: What to do about it; empty if nothing.
    """

    check: str
    state: Literal["ok", "note", "fail"]
    text: str
    todo: str = ""

    def __str__(self) -> str:
        """Return it as a line, with a second line if there is something to do."""
        mark = {"ok": "ok  ", "note": "note", "fail": "FAIL"}[self.state]
        todo = f"\n{'':20}-> {self.todo}" if self.todo else ""
        return f"{mark}  {self.check:12}  {self.text}{todo}"


def failure(check: str, error: SernetError, todo: str = "") -> Finding:
    """Return an error as a check's result; `todo` replaces the error's own hint."""
    return Finding(check, "fail", error.message, todo or error.hint)
