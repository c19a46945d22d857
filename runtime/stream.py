"""A stream of PCM in, one result per hop out: windows, the model, smoothing.

It has no thread, device or file of its own: whoever has samples pushes them.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import FeatureStream, Float32, Float64, FrontEnd
from sernet_edge.runtime.records import MIN_DBFS, Record, Result


class Classifier(Protocol):
    """What a `Listener` needs of a model; `interpreter.Model` is one."""

    @property
    def contract(self) -> Contract:
        """The settings the model was trained with."""

    def run(self, features: Float32) -> Float32:
        """Return scores (labels,) of features (window_frames, feature_count)."""


class Listener:
    """PCM in, in chunks of any size; one `Result` per hop out.

    Window n covers frames [n*hop, n*hop + window_frames) of the stream. Each frame's MFCCs are
    computed once. The results' scores and times are the same however the audio is cut.

    Example:
        >>> from sernet_edge.runtime import Listener, load
        >>> listener = Listener(load("model.tflite"))  # doctest: +SKIP
        >>> results = listener.push(samples)  # int16, 16 kHz  # doctest: +SKIP

    Attributes:
        hop_frames: Frames from one result to the next.
        smoothing: Weight of the earlier smoothed scores against the new ones.
        samples: Samples pushed so far.
    """

    def __init__(
        self, model: Classifier, hop_frames: int | None = None, smoothing: float | None = None
    ) -> None:
        """Start a stream at its first sample.

        Args:
            model: The model, with its contract.
            hop_frames: At least 1; the contract's if None.
            smoothing: 0 (off) to below 1; the contract's if None.

        Raises:
            ContractError: The hop or the smoothing is out of range.
            SernetError: The model cannot be used on a stream.
        """
        changes = {"hop_frames": hop_frames, "smoothing": smoothing}
        # The contract knows which values are possible.
        contract = model.contract.replace(**{k: v for k, v in changes.items() if v is not None})
        self.hop_frames = contract.hop_frames
        self.smoothing = contract.smoothing
        self.samples = 0
        self._model = model
        self._contract = contract
        self._front_end = FrontEnd(contract)
        self._any_result = False
        self._begin(at_s=0.0)

    @property
    def time_s(self) -> float:
        """Seconds since the stream began, gaps included."""
        return self._began_s + self._samples / self._contract.sample_rate_hz

    def push(self, samples: NDArray[np.int16], overflows: int = 0) -> list[Record]:
        """Take int16 samples (n,) at the contract's rate; return what they lead to.

        Args:
            samples: Mono PCM, the continuation of what was pushed before.
            overflows: How often the source has lost audio so far, for the results.
        """
        self.samples += len(samples)
        self._samples += len(samples)
        records: list[Record] = []
        # Hop by hop, so that each result carries the time of its own features only.
        step = self.hop_frames * self._contract.frame_step_samples
        for start in range(0, len(samples), step):
            began = time.perf_counter()
            rows = self._features.push(samples[start : start + step])
            self._feature_s += time.perf_counter() - began
            for row in rows:
                self._ring.append(row)
                self._frames += 1
                beyond_first = self._frames - self._contract.window_frames
                if beyond_first >= 0 and beyond_first % self.hop_frames == 0:
                    records.append(self._decide(overflows))
        return records

    def gap(self, seconds: float) -> list[Record]:
        """Leave out so much time, of which there is no audio; return what that leads to.

        The time of what follows counts on from after the gap, and no window reaches over it: the
        next result comes when a window is full again, and is smoothed with none before it.
        """
        self._begin(self.time_s + seconds)
        return []

    def finish(self, overflows: int = 0) -> list[Record]:
        """End the stream; return one result, padded with silence, if it was shorter than a window.

        Audio after the last whole window of a longer stream, less than a hop, is not judged.
        """
        if not self._samples or self._any_result:
            return []
        silence = np.zeros(self._contract.window_samples - self._samples, np.int16)
        return [
            replace(record, padded=True) if isinstance(record, Result) else record
            for record in self.push(silence, overflows)
        ]

    def _begin(self, at_s: float) -> None:
        """Begin to listen anew, with nothing left of earlier audio, at a time of the stream."""
        self._began_s = at_s
        self._samples = 0  # since then
        self._frames = 0
        self._features = FeatureStream(self._front_end)
        self._ring: deque[Float64] = deque(maxlen=self._contract.window_frames)
        self._scores: Float64 | None = None
        self._feature_s = 0.0

    def _decide(self, overflows: int) -> Result:
        """Run the model on the ring, which is full, and smooth its scores."""
        contract = self._contract
        began = time.perf_counter()
        features = self._front_end.window_features(np.stack(self._ring))
        featured = time.perf_counter()
        new = self._model.run(features).astype(np.float64)
        done = time.perf_counter()
        if self._scores is not None:
            new = self.smoothing * self._scores + (1 - self.smoothing) * new
        self._scores = new
        self._any_result = True
        feature_s = self._feature_s + featured - began
        self._feature_s = 0.0
        end_samples = (
            self._frames - 1
        ) * contract.frame_step_samples + contract.frame_length_samples
        return Result(
            time_s=self._began_s + end_samples / contract.sample_rate_hz,
            label=contract.labels[int(np.argmax(new))],
            scores=dict(zip(contract.labels, new.tolist(), strict=True)),
            sure=bool(new.max() >= contract.unsure_below),
            speech=None,
            level_dbfs=MIN_DBFS,
            clipped=0,
            drift=None,
            feature_ms=1000 * feature_s,
            inference_ms=1000 * (done - featured),
            overflows=overflows,
        )
