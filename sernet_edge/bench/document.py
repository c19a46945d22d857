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

from sernet_edge.runtime.documents import DocumentFormat
from sernet_edge.runtime.errors import SernetError

FORMAT = DocumentFormat(
    "sernet-bench",
    version=1,
    what="a run of `sernet-edge bench`",
    again="make it again with `sernet-edge bench MODEL --json --out RUN.json`",
)

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


def read_document(path: Path) -> Section:
    """Read a run.

    Raises:
        SernetError: The file cannot be read, is empty, was cut off, is not a run, or comes from a
            newer program.
    """
    document = FORMAT.read(path)
    models = document.get("models")
    if not isinstance(models, list) or not models:
        raise SernetError(f"{path} holds no model: the run was interrupted", FORMAT.again)
    for model in models:
        lacking = [s for s in _SECTIONS if not isinstance(model, dict) or s not in model]
        if lacking:
            raise SernetError(
                f"{path} is not whole: a model lacks {', '.join(lacking)}", FORMAT.again
            )
    if lacking := [key for key in _HEAD if key not in document]:
        raise SernetError(f"{path} is not whole: it lacks {', '.join(lacking)}", FORMAT.again)
    return document
