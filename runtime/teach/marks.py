"""Marked recordings of `listen --record`, as clips to teach with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sernet_edge.runtime.contract import NONE, Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.event_folder import EventFolder, Recording
from sernet_edge.runtime.teach.clips import LabelledFile


def marked_clips(
    folder: Path, contract: Contract, tell: Callable[[str], None]
) -> list[LabelledFile]:
    """Return the marked recordings of a folder, the oldest first.

    A clip is the audio that the event's results judged, from a window before its onset to its end.
    Labels that the model does not have are left out, with a warning.

    Args:
        folder: The folder of `listen --record`.
        contract: The contract of the model to teach.
        tell: Called with each warning, one line.

    Raises:
        SernetError: The folder cannot be read, or holds no mark that this model can learn from.
    """
    clips, left_out = [], Counter[str]()
    for recording in reversed(list(EventFolder(folder).recordings())):
        mark = recording.mark()
        if mark is None:
            continue
        if mark.label in contract.labels:
            clips.append(_clip(recording, mark.label, contract))
        else:
            left_out[mark.label] += 1
    for label, count in sorted(left_out.items()):
        tell(f"left out: marks that say {_words(label)}, {count}; the model has no such label")
    if not clips:
        raise SernetError(
            f"{folder} holds no mark that this model can learn from",
            f"mark recordings on the page of `sernet-edge listen --web --record {folder}`",
        )
    return clips


def _words(label: str) -> str:
    return "that nobody spoke" if label == NONE else label


def _clip(recording: Recording, label: str, contract: Contract) -> LabelledFile:
    from_s = max(0.0, recording.onset_s - contract.window_s)
    return LabelledFile(recording.path, label, from_s, recording.end_s)
