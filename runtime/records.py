"""Records of a listener: results, events and notices, and their form for programs.

The users' page is docs/guides/records.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sernet_edge.runtime.contract import NONE

RECORD_VERSION = 1
"""Version of the dictionaries that `record` returns; it rises with each change after a release."""


@dataclass(frozen=True)
class Result:
    """The model's scores for one window.

    Attributes:
        time_s: End of the window, in seconds of audio since the stream began.
        label: The label with the highest smoothed score; None if the gate found no speech, so
            that the model did not run. The model's own label for no speech is `contract.NONE`.
        scores: Smoothed scores by label, 0..1, summing to about 1, in the contract's order; empty
            without a label.
        sure: Whether the highest score reaches the threshold, and the window resembles the
            training speech (see `drift`).
        speech: Share of the window with speech, 0..1; None without a gate.
        level_dbfs: Level of the samples since the last result, without their offset, in decibels
            relative to a full-scale sine; `MIN_DBFS` for digital silence.
        clipped: Samples at full scale since the last result.
        drift: How much the window differs from the training speech (see `drift`); None if the
            model did not run.
        feature_ms: Computing time of the features, and of the gate, since the last result.
        inference_ms: Computing time of the model.
        overflows: How often the source has lost audio so far.
        skipped: Hops left out so far because the machine could not keep up.
        padded: Whether silence was added because the whole stream was shorter than a window.
        arousal: How agitated the voice is, 0 (calm) to 1 (agitated), from the smoothed scores; see
            `arousal`. None if nobody speaks, or the model lacks the labels for it.
    """

    time_s: float
    label: str | None
    scores: dict[str, float]
    sure: bool
    speech: float | None
    level_dbfs: float
    clipped: int
    drift: float | None
    feature_ms: float
    inference_ms: float
    overflows: int = 0
    skipped: int = 0
    padded: bool = False
    arousal: float | None = None

    @property
    def emotion(self) -> str | None:
        """The label, if it is an emotion; None if nobody speaks."""
        return None if self.label == NONE else self.label

    def record(self, timing: bool = True) -> dict[str, Any]:
        """Return the result as a dictionary, for all outputs that programs read.

        Args:
            timing: Whether to include computing times, the only fields that differ between runs.
        """
        record: dict[str, Any] = {
            "type": "result",
            "version": RECORD_VERSION,
            "time_s": round(self.time_s, 3),
            "label": self.label,
            "scores": {label: round(score, 4) for label, score in self.scores.items()},
            "sure": self.sure,
            "arousal": _rounded(self.arousal, 3),
            "speech": _rounded(self.speech, 3),
            "level_dbfs": round(self.level_dbfs, 1),
            "clipped": self.clipped,
            "drift": _rounded(self.drift, 3),
        }
        if timing:
            record["feature_ms"] = round(self.feature_ms, 3)
            record["inference_ms"] = round(self.inference_ms, 3)
        record["overflows"] = self.overflows
        record["skipped"] = self.skipped
        if self.padded:
            record["padded"] = True
        return record


@dataclass(frozen=True)
class Event:
    """The beginning or the end of an emotion that lasted.

    Attributes:
        kind: "start" or "end".
        id: Number from 1; the same for a start and its end.
        label: The emotion.
        start_s: Its start, in seconds of audio since the stream began.
        end_s: Its end, likewise; None in a start.
        peak: The highest smoothed score of the label so far, 0..1.
    """

    kind: Literal["start", "end"]
    id: int
    label: str
    start_s: float
    end_s: float | None
    peak: float

    def record(self, timing: bool = True) -> dict[str, Any]:
        """Return the event as a dictionary, for all outputs that programs read."""
        return {
            "type": "event",
            "version": RECORD_VERSION,
            "kind": self.kind,
            "id": self.id,
            "label": self.label,
            "start_s": round(self.start_s, 3),
            "end_s": _rounded(self.end_s, 3),
            "peak": round(self.peak, 4),
        }


@dataclass(frozen=True)
class Notice:
    """Something about the listening itself that a person should know.

    Attributes:
        code: The kind of notice, for programs, such as "device-lost" or "drift".
        text: The message for a person, with what to do about it.
        time_s: Seconds of audio since the stream began.
        level: "warning" if results suffer or are missing, else "info".
    """

    code: str
    text: str
    time_s: float
    level: Literal["info", "warning"]

    def record(self, timing: bool = True) -> dict[str, Any]:
        """Return the notice as a dictionary, for all outputs that programs read."""
        return {
            "type": "notice",
            "version": RECORD_VERSION,
            "code": self.code,
            "text": self.text,
            "time_s": round(self.time_s, 3),
            "level": self.level,
        }


Record = Result | Event | Notice

MIN_DBFS = -120.0
"""`Result.level_dbfs` of digital silence."""


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
