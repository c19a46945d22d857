"""A corpus in memory, the features' statistics, and the windows that training and testing see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.audio.sources import mono, to_int16
from sernet_edge.runtime.audio.wav import WavSource
from sernet_edge.runtime.contract import Contract, Features, Level
from sernet_edge.runtime.errors import AudioError, SernetError
from sernet_edge.runtime.frontend import Float32, Float64, FrontEnd, feature_rows, scale_to_clip
from sernet_edge.train import augment
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.recipe import Recipe

# Digits kept of the normalisation vectors: few enough that the decimal text in the contract
# and in a C header is the number itself, more than the features' own precision needs.
_SIGNIFICANT_DIGITS = 6

# Every bin of a spectrogram costs the same. Up to here lie a voice's pitch and its first three
# or four formants, in half of the bins.
_SPECTROGRAM_HIGH_HZ = 4000.0


@dataclass(frozen=True)
class Recording:
    """An utterance with its audio: int16 (samples,) at the contract's rate."""

    utterance: Utterance
    samples: NDArray[np.int16]


def read_recording(path: Path, rate_hz: int) -> NDArray[np.int16]:
    """Return the whole of a WAV file as `listen` hears it, int16 (samples,) at `rate_hz`.

    Raises:
        AudioError: Not a WAV file, damaged, or empty.
    """
    source = WavSource(path)
    try:
        samples = np.concatenate(list(mono(source, rate_hz)))
    finally:
        source.close()
    if not len(samples):
        raise AudioError(f"{path} holds no audio")
    return samples


def read_recordings(
    utterances: Sequence[Utterance], contract: Contract, bad: list[str] | None = None
) -> list[Recording]:
    """Read and, where needed, resample the audio of `utterances`.

    Args:
        utterances: What to read.
        contract: Says the rate, and how long a frame is.
        bad: Takes, for each recording that cannot be used, what is wrong with it; the recording
            is left out. None: the first one raises.

    Raises:
        AudioError: A recording is unreadable or shorter than a frame, and `bad` is None.
    """
    recordings = []
    for utterance in utterances:
        try:
            samples = read_recording(utterance.path, contract.sample_rate_hz)
            if len(samples) < contract.frame_length_samples:
                raise AudioError(
                    f"{utterance.path} is shorter than a frame of "
                    f"{contract.frame_length_samples} samples",
                )
        except AudioError as error:
            if bad is None:
                raise AudioError(
                    error.message, f"{error.hint}; or leave it out with --skip-bad".lstrip("; ")
                ) from error
            bad.append(error.message)
        else:
            recordings.append(Recording(utterance, samples))
    return recordings


def new_contract(
    labels: tuple[str, ...],
    level: Level,
    window_frames: int,
    features: Features = Contract.features,
) -> Contract:
    """Return the contract of a model to be; `with_statistics` fills in its normalisation."""
    return Contract(
        labels=labels,
        mean=(0.0,),
        std=(1.0,),
        level=level,
        window_frames=window_frames,
        features=features,
        mel_high_hz=_SPECTROGRAM_HIGH_HZ if features == "spectrogram" else Contract.mel_high_hz,
    )


def with_statistics(contract: Contract, recordings: Sequence[Recording]) -> Contract:
    """Return `contract` with the mean and deviation of each feature over `recordings`.

    Statistics are of whole recordings; with the "window" level each recording's own mean
    level stands for that of its windows.

    Raises:
        SernetError: All of them are silence.
    """
    front_end = FrontEnd(contract)
    rows = []
    for recording in recordings:
        features = feature_rows(front_end, recording.samples)
        if contract.level == "window":
            front_end.subtract_level(features, front_end.levels(features).mean())
        rows.append(features)
    stacked = np.concatenate(rows)
    if not stacked.std(axis=0).min() > 0:
        raise SernetError("the training recordings hold nothing but silence")

    def rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
        return tuple(float(f"{value:.{_SIGNIFICANT_DIGITS}g}") for value in values)

    return contract.replace(mean=rounded(stacked.mean(axis=0)), std=rounded(stacked.std(axis=0)))


class Windows:
    """Cuts recordings into the model's windows, as the recipe says to train and to test."""

    def __init__(self, contract: Contract, recipe: Recipe) -> None:
        """Prepare the front end of `contract` and the augmentation of `recipe`."""
        self.contract = contract
        self.recipe = recipe
        # The "clip" level belongs to whole recordings; windows of scaled ones have none.
        self._whole_clip = contract.level == "clip"
        self._front_end = FrontEnd(contract.replace(level="none") if self._whole_clip else contract)

    def _samples(self, recording: Recording) -> NDArray[np.int16]:
        return scale_to_clip(recording.samples) if self._whole_clip else recording.samples

    def segments(self, recording: Recording) -> int:
        """Return how many windows of a recording an epoch trains on; see `Recipe.segments`."""
        if self.recipe.segments != "all":
            return 1
        return max(1, len(recording.samples) // self.contract.window_samples)

    def training_window(
        self, recording: Recording, rng: np.random.Generator, segment: int = 0
    ) -> Float32:
        """Return one window to train on, float32 (window_frames, features), not masked yet.

        Args:
            recording: What to cut it from; see `Recipe.segments`.
            rng: What the recipe changes is drawn from it, anew for every window.
            segment: Which of the recording's `segments`.
        """
        contract, recipe = self.contract, self.recipe
        rate_hz = contract.sample_rate_hz
        factor = 1 + rng.uniform(-recipe.speed, recipe.speed) if recipe.speed else 1.0
        count = round(contract.window_samples * factor)
        if recipe.segments == "random":
            cut = self._cut_anywhere(recording, count, rng)
        else:
            cut = self._cut_segment(recording, count, segment, self.segments(recording))
        changed = cut.astype(np.float64)
        if recipe.speed:
            changed = augment.faster(changed, rate_hz, factor, contract.window_samples)
        if recipe.reverb_s:
            changed = augment.reverberant(changed, rate_hz, rng.uniform(0, recipe.reverb_s), rng)
        if recipe.equaliser_db:
            changed = augment.equalised(changed, rate_hz, recipe.equaliser_db, rng)
        if recipe.noise_snr_db:
            changed = augment.noisy(changed, recipe.noise_snr_db, rng)
        if recipe.gain_db:
            changed *= 10 ** (rng.uniform(-recipe.gain_db, recipe.gain_db) / 20)
        return self._front_end.window_features(feature_rows(self._front_end, to_int16(changed)))

    def _cut_anywhere(
        self, recording: Recording, count: int, rng: np.random.Generator
    ) -> NDArray[np.int16]:
        """Return `count` samples from a random place; a shorter recording stands in silence."""
        samples = self._samples(recording)
        spare = len(samples) - count
        start = int(rng.integers(abs(spare) + 1))
        if spare < 0:
            return self._in_silence(samples, count, start)
        return samples[start : start + count]

    def _cut_segment(
        self, recording: Recording, count: int, segment: int = 0, segments: int = 1
    ) -> NDArray[np.int16]:
        """Return `count` samples of one of the segments that lie side by side around the middle.

        As many samples are over before them as after them. A shorter recording stands in silence.
        """
        samples = self._samples(recording)
        spare = len(samples) - count
        if spare < 0:
            return self._in_silence(samples, count, -spare // 2)
        # `count` is not quite a segment where the speed changes: it has the same middle.
        length = self.contract.window_samples
        start = (spare - (segments - 1) * length) // 2 + segment * length
        start = min(max(start, 0), spare)
        return samples[start : start + count]

    def _in_silence(self, samples: NDArray[np.int16], count: int, before: int) -> NDArray[np.int16]:
        """Return `count` samples: `before` of digital silence, a recording, silence again."""
        if self.contract.level == "running":
            before = 0  # It starts with the speech, as it does in a file.
        return np.pad(samples, (before, count - len(samples) - before))

    def test_windows(self, recording: Recording) -> Float32:
        """Return the windows to score, float32 (windows, window_frames, features).

        See `Recipe.test_segments`. "listen": one each hop, while there is a whole window; a
        recording shorter than that is followed by digital silence.
        """
        if self.recipe.test_segments == "middle":
            middle = self._cut_segment(recording, self.contract.window_samples)
            rows = feature_rows(self._front_end, middle)
            return self._front_end.window_features(rows)[None]
        rows = padded_rows(self._front_end, self._samples(recording))
        return cut_windows(self._front_end, rows)


class TrainingSet:
    """The windows that an epoch goes through, by number: one or several of each recording."""

    def __init__(self, windows: Windows, recordings: Sequence[Recording]) -> None:
        """Take what `windows` cuts out of `recordings`."""
        self._windows = windows
        self._segments = [
            (recording, segment)
            for recording in recordings
            for segment in range(windows.segments(recording))
        ]
        self._kept: dict[int, Float32] = {}

    def __len__(self) -> int:
        """Return how many windows there are."""
        return len(self._segments)

    @property
    def labels(self) -> list[str]:
        """The label of each window."""
        return [recording.utterance.label for recording, _ in self._segments]

    def window(self, index: int, rng: np.random.Generator) -> Float32:
        """Return one augmented window, float32 (window_frames, features).

        Features that are the same in every epoch are computed in the first one alone.
        """
        recipe, window = self._windows.recipe, self._kept.get(index)
        if window is None:
            recording, segment = self._segments[index]
            window = self._windows.training_window(recording, rng, segment)
            if recipe.has_fixed_features:
                self._kept[index] = window
        masked = window.copy()
        if recipe.time_mask_frames:
            mask(masked, recipe.time_mask_frames, rng)
        if recipe.mfcc_mask:
            mask(masked.T, recipe.mfcc_mask, rng)
        return masked


def amplified(samples: NDArray[np.int16], gain_db: float) -> NDArray[np.int16]:
    """Return samples made louder by `gain_db`, rounded and saturated."""
    return to_int16(samples * 10 ** (gain_db / 20))


def padded_rows(front_end: FrontEnd, samples: NDArray[np.int16]) -> Float64:
    """Return a recording's rows, of at least one window: digital silence follows a shorter one.

    Args:
        front_end: Of the model's contract.
        samples: int16 (samples,) at the contract's rate.

    Returns:
        float64 (frames, features).
    """
    missing = max(0, front_end.contract.window_samples - len(samples))
    return feature_rows(front_end, np.pad(samples, (0, missing)))


def rows_each_hop(contract: Contract, rows: Float64) -> Iterator[Float64]:
    """Yield the rows of a stream's windows, one each hop: float64 (window_frames, features).

    Args:
        contract: Says how long a window and a hop are.
        rows: The rows of the stream.
    """
    for start in range(0, len(rows) - contract.window_frames + 1, contract.hop_frames):
        yield rows[start : start + contract.window_frames]


def cut_windows(front_end: FrontEnd, rows: Float64) -> Float32:
    """Return a stream's windows, one each hop: float32 (windows, window_frames, features).

    Args:
        front_end: Of the model's contract.
        rows: The rows of the stream, a window of them at least.
    """
    windows = rows_each_hop(front_end.contract, rows)
    return np.stack([front_end.window_features(window) for window in windows])


def mean_by_recording(scores: NDArray[Any], cut: Sequence[Float32]) -> NDArray[Any]:
    """Return the mean scores (recordings, labels) of scores (windows, labels).

    Args:
        scores: Of all windows of all recordings, one after the other.
        cut: Each recording's windows, for their number.
    """
    ends = np.cumsum([len(windows) for windows in cut])[:-1]
    return np.stack([part.mean(axis=0) for part in np.split(scores, ends)])


def mask(window: Float32, longest: int, rng: np.random.Generator) -> None:
    """Set, in place, a random run of up to `longest` rows to 0, the mean of every feature."""
    length = min(int(rng.integers(longest + 1)), len(window))
    start = int(rng.integers(len(window) - length + 1))
    window[start : start + length] = 0.0
