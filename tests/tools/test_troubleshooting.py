"""The code still contains every message that docs/guides/troubleshooting.md explains."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guides" / "troubleshooting.md").read_text()
FOLDERS = ("runtime", "train", "convert", "firmware_export", "sernet_edge")


def _texts() -> Iterator[str]:
    """Yield the strings of the code; `...` stands for values that the program inserts."""
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "..."
                    for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


TEXTS = list(_texts())


def _messages() -> list[str]:
    rows = PAGE.partition("## Notices")[0].splitlines()
    return [row.split("`")[1] for row in rows if row.startswith("| `")]


def _is_said(message: str) -> bool:
    return any(message in text for text in TEXTS)


def test_the_code_contains_each_message() -> None:
    assert len(_messages()) > 20
    assert [message for message in _messages() if not _is_said(message)] == []


def test_the_test_finds_a_message_that_is_not_in_the_code() -> None:
    assert not _is_said("the moon is full")


def test_the_notices_match_the_code() -> None:
    codes = re.findall(r"`([a-z-]+)`", PAGE.partition("## Notices")[2])
    assert [code for code in codes if code not in TEXTS] == []
