"""Generates the reference of the C interface, in Markdown, from the headers.

A comment belongs to the declaration that follows it: a function, a type or a macro.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

HEADERS = (
    "sernet.h",
    "sernet_decide.h",
    "sernet_drift.h",
    "sernet_head.h",
    "sernet_selftest.h",
    "sernet_serial.h",
    "sernet_network.h",
    "sernet_frontend.h",
)
"""Headers that users include; the first is the one to begin with."""

_FOLDER = Path(__file__).parents[1] / "firmware_export" / "csrc"

_COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
_NAME = re.compile(r"\b(sernet\w+|SERNET\w+)\b")
_FUNCTION = re.compile(r"\b(sernet_\w+)\(")
_TYPE = re.compile(r"\}\s*(sernet_\w+);|^typedef [^({]*\b(sernet_\w+);")
_MACRO = re.compile(r"^#define (SERNET_\w+)")


def reference() -> str:
    """Return the page."""
    parts = [
        "# C\n\nMade from the headers in an export's `src/`. Programs include `sernet.h`; "
        "[firmware.md](../guides/firmware.md) shows how.\n"
    ]
    for name in HEADERS:
        parts += _header(name, (_FOLDER / name).read_text(encoding="utf-8"))
    return "\n".join(parts)


def _header(name: str, text: str) -> list[str]:
    first = _COMMENT.match(text)
    parts = [f"## {name}\n", _prose(first[1] if first else "") + "\n"]
    for title, comment, code in declarations(text[first.end() if first else 0 :]):
        parts.append(f"### {title}\n")
        if comment:
            parts.append(f"{_prose(comment)}\n")
        parts.append(f"```c\n{code}\n```\n")
    return parts


def declarations(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, comment and code of each declaration with a comment right before it."""
    for match in _COMMENT.finditer(text):
        if "\n" not in text[: match.start()] or text[: match.start()].rsplit("\n", 1)[1].strip():
            continue  # a comment at the end of a line
        code = _declaration(text[match.end() :])
        found = _FUNCTION.search(code) or _TYPE.search(code) or _MACRO.search(code)
        if found and not code.startswith("#if"):
            yield next(filter(None, found.groups())), match[1], code


def _declaration(after: str) -> str:
    """Return the declaration at the start of a text; empty if there is none."""
    after = re.sub(r"^\n", "", after)
    if after.startswith("\n"):
        return ""
    lines: list[str] = []
    depth = 0
    for line in after.splitlines():
        if line.startswith("#") and not depth and lines and not lines[-1].endswith("\\"):
            break
        bare = _COMMENT.sub("", line)
        if bare.endswith(") {"):  # an inline function: its body is left out
            lines.append(bare.removesuffix(" {") + ";")
            break
        lines.append(line)
        if lines[0].startswith("#"):
            if not line.endswith("\\"):
                break
            continue
        depth += bare.count("{") - bare.count("}")
        if depth <= 0 and bare.rstrip().endswith((";", "}")):
            break
    return "\n".join(lines).rstrip()


def _prose(comment: str) -> str:
    """Return a comment's text as Markdown; its indented lines are code."""
    lines = [re.sub(r"^ ?\* ?", "", line.strip("\n")) for line in comment.split("\n")]
    text = "\n".join(line.rstrip() for line in lines).strip()
    return text.replace("<", "&lt;") if "    " not in text else text
