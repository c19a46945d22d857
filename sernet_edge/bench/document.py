"""The document of a run: plain JSON, written by `run`, read by all that shows or compares it.

    {"format", "version", "made_with", "machine": {...}, "method": {...}, "warnings": [...],
     "changes": [...],
     "models": [{"name", "sha256", "size", "macs", "engine", "tflm", "accuracy", "latency", "cores",
                 "tflm_cores", "boards"}, ...]}

Wherever a section or a figure could not be had, {"not_measured": why and what to do} stands in
its place; nothing is guessed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sernet_edge.runtime.errors import SernetError

FORMAT = "sernet-bench"
VERSION = 1

Section = dict[str, Any]
"""Part of a document, JSON-ready."""

_HEAD = ("machine", "method", "warnings", "changes")

_SECTIONS = (
    "name", "sha256", "size", "macs", "engine", "tflm", "accuracy", "latency", "cores",
    "tflm_cores", "boards",
)  # fmt: skip


def not_measured(why: str) -> Section:
    """Return the mark for a section or a figure that could not be measured."""
    return {"not_measured": why}


def is_measured(section: Section) -> bool:
    """Whether a section or a figure is there."""
    return "not_measured" not in section


def document_text(document: Section) -> str:
    """Return a document as it is written to a file."""
    return json.dumps(document, indent=1) + "\n"


AGAIN = "make it again with `sernet-edge bench MODEL --json --out RUN.json`"
"""What to do about a run that cannot be read."""


def read_document(path: Path) -> Section:
    """Read a run.

    Raises:
        SernetError: The file cannot be read, is empty, was cut off, is not a run, or comes from a
            newer program.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SernetError(f"cannot read the run {path}: {error.strerror}") from error
    if not data.strip():
        raise SernetError(f"{path} is empty: the run was interrupted or printed elsewhere", AGAIN)
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SernetError(f"{path} is damaged or was cut off: {error}", AGAIN) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SernetError(f"{path} is not a run of `sernet-edge bench`", AGAIN)
    if document.get("version") != VERSION:
        raise SernetError(
            f"{path} has version {document.get('version')!r}, this program knows {VERSION}",
            "pip install --upgrade sernet-edge, or " + AGAIN,
        )
    models = document.get("models")
    if not isinstance(models, list) or not models:
        raise SernetError(f"{path} holds no model: the run was interrupted", AGAIN)
    for model in models:
        lacking = [s for s in _SECTIONS if not isinstance(model, dict) or s not in model]
        if lacking:
            raise SernetError(f"{path} is not whole: a model lacks {', '.join(lacking)}", AGAIN)
    if lacking := [key for key in _HEAD if key not in document]:
        raise SernetError(f"{path} is not whole: it lacks {', '.join(lacking)}", AGAIN)
    return document
