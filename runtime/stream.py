"""Turns a stream of PCM into records: windows, gate, model, smoothing, events, warnings.

It has no thread, device or file of its own; the caller pushes the samples.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.arousal import arousal
from sernet_edge.runtime.contract import NONE, Contract
from sernet_edge.runtime.drift import drift
from sernet_edge.runtime.episode import Lasting
from sernet_edge.runtime.errors import AudioError
from sernet_edge.runtime.events import EventTracker
from sernet_edge.runtime.frontend import FeatureStream, Float32, Float64, FrontEnd
from sernet_edge.runtime.gate import SpeechGate
from sernet_edge.runtime.high_pass import HighPass
from sernet_edge.runtime.level import Level, LevelMeter
from sernet_edge.runtime.records import Notice, Record, Result
from sernet_edge.runtime.ring import Ring

# The most samples that are processed at once, which bounds the memory. One whole hop takes less
# time than a microphone's blocks one by one.
_PIECE_SAMPLES = 65_536

# Clipping counts if this share of a result's samples is clipped, for `_LASTING_S`.
_CLIPPED_SHARE = 0.001
_LASTING_S = 10.0
# A speaker's pauses don't end a problem with the sound of the speech.
_SPEECH_PAUSE_S = 5.0


class Classifier(Protocol):
    """The part of a model that a `Listener` uses; `interpreter.Model` is one."""

    @property
    def contract(self) -> Contract:
        """The model's contract."""

    def run(self, features: Float32) -> Float32:
        """Return scores (labels,) of features (window_frames, feature_count)."""


class Listener:
    """Takes PCM in chunks of any size; returns records: a `Result` per hop, events and notices.

    Window n covers frames [n*hop, n*hop + window_frames) of the stream. Each frame's features are
    computed once. Except for computing times, the records do not depend on the sizes of the chunks.
    Memory does not grow with the stream.

    Example:
        >>> from sernet_edge.runtime import Listener, load
        >>> from sernet_edge.runtime.models import DEFAULT_MODEL
        >>> listener = Listener(load(DEFAULT_MODEL))
        >>> records = listener.push(np.zeros(56_000, np.int16))  # 3.5 s at 16 kHz
        >>> records[0].time_s
        3.216

    Attributes:
        hop_frames: Frames from one result to the next.
        smoothing: Weight of the earlier smoothed scores against the new ones.
        unsure_below: Top smoothed score below which a result is unsure; 0 is off.
        samples: Samples pushed so far.
        skipped: Hops left out so far, because the caller lagged.
    """

    def __init__(
        self,
        model: Classifier,
        hop_frames: int | None = None,
        smoothing: float | None = None,
        unsure_below: float | None = None,
        gate: SpeechGate | None = None,
        events: EventTracker | None = None,
    ) -> None:
        """Start a stream at its first sample.

        Args:
            model: The model, with its contract.
            hop_frames: At least 1; the contract's if None.
            smoothing: 0 (off) to below 1; the contract's if None.
            unsure_below: 0 (off) to 1; the contract's if None.
            gate: Decides whether somebody speaks; None judges every window.
            events: Finds events in the results; an `EventTracker` with its defaults if None.

        Raises:
            ContractError: The hop, the smoothing or the threshold is out of range.
            SernetError: The model cannot be used on a stream.
        """
        changes = {
            "hop_frames": hop_frames,
            "smoothing": smoothing,
            "unsure_below": unsure_below,
        }
        # Making a contract checks the values.
        contract = model.contract.replace(**{k: v for k, v in changes.items() if v is not None})
        self.hop_frames = contract.hop_frames
        self.smoothing = contract.smoothing
        self.unsure_below = contract.unsure_below
        self.samples = 0
        self.skipped = 0
        self._model = model
        self._contract = contract
        self._gate = gate
        self._events = EventTracker() if events is None else events
        self._front_end = FrontEnd(contract)
        self._window = Ring(contract.window_frames, (contract.feature_count,), np.float64)
        self._piece = np.zeros(_PIECE_SAMPLES, np.int16)
        self._high_pass = HighPass(contract.sample_rate_hz)
        self._meter = LevelMeter()
        self._overload = Lasting()
        self._silence = Lasting(_LASTING_S)
        self._silent_since_s: float | None = None  # start of a digital silence that was reported
        self._clipping = Lasting(_LASTING_S, _SPEECH_PAUSE_S)
        self._drifting = Lasting(_LASTING_S, _SPEECH_PAUSE_S)
        self._any_result = False
        self._begin(at_s=0.0)

    @property
    def time_s(self) -> float:
        """Seconds since the stream began, including gaps."""
        return self._began_s + (self._heard + self._waiting) / self._contract.sample_rate_hz

    @property
    def hop_s(self) -> float:
        """Seconds from one result to the next."""
        return self.hop_frames * self._contract.frame_step_s

    def push(
        self, samples: NDArray[np.int16], overflows: int = 0, lag_s: float = 0.0
    ) -> list[Record]:
        """Take int16 samples (n,) at the contract's rate; return their records.

        Args:
            samples: Mono PCM that continues the earlier samples.
            overflows: How often the source has lost audio so far, for the results.
            lag_s: How long ago the samples came; 0 for a source that can wait, such as a file. If
                it exceeds a hop, the next hop's samples have come, too: this hop is skipped.

        Raises:
            AudioError: The samples have another type or shape, such as floats or two channels.
        """
        samples = np.asarray(samples)
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise AudioError(
                f"samples are {samples.dtype} {samples.shape}, but must be int16 (n,)",
                "mix the channels, and scale floats: (x * 32767).astype(np.int16)",
            )
        self.samples += len(samples)
        records: list[Record] = []
        while len(samples):
            size = min(self._due - self._heard, _PIECE_SAMPLES)
            piece = samples[: size - self._waiting]
            samples = samples[len(piece) :]
            self._piece[self._waiting : self._waiting + len(piece)] = piece
            self._waiting += len(piece)
            if self._waiting == size:
                self._listen()
            if self._heard == self._due:
                records += self._judge(overflows, lag_s)
        return records

    def gap(self, seconds: float) -> list[Record]:
        """Skip a time without audio; return the end of the current event, if there is one.

        Times after the gap include it. No window covers both sides: the next result comes when a
        window is full again, and is not smoothed with earlier ones.
        """
        self._begin(self.time_s + seconds)
        return list(self._events.end())

    def finish(self, overflows: int = 0) -> list[Record]:
        """End the stream; return its last records.

        A stream shorter than a window has one result, padded with silence. Audio after the last
        whole window of a longer one, less than a hop, is not judged.
        """
        records: list[Record] = []
        if self._heard + self._waiting and not self._any_result:
            self._listen()
            # Only the front end gets this silence; it must not change the level.
            self._add_features(np.zeros(self._due - self._heard, np.int16))
            records = [
                replace(record, padded=True) if isinstance(record, Result) else record
                for record in self._judge(overflows, lag_s=0.0)
            ]
        return records + list(self._events.end())

    def _begin(self, at_s: float) -> None:
        """Start again at a time of the stream; forget earlier audio."""
        self._began_s = at_s
        self._heard = 0  # samples processed since then
        self._waiting = 0  # further samples in `_piece`, until a window is full
        self._due = self._contract.window_samples  # samples that complete the next window
        self._features = FeatureStream(self._front_end)
        self._window.clear()
        self._scores: Float64 | None = None
        self._feature_s = 0.0
        self._high_pass.reset()
        self._meter.read()
        if self._gate is not None:
            self._gate.reset()

    def _listen(self) -> None:
        """Process the samples that wait."""
        samples = self._piece[: self._waiting]
        self._heard += self._waiting
        self._waiting = 0
        began = time.perf_counter()
        audible = self._high_pass.push(samples)
        self._meter.add(samples, audible)
        if self._gate is not None:
            self._gate.push(audible)
        self._feature_s += time.perf_counter() - began
        self._add_features(samples)

    def _add_features(self, samples: NDArray[np.int16]) -> None:
        began = time.perf_counter()
        self._window.append(self._features.push(samples))
        self._feature_s += time.perf_counter() - began

    def _judge(self, overflows: int, lag_s: float) -> list[Record]:
        """Return the records of the window that is now full."""
        time_s = self._began_s + self._due / self._contract.sample_rate_hz
        self._due += self.hop_frames * self._contract.frame_step_samples
        if lag_s > self.hop_s:
            self.skipped += 1
            return list(self._warn_of_overload(True, time_s))
        level = self._meter.read()
        result = self._result(time_s, level, overflows)
        self._any_result = True
        return [
            result,
            *self._events.see(result, time_s - self.hop_s),
            *self._warn_of_overload(False, time_s),
            *self._warn_of_sound(result, level),
        ]

    def _result(self, time_s: float, level: Level, overflows: int) -> Result:
        """Return the result of the full window; run the model if somebody speaks."""
        contract = self._contract
        began = featured = done = time.perf_counter()
        found_drift = None
        if self._gate is not None and not self._gate.is_open:
            self._scores = None  # speech after a pause is not smoothed with speech before it
        else:
            standardised = self._front_end.standardise(self._window.last(contract.window_frames))
            found_drift = drift(standardised)
            features = self._front_end.clip(standardised)
            featured = time.perf_counter()
            scores = self._model.run(features).astype(np.float64)
            done = time.perf_counter()
            if self._scores is not None:
                scores = self.smoothing * self._scores + (1 - self.smoothing) * scores
            self._scores = scores
        feature_s = self._feature_s + featured - began
        self._feature_s = 0.0
        label: str | None = None
        scores_by_label: dict[str, float] = {}
        if self._scores is not None:
            scores_by_label = dict(zip(contract.labels, self._scores.tolist(), strict=True))
            label = contract.labels[int(np.argmax(self._scores))]
        return Result(
            time_s=time_s,
            label=label,
            scores=scores_by_label,
            sure=label is not None
            and scores_by_label[label] >= self.unsure_below
            and not self._drifts(found_drift),
            speech=None if self._gate is None else self._gate.speech,
            level_dbfs=level.dbfs,
            clipped=level.clipped,
            drift=found_drift,
            feature_ms=1000 * feature_s,
            inference_ms=1000 * (done - featured),
            overflows=overflows,
            skipped=self.skipped,
            arousal=None
            if label in (None, NONE) or self._scores is None
            else arousal(contract, self._scores.tolist()),
        )

    def _drifts(self, found: float | None) -> bool:
        """Whether a window differs so much from the training speech that its scores mean little."""
        limit = self._contract.drift_limit
        return bool(limit) and found is not None and found > limit

    def _warn_of_overload(self, skipped: bool, time_s: float) -> list[Notice]:
        if not self._overload.begins(skipped, time_s):
            return []
        text = (
            "this machine cannot keep up: results are left out; "
            f"a --hop longer than {self.hop_s:g} s costs less"
        )
        return [Notice("overload", text, time_s, "warning")]

    def _warn_of_sound(self, result: Result, level: Level) -> list[Notice]:
        """Return notices of lasting problems with the sound, one for each episode."""
        found = (
            (
                self._clipping.begins(level.clipped_share > _CLIPPED_SHARE, result.time_s),
                "clipping",
                "the sound clips: turn the microphone's gain down",
            ),
            (
                self._drifting.begins(self._drifts(result.drift), result.time_s),
                "drift",
                "the sound is unlike what the model was trained on: no result is sure, no event "
                "begins; check the sample rate, the gain and the noise",
            ),
        )
        return self._tell_of_silence(level.still, result.time_s) + [
            Notice(code, text, result.time_s, "warning") for new, code, text in found if new
        ]

    def _tell_of_silence(self, still: bool, time_s: float) -> list[Notice]:
        """Return a notice that digital silence has lasted, or that it is over."""
        if self._silence.begins(still, time_s):
            self._silent_since_s = time_s - _LASTING_S - self.hop_s
            text = f"digital silence for {_LASTING_S:g} s: is the microphone muted or unplugged?"
            return [Notice("silence", text, time_s, "warning")]
        if still or self._silent_since_s is None:
            return []
        text = f"sound again after {time_s - self._silent_since_s:.0f} s of digital silence"
        self._silent_since_s = None
        return [Notice("sound", text, time_s, "info")]
