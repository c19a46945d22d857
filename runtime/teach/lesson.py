"""A lesson: the model and the clips that a model was taught from, stored to teach it again.

MINE.tflite has MINE.lesson.json beside it. The lesson names files of this machine, which must not
be in the model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.documents import DocumentFormat
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import BOX, DEFAULT_MODEL, NAMES
from sernet_edge.runtime.teach.clips import LabelledFile, check_labels, find_clips
from sernet_edge.runtime.teach.marks import marked_clips

_FORMAT = DocumentFormat(
    "sernet-edge-lesson", 1, "a lesson of `sernet-edge teach`", "teach with the clips again"
)


@dataclass(frozen=True)
class Lesson:
    """The model to teach, and the clips.

    Attributes:
        base: The model to teach; None: the default model of the installed version.
        clips: Folders and tables of labelled clips; see `find_clips`.
        marks: Folders of marked recordings; see `marked_clips`.
        out: The taught model's file.
        head: The file of its head; None for none.
    """

    base: Path | None
    clips: tuple[Path, ...]
    marks: tuple[Path, ...]
    out: Path
    head: Path | None

    @property
    def base_path(self) -> Path:
        """The file of the model to teach."""
        return DEFAULT_MODEL if self.base is None else self.base

    def files(self, contract: Contract, tell: Callable[[str], None]) -> list[LabelledFile]:
        """Return the clips.

        Args:
            contract: The contract of the model to teach.
            tell: Called with each warning, one line.

        Raises:
            SernetError: See `find_clips`, `check_labels` and `marked_clips`.
        """
        files = [file for place in self.clips for file in find_clips(place)]
        check_labels(files, contract)
        for folder in self.marks:
            files += marked_clips(folder, contract, tell)
        return files

    def write(self) -> None:
        """Write the lesson beside the taught model.

        Raises:
            SernetError: It cannot be written.
        """
        content = {
            # A shipped model's name, since an upgrade may rename its file.
            "base": NAMES.get(self.base, _text(self.base)) if self.base else None,
            "clips": [_text(path) for path in self.clips],
            "marks": [_text(path) for path in self.marks],
            "head": _text(self.head),
        }
        text = json.dumps(_FORMAT.head() | content, ensure_ascii=False, indent=1)
        write_text(_beside(self.out), f"{text}\n")

    @classmethod
    def of(cls, taught: Path) -> Lesson:
        """Return the lesson of a taught model.

        Raises:
            SernetError: There is none, or it cannot be read.
        """
        path = _beside(taught)
        if not path.exists():
            raise SernetError(
                f"{path} does not exist, so it is not known what taught {taught}", _FORMAT.again
            )
        content = _FORMAT.read(path)
        try:
            base, head = content["base"], content["head"]
            return cls(
                None if base is None else BOX.get(base, Path(base)),
                tuple(map(Path, content["clips"])),
                tuple(map(Path, content["marks"])),
                taught,
                None if head is None else Path(head),
            )
        except (KeyError, TypeError) as error:
            raise SernetError(f"{path} is damaged", _FORMAT.again) from error


def outdated(taught: ModelFile, path: Path) -> str:
    """Return a message if the model that `taught` was made from has changed, else "".

    Args:
        taught: A model, taught or not.
        path: Its file.
    """
    origin = taught.require_contract().provenance.get("taught")
    if not isinstance(origin, dict) or not _beside(path).exists():
        return ""
    try:
        base_path = Lesson.of(path).base_path
        base = ModelFile.read(base_path)
        contract = base.require_contract().id
    except SernetError:
        return ""
    if (origin.get("base_contract"), origin.get("base_sha256")) == (contract, base.sha256):
        return ""
    return (
        f"{path.name} was taught from contract {origin.get('base_contract')}; "
        f"{base_path.name} is {contract} now"
    )


def _beside(taught: Path) -> Path:
    return taught.with_suffix(".lesson.json")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())
