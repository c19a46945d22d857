"""The file with the results of a self-test on a board: `selftest` writes it, `bench` reads it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from sernet_edge.runtime import files
from sernet_edge.runtime.documents import DocumentFormat
from sernet_edge.runtime.errors import SernetError

FORMAT = DocumentFormat(
    "sernet-board-run",
    version=1,
    what="the result of a self-test on a board",
    again="run `sernet-edge selftest MODEL --port PORT --out FILE.json` again",
)


@dataclass(frozen=True)
class BoardRun:
    """One self-test of one model on one board.

    Attributes:
        model: The model file's name.
        contract_id: The id of the model's contract.
        flatbuffer_sha256: SHA-256 of the model without its contract, 64 hex digits.
        board: The board's name, from the firmware.
        clock_hz: The core's clock, from the firmware; None: unknown.
        audio: The name of the audio.
        audio_s: Seconds of audio.
        windows: Number of compared results.
        cycles_per_inference: Median cycles of the network for one result: of a window, or, with
            shared rows, of a hop; None: not counted.
        cycles_per_inference_range: Fewest and most cycles.
        frontend_cycles_per_second: Cycles of the front end for a second of audio.
        features: Number of compared features.
        features_differing: Number of features that differ from Python's, by any amount.
        features_largest_difference: The largest difference, in int8 steps.
        scores: Number of compared scores.
        scores_differing: Number of scores that differ from Python's on the board's features.
        labels_differing: Windows whose smoothed label differs from Python's, without ties.
        decisions_differing: Results on which the board's decision differs from that of `listen` on
            the board's scores; None: the firmware does not decide.
        frames_repeated: How often a frame got lost on the line and was sent again.
        sernet_edge: This program's version.
    """

    model: str
    contract_id: str
    flatbuffer_sha256: str
    board: str
    clock_hz: int | None
    audio: str
    audio_s: float
    windows: int
    cycles_per_inference: int | None
    cycles_per_inference_range: tuple[int, int] | None
    frontend_cycles_per_second: int | None
    features: int
    features_differing: int
    features_largest_difference: int
    scores: int
    scores_differing: int
    labels_differing: int
    decisions_differing: int | None
    frames_repeated: int
    sernet_edge: str

    @property
    def passed(self) -> bool:
        """Whether all checks passed: features within 1, scores to the bit, labels, decisions."""
        return (
            self.features_largest_difference <= 1
            and self.scores_differing == 0
            and self.labels_differing == 0
            and not self.decisions_differing
        )

    def write(self, path: Path) -> None:
        """Write the run as JSON."""
        head = {**FORMAT.head(), "passed": self.passed}
        files.write_text(path, json.dumps({**head, **asdict(self)}, indent=1) + "\n")


def read_board_run(path: Path) -> BoardRun:
    """Read a file that `BoardRun.write` wrote.

    Raises:
        SernetError: The file is unreadable, is not a board run, or comes from a newer program.
    """
    document = FORMAT.read(path)
    for entry in (*FORMAT.head(), "passed"):
        document.pop(entry, None)
    kinds = get_type_hints(BoardRun)
    if isinstance(limits := document.get("cycles_per_inference_range"), list):
        document["cycles_per_inference_range"] = tuple(limits)
    wrong = kinds.keys() ^ document.keys()
    wrong |= {name for name, kind in kinds.items() if not _is_a(document.get(name), kind)}
    if wrong:
        raise SernetError(f"{path} is damaged: {', '.join(sorted(wrong))}", FORMAT.again)
    return BoardRun(**document)


def _is_a(value: Any, kind: Any) -> bool:
    """Return whether a value from JSON has the annotated type `kind` of a `BoardRun` field."""
    if isinstance(kind, UnionType):
        return any(_is_a(value, one) for one in get_args(kind))
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        return (
            isinstance(value, tuple) and len(value) == len(parts) and all(map(_is_a, value, parts))
        )
    if kind is float:
        kind = (int, float)  # JSON writes 3.0 as 3.0, but a person may write 3.
    return isinstance(value, kind) and not isinstance(value, bool)
