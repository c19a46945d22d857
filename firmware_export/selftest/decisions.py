"""Computes the decisions of `listen` on a board's scores, with the board's settings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export.selftest.board import BoardEvent, Decision, DecisionSettings
from sernet_edge.runtime.events import EventTracker
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.records import Result


class ExpectedDecisions:
    """Decides on one result after the other, like `Listener`."""

    def __init__(self, model: Model, hop_frames: int, settings: DecisionSettings) -> None:
        """Start a stream.

        Args:
            model: The model that the board runs.
            hop_frames: Frames from one result to the next.
            settings: The board's settings.
        """
        self._model = model
        self._contract = model.contract
        self._hop_s = hop_frames * self._contract.frame_step_s
        self._settings = settings
        self._scores: NDArray[np.float64] | None = None
        self._events = EventTracker(settings.evidence_s, settings.refractory_s, settings.release_s)

    def see(self, frames: int, scores_int8: NDArray[np.int8], drifts: bool) -> Decision:
        """Return the decision on a window.

        Args:
            frames: Frames of the stream up to the window's end.
            scores_int8: The network's scores, int8 (labels,).
            drifts: Whether the window is above the drift limit.
        """
        contract, weight = self._contract, self._settings.smoothing
        scores = self._model.real_scores(scores_int8).astype(np.float64)
        if self._scores is not None:
            scores = weight * self._scores + (1 - weight) * scores
        self._scores = scores
        label = int(np.argmax(scores))
        samples = (frames - 1) * contract.frame_step_samples + contract.frame_length_samples
        time_s = samples / contract.sample_rate_hz
        result = Result(
            time_s=time_s,
            label=contract.labels[label],
            scores=dict(zip(contract.labels, scores.tolist(), strict=True)),
            sure=bool(scores[label] >= self._settings.unsure_below) and not drifts,
            speech=None,
            level_dbfs=0.0,
            clipped=0,
            drift=None,
            feature_ms=0.0,
            inference_ms=0.0,
        )
        events = (
            BoardEvent(
                event.kind,
                contract.labels.index(event.label),
                event.id,
                event.start_s,
                event.end_s or 0.0,
                event.peak,
            )
            for event in self._events.see(result, time_s - self._hop_s)
        )
        return Decision(label, result.sure, tuple(events))
