"""Reads the results of an exported bundle for streams of audio: the output of api_results.c."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bundle_cases import C_FOLDER, Samples, run

MAIN = C_FOLDER / "api_results.c"


@dataclass(frozen=True)
class Line:
    """One result that api_results.c printed."""

    frames: int
    label: int
    saturated: int
    int8: tuple[int, ...]
    scores: tuple[float, ...]
    arousal: float


def results(
    program: Path, streams: list[Samples], chunk: int, way: str, *start: int
) -> list[list[Line]]:
    """Return the results of each stream from the output of api_results.c."""
    found: list[list[Line]] = [[]]
    for text in run(program, streams, chunk, way, *start).decode().splitlines():
        if text == "end":
            found.append([])
            continue
        words = text.split()
        labels = (len(words) - 4) // 2
        found[-1].append(
            Line(
                *map(int, words[:3]),
                tuple(map(int, words[3 : 3 + labels])),
                tuple(map(float, words[3 + labels : -1])),
                float(words[-1]),
            )
        )
    assert found.pop() == []
    return found
