"""JSON files that state their own format and version."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from sernet_edge.runtime.errors import SernetError


@dataclass(frozen=True)
class DocumentFormat:
    """A kind of JSON file.

    Attributes:
        name: The file's entry "format".
        version: The file's entry "version"; files of other versions are refused.
        what: A noun with its article, for "FILE is not ...".
        again: How to make the file again, as an imperative.
    """

    name: str
    version: int
    what: str
    again: str

    def head(self) -> dict[str, Any]:
        """Return the file's first entries: "format" and "version"."""
        return {"format": self.name, "version": self.version}

    def read(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Read a file of this format; return all of its entries.

        Raises:
            SernetError: The file cannot be read, is empty, was cut off, or has another format or
                version.
        """
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError as error:
            raise SernetError(f"cannot read {path}: {error.strerror}") from error
        if not data.strip():
            raise SernetError(f"{path} is empty: what wrote it was interrupted", self.again)
        try:
            document: Any = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise SernetError(f"{path} is damaged or was cut off: {error}", self.again) from error
        if not isinstance(document, dict) or document.get("format") != self.name:
            raise SernetError(f"{path} is not {self.what}", self.again)
        if document.get("version") != self.version:
            raise SernetError(
                f"{path} has version {document.get('version')!r}, this program knows "
                f"{self.version}",
                "pip install --upgrade sernet-edge, or " + self.again,
            )
        return document
