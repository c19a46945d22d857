"""The result of a check of the doctor. Imports nothing that may be missing."""

from __future__ import annotations

import dataclasses
from typing import Literal

from sernet_edge.runtime.errors import SernetError


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: What was looked at.
        state: "fail" where listening cannot work, "note" where something is missing or tight.
        text: What was found.
        todo: What to do about it; empty if nothing.
    """

    check: str
    state: Literal["ok", "note", "fail"]
    text: str
    todo: str = ""

    def __str__(self) -> str:
        """Return it as a line, and one more if there is something to do."""
        mark = {"ok": "ok  ", "note": "note", "fail": "FAIL"}[self.state]
        todo = f"\n{'':20}-> {self.todo}" if self.todo else ""
        return f"{mark}  {self.check:12}  {self.text}{todo}"


def failure(check: str, error: SernetError, todo: str = "") -> Finding:
    """Return an error as the result of a check; `todo` in place of the error's own hint."""
    return Finding(check, "fail", error.message, todo or error.hint)
