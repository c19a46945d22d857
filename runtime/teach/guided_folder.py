"""The clips of a guided session: EMOTION/guided-N.wav in a folder."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import replacing
from sernet_edge.runtime.teach.clips import LabelledFile, find_clips

_OWN_FILE = re.compile(r"guided-(\d+)\.wav")
_UNFINISHED = re.compile(r"\.guided-\d+-\w+\.wav")


class GuidedFolder:
    """A folder for the clips of one or more sessions."""

    def __init__(self, path: Path, contract: Contract) -> None:
        """Prepare the folder.

        Args:
            path: Made if it does not exist, readable for its owner only.
            contract: Gives the labels and the rate.

        Raises:
            SernetError: It cannot be made, or a label is not a valid folder name.
        """
        for label in contract.labels:
            if "/" in label or label.startswith("."):
                raise SernetError(
                    f"a folder cannot be called {label!r}, as an emotion of the model is",
                    "record the clips otherwise, and teach with a table",
                )
        self.path = path
        self._contract = contract
        try:
            path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SernetError(f"cannot make the folder {path}: {error.strerror}") from error

    def counts(self) -> dict[str, int]:
        """Return the number of clips of each label.

        Raises:
            SernetError: A file is not in a label's folder.
        """
        clips = self._clips()
        return {
            label: sum(clip.label == label for clip in clips) for label in self._contract.labels
        }

    def save(self, label: str, samples: NDArray[np.int16]) -> Path:
        """Write a clip, whole or not at all; return its path.

        Args:
            label: The clip's label.
            samples: int16 (samples,) at the contract's rate.

        Raises:
            SernetError: It cannot be written.
        """
        folder = self.path / label
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            names = [_OWN_FILE.fullmatch(path.name) for path in folder.iterdir()]
        except OSError as error:
            raise SernetError(f"cannot write to {folder}: {error.strerror}") from error
        number = 1 + max((int(name[1]) for name in names if name), default=0)
        path = folder / f"guided-{number:02}.wav"
        with replacing(path) as temporary, wave.open(temporary, "wb") as file:
            file.setparams((1, 2, self._contract.sample_rate_hz, 0, "NONE", ""))
            file.writeframes(samples.astype("<i2").tobytes())
        return path

    def _clips(self) -> list[LabelledFile]:
        return find_clips(self.path, may_be_empty=True)


def forget_guided(path: Path) -> int:
    """Delete the clips of guided sessions in a folder, and subfolders that are then empty.

    Returns:
        The number of clips.

    Raises:
        OSError: A file cannot be deleted.
    """
    deleted = 0
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir()):
        own = False
        for file in sorted(folder.iterdir()):
            if _OWN_FILE.fullmatch(file.name) or _UNFINISHED.fullmatch(file.name):
                file.unlink(missing_ok=True)
                deleted += not file.name.startswith(".")
                own = True
        if own and not any(folder.iterdir()):
            folder.rmdir()
    return deleted
