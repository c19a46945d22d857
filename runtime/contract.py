"""The contract: every setting that training, conversion, the Pi and the firmware must share.

The contract is in the model file (see `modelfile`), so a device cannot use other features than
training did without an error.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import reprlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sernet_edge.runtime.checked_fields import check_type
from sernet_edge.runtime.errors import ContractError
from sernet_edge.runtime.micro_settings import MicroSettings

CONTRACT_VERSION = 1

_FORMAT = "sernet-contract"

# The largest values of whole numbers; the least is 1. A larger number comes from a damaged file and
# would fill the memory. These allow frames of 85 ms at 192 kHz.
_MOST = {
    "sample_rate_hz": 192_000,
    "frame_length_samples": 16_384,
    "frame_step_samples": 16_384,
    "fft_size": 16_384,
    "mel_bands": 512,
    "mfcc_count": 512,
    "level_frames": 1_000_000,
    "window_frames": 10_000,
    "hop_frames": 1_000_000,
}

Features = Literal["mfcc", "mel", "spectrogram"]
"""What the model sees of a frame in this project's own models; see `Contract.features`."""

WindowFunction = Literal["hann_periodic", "hann", "hamming", "rectangle"]
"""The factors of a frame's samples; see `Contract.window_function`."""

Level = Literal["none", "running", "window", "clip"]
"""How loudness is removed from the features; see `Contract.level`."""

NONE = "none"
"""The label for silence, noise and other sounds without speech. It begins no event."""

AROUSED = frozenset(("anger", "fear", "happiness", "surprise"))
"""Emotions of high arousal, unless the contract names others."""

CALM = frozenset(("neutral", "sadness", "boredom", "calm"))
"""Emotions of low arousal, unless the contract names others."""

JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner, which change the shape of the letters around them."""


@dataclass(frozen=True)
class Contract:
    """The settings shared by everything that touches one model.

    Two programs whose contracts have the same `id` compute the same features and use the same
    labels.

    Attributes:
        labels: Class names, in the order of the model's outputs. `NONE` says that nobody speaks;
            every other label is an emotion.
        mean: Mean of each feature over the training speakers, `feature_count` values; a single
            value counts for all features.
        std: Standard deviation of each feature, `feature_count` values, each above 0; a single
            value counts for all features.
        sample_rate_hz: Rate of the audio that enters the front end.
        sample_scale: "int16": samples are -32768..32767; "unit": they are -1..1.
        frame_length_samples: Samples in a frame; the window function spans all of them.
        frame_step_samples: Samples from one frame's start to the next one's.
        fft_size: Points of the FFT, at least the frame length.
        window_function: "hann_periodic" is 0.5 - 0.5 cos(2 pi n / frame length); "hann" and
            "hamming" are NumPy's `hanning` and `hamming`; "rectangle" is 1.
        preemphasis: Share of the previous sample that is subtracted from each sample, 0 (none) to
            1; the stream's first sample stays as it is. JSON may leave out this field and the next
            two; they then have their defaults.
        lifter: Cepstral coefficient k is multiplied by 1 + lifter / 2 sin(pi k / lifter); with 0,
            by 1.
        first_feature: The first of the MFCCs: "c0", or "energy", the logarithm of the sum of the
            powers of all FFT bins, floored at `energy_floor`.
            power of all FFT bins, at least the floor.
        mel_bands: Triangular filters, placed as `python_speech_features.get_filterbanks` does.
        mel_low_hz: Lower edge of the lowest filter.
        mel_high_hz: Upper edge of the highest filter.
        energy_floor: The least energy of a filter, in squared sample units; a lower one is raised
            to it. At int16 scale 1.0 is about the energy of one bit of dither, and digital silence
            becomes an MFCC vector of zeros.
        mfcc_count: Cepstral coefficients kept, c0 included.
        level: How loudness is removed. A gain shifts c0 and no other MFCC; of "mel" and
            "spectrogram" it shifts all features alike, and the mean of a frame's features takes
            the place of c0.
            "none": loudness stays. "running": subtract the stream's mean c0 so far, with
            exponential forgetting and the time constant `level_frames` (causal, frame by frame).
            "window": subtract the window's mean c0 (causal, but a window's features wait for its
            end); the default, for the reasons in docs/evidence/levels.md. "clip": divide the
            samples by the 99.9th percentile of the whole recording's magnitude, as LIGHT-SERNET
            does (not causal; impossible live).
        level_frames: Time constant of "running" in frames.
        clip: Standardised features are limited to -clip..clip.
        window_frames: Frames the model sees at once.
        hop_frames: Default distance between decisions.
        stride_frames: Frames from one row of the network's last feature map to the next, if no
            row depends on the ends of a window. Windows that start a multiple of it apart then
            share their rows, and a listener computes each row once. Windows that start closer,
            at a hop that divides it, share the rows of the first layers. 0: a row depends on its
            window, and every window is computed whole.
        receptive_frames: Frames that one row of the last feature map depends on; 0 if
            `stride_frames` is 0. A window is this long, or longer by a multiple of the stride.
        smoothing: Weight of the earlier smoothed scores against the new ones, 0 (off) to below 1.
        features: What the model sees of a frame. "mfcc": the first `mfcc_count` cepstral
            coefficients. "mel": the logarithms of the `mel_bands` energies. "spectrogram": the
            logarithm of the power of each FFT bin whose centre lies in
            `mel_low_hz`..`mel_high_hz`. Each is floored at `energy_floor` before the logarithm;
            logarithms are rounded to the nearest 1024th. "micro": the `mel_bands` channels of the
            TensorFlow Lite Micro frontend; see `micro_frontend`.
        unsure_below: A result is "unsure" if its top smoothed score is lower; 0 is off. It is
            fitted on scores of speakers that took no part in training.
        drift_limit: The model is not calibrated for a window with a higher drift (see `drift`);
            0 is off.
        taught: 16 hex digits that identify the head that `sernet-edge teach` fitted; "" in a
            model that was not taught. JSON may leave it out; it is then "".
        aroused_labels: Emotions of high arousal; see `arousal`. If both this and `calm_labels`
            are (), the model's labels in `AROUSED` and `CALM` count. A contract gives both or
            neither.
        calm_labels: Emotions of low arousal; see `aroused_labels`.
        micro_frontend: Settings of the features "micro", and of no other features. These features
            have their own window function, filters and scale: `window_function` and
            `energy_floor` have no effect, and the level is "none".
        version: Version of this format.
        provenance: Where the model came from (corpus, protocol, seed, metrics); free-form
            JSON. It is the only attribute that does not change `id`.
    """

    labels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sample_rate_hz: int = 16_000
    sample_scale: Literal["int16", "unit"] = "int16"
    frame_length_samples: int = 1024
    frame_step_samples: int = 256
    fft_size: int = 1024
    window_function: WindowFunction = "hann_periodic"
    preemphasis: float = 0.0
    lifter: int = 0
    first_feature: Literal["c0", "energy"] = "c0"
    mel_bands: int = 64
    mel_low_hz: float = 80.0
    mel_high_hz: float = 7600.0
    energy_floor: float = 1.0
    mfcc_count: int = 40
    level: Level = "window"
    level_frames: int = 184
    clip: float = 4.0
    window_frames: int = 184
    hop_frames: int = 31
    stride_frames: int = 0
    receptive_frames: int = 0
    smoothing: float = 0.5
    features: Literal["mfcc", "mel", "spectrogram", "micro"] = "mfcc"
    unsure_below: float = 0.0
    drift_limit: float = 0.0
    taught: str = ""
    aroused_labels: tuple[str, ...] = ()
    calm_labels: tuple[str, ...] = ()
    micro_frontend: MicroSettings | None = None
    version: int = CONTRACT_VERSION
    provenance: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse settings that no front end can follow.

        Raises:
            ContractError: Names the first field that is wrong.
        """
        self._check_micro()
        self._check_types()
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ContractError(
                f"contract: labels must be two or more different names: {self.labels}"
            )
        if not all(map(is_label, self.labels)):
            raise ContractError(f"contract: a label is empty or unprintable: {self.labels}")
        if self.version != CONTRACT_VERSION:
            value = reprlib.repr(self.version)
            raise ContractError(f"contract: version must be {CONTRACT_VERSION}, not {value}")
        for name, most in _MOST.items():
            if not 1 <= getattr(self, name) <= most:
                value = reprlib.repr(getattr(self, name))
                raise ContractError(f"contract: {name} must be in 1..{most}, not {value}")
        for name in ("energy_floor", "clip"):
            if not getattr(self, name) > 0:
                raise ContractError(f"contract: {name} must be above 0, not {getattr(self, name)}")
        self._check_front_end()
        self._check_statistics()
        self._check_micro_frames()
        self._check_shared_rows()
        if not 0 <= self.smoothing < 1:
            raise ContractError(f"contract: smoothing must be in 0..1, not {self.smoothing}")
        if not 0 <= self.unsure_below <= 1:
            raise ContractError(f"contract: unsure_below must be in 0..1, not {self.unsure_below}")
        if self.drift_limit < 0:
            raise ContractError(f"contract: drift_limit must be 0 or more, not {self.drift_limit}")
        self._check_arousal()

    def _check_types(self) -> None:
        """Refuse values of another type than the field's; convert whole numbers to float fields."""
        for name, hint in typing.get_type_hints(Contract).items():
            if name == "micro_frontend":
                continue
            value = getattr(self, name)
            check_type(name, value, hint)
            # 80 and 80.0 are the same setting and must give the same id.
            if hint is float:
                object.__setattr__(self, name, float(value))
            elif hint == tuple[float, ...]:
                object.__setattr__(self, name, tuple(map(float, value)))

    def _check_front_end(self) -> None:
        """Refuse settings of the features that contradict each other."""
        if self.fft_size < self.frame_length_samples or self.fft_size & (self.fft_size - 1):
            raise ContractError(
                f"contract: fft_size must be a power of two and at least the frame length "
                f"of {self.frame_length_samples}, not {self.fft_size}"
            )
        if not 0 <= self.mel_low_hz < self.mel_high_hz <= self.sample_rate_hz / 2:
            raise ContractError(
                f"contract: mel edges {self.mel_low_hz}..{self.mel_high_hz} Hz must rise and lie "
                f"in 0..{self.sample_rate_hz / 2:g} Hz"
            )
        if self.features == "mfcc" and self.mfcc_count > self.mel_bands:
            raise ContractError(
                f"contract: {self.mfcc_count} MFCCs cannot come from {self.mel_bands} mel bands"
            )
        if not 0 <= self.preemphasis <= 1:
            raise ContractError(f"contract: preemphasis must be in 0..1, not {self.preemphasis}")
        if not 0 <= self.lifter <= _MOST["mfcc_count"]:
            raise ContractError(
                f"contract: lifter must be in 0..{_MOST['mfcc_count']}, not {self.lifter}"
            )
        if self.features != "mfcc" and (self.lifter or self.first_feature != "c0"):
            raise ContractError(
                "contract: lifter and first_feature are settings of MFCCs, not of "
                f"{self.features!r}"
            )
        if not self.feature_count:
            raise ContractError(
                f"contract: no FFT bin lies in {self.mel_low_hz}..{self.mel_high_hz} Hz"
            )

    def _check_micro(self) -> None:
        """Convert JSON to settings; refuse them with other features, and "micro" without them."""
        given: Any = self.micro_frontend
        if isinstance(given, Mapping):
            object.__setattr__(self, "micro_frontend", MicroSettings.of_document(given))
        elif given is not None and not isinstance(given, MicroSettings):
            value = reprlib.repr(given)
            raise ContractError(f"contract: micro_frontend cannot be {value}; it must be an object")
        if (self.features == "micro") != (given is not None):
            raise ContractError(
                "contract: micro_frontend holds the settings of the features 'micro': "
                f"with the features {self.features!r} it must be "
                f"{'given' if self.features == 'micro' else 'left out'}"
            )

    def _check_micro_frames(self) -> None:
        """Refuse settings that the micro frontend lacks, or that do not fit its frames."""
        if self.micro_frontend is None:
            return
        fixed = {
            "sample_scale": "int16",
            "preemphasis": 0.0,
            "level": "none",
            "mean": (0.0,) * self.feature_count,
            "std": (1.0,) * self.feature_count,
            "fft_size": 1 << (self.frame_length_samples - 1).bit_length(),
        }
        for name, value in fixed.items():
            if getattr(self, name) != value:
                shown = value[0] if isinstance(value, tuple) else value
                raise ContractError(
                    f"contract: {name} must be {shown!r} with the features 'micro' and frames of "
                    f"{self.frame_length_samples} samples"
                )
        if self.fft_size < 32:
            raise ContractError(
                "contract: frame_length_samples must be 17 or more with the features 'micro', not "
                f"{self.frame_length_samples}"
            )
        if self.frame_step_samples > self.frame_length_samples:
            raise ContractError(
                f"contract: frame_step_samples must be {self.frame_length_samples}, the frame "
                f"length, or less with the features 'micro', not {self.frame_step_samples}"
            )
        self.micro_frontend.check_frames(self.fft_size)

    def _check_statistics(self) -> None:
        """Repeat a single mean or deviation for all features; refuse other numbers of values."""
        for name in ("mean", "std"):
            if len(getattr(self, name)) == 1:
                object.__setattr__(self, name, getattr(self, name) * self.feature_count)
            if len(getattr(self, name)) != self.feature_count:
                raise ContractError(f"contract: {name} must have {self.feature_count} values")
        if min(self.std) <= 0:
            raise ContractError("contract: every std must be above 0")

    def _check_arousal(self) -> None:
        """Refuse arousal labels that the model lacks, and labels of both high and low arousal."""
        aroused, calm = self.aroused_labels, self.calm_labels
        if bool(aroused) != bool(calm):
            raise ContractError(
                "contract: aroused_labels and calm_labels must both name emotions, or neither"
            )
        named = [*aroused, *calm]
        if strange := sorted(set(named) - set(self.labels) | {NONE} & set(named)):
            raise ContractError(
                f"contract: {strange[0]!r} has an arousal, but the model has no such emotion"
            )
        if len(set(named)) < len(named):
            raise ContractError("contract: an emotion cannot be of high and of low arousal")

    def _check_shared_rows(self) -> None:
        """Refuse a window, a hop or a level with which windows cannot share rows."""
        stride, receptive = self.stride_frames, self.receptive_frames
        for name, value in (("stride_frames", stride), ("receptive_frames", receptive)):
            if not 0 <= value <= _MOST["window_frames"]:
                raise ContractError(
                    f"contract: {name} must be in 0..{_MOST['window_frames']}, not {value}"
                )
        if not stride and not receptive:
            return
        if not stride or not receptive:
            raise ContractError(
                f"contract: stride_frames {stride} and receptive_frames {receptive} must both "
                "be 0, or both be above 0"
            )
        if self.level in ("window", "clip"):
            raise ContractError(
                f"contract: the level {self.level!r} needs the whole window, and a network whose "
                "windows share rows has none",
                'use the level "none" or "running"',
            )
        if self.window_frames < receptive or (self.window_frames - receptive) % stride:
            below, above = _nearest(self.window_frames, stride, receptive)
            raise ContractError(
                f"contract: window_frames {self.window_frames} is not {receptive} plus a multiple "
                f"of {stride}, the stride of the network's last feature map",
                f"the nearest that work are {below} and {above}",
            )
        self._check_hop(self.hop_frames)

    def _check_hop(self, hop_frames: int) -> None:
        """Refuse a hop with which windows do not share rows.

        Raises:
            ContractError: Names the nearest two that work, in frames and seconds.
        """
        stride = self.stride_frames
        if not stride or hop_frames % stride == 0 or stride % hop_frames == 0:
            return
        first, second = _nearest(hop_frames, stride, stride)
        if hop_frames < stride:
            first = max(hop for hop in range(1, hop_frames) if stride % hop == 0)
            second = min(hop for hop in range(hop_frames, stride + 1) if stride % hop == 0)
        raise ContractError(
            f"a hop of {hop_frames} frames ({hop_frames * self.frame_step_s:.3f} s) is neither a "
            f"multiple of {stride} frames, the stride of the network's last feature map, nor a "
            "divisor of it",
            f"the nearest that work are {first * self.frame_step_s:.3f} s and "
            f"{second * self.frame_step_s:.3f} s",
        )

    @property
    def id(self) -> str:
        """16 hex digits that change when any setting but the provenance does."""
        settings = self._document()
        del settings["provenance"]
        # repr writes a Python float as the shortest text that reads back as the same number, so
        # every machine hashes the same text.
        canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def feature_count(self) -> int:
        """Features of a frame: the model's input is (window_frames, feature_count)."""
        counts = {"mfcc": self.mfcc_count, "mel": self.mel_bands, "micro": self.mel_bands}
        return counts.get(self.features, len(self.spectrum_bins))

    @property
    def none_index(self) -> int | None:
        """Index of the output `NONE`, which says that nobody speaks; None if there is none."""
        return self.labels.index(NONE) if NONE in self.labels else None

    @property
    def arousal_sides(self) -> tuple[int, ...] | None:
        """1 for a label of high arousal, -1 for low, 0 for neither; None if one kind is missing."""
        aroused, calm = (
            (self.aroused_labels, self.calm_labels) if self.calm_labels else (AROUSED, CALM)
        )
        sides = tuple((label in aroused) - (label in calm) for label in self.labels)
        return sides if 1 in sides and -1 in sides else None

    @property
    def spectrum_bins(self) -> range:
        """FFT bins whose centre lies in mel_low_hz..mel_high_hz."""
        low, high = (
            hz * self.fft_size / self.sample_rate_hz for hz in (self.mel_low_hz, self.mel_high_hz)
        )
        return range(math.ceil(low), math.floor(high) + 1)

    @property
    def window_samples(self) -> int:
        """Samples in one window."""
        return (self.window_frames - 1) * self.frame_step_samples + self.frame_length_samples

    @property
    def window_s(self) -> float:
        """Seconds in one window."""
        return self.window_samples / self.sample_rate_hz

    @property
    def frame_step_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.frame_step_samples / self.sample_rate_hz

    @property
    def full_scale(self) -> float:
        """The value of a full-scale sample in the front end's units."""
        return 32768.0 if self.sample_scale == "int16" else 1.0

    def replace(self, **changes: Any) -> Contract:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """Return the contract as JSON text; `from_json` reads it back to an equal object."""
        document = {"format": _FORMAT, "id": self.id, **self._document()}
        return json.dumps(document, indent=1, sort_keys=True) + "\n"

    def _document(self) -> dict[str, Any]:
        """Return the fields for JSON, without those that have their defaults."""
        document = dataclasses.asdict(self)
        return {k: v for k, v in document.items() if k not in _LEFT_OUT or v != _LEFT_OUT[k]}

    @staticmethod
    def from_json(text: str | bytes, where: str = "contract") -> Contract:
        """Read a contract from the JSON that `to_json` wrote.

        Args:
            text: The JSON document.
            where: The document's name in an error, such as its file.

        Raises:
            ContractError: It is not JSON, has another format or a newer version, has an unknown,
                missing or impossible field, or its id does not match its settings.
        """
        damaged = "get the model again, or convert it again with `sernet-edge convert`"
        try:
            document = json.loads(text)
        # RecursionError: JSON nested deeper than any contract.
        except (ValueError, RecursionError) as error:
            raise ContractError(f"{where}: the contract is not JSON: {error}", damaged) from error
        if not isinstance(document, dict) or document.pop("format", None) != _FORMAT:
            raise ContractError(f"{where}: this JSON is not a sernet-edge contract", damaged)
        version = document.get("version")
        if isinstance(version, int) and version > CONTRACT_VERSION:
            raise ContractError(
                f"{where}: the contract has version {version}, "
                f"this program knows version {CONTRACT_VERSION}",
                "pip install --upgrade sernet-edge",
            )
        claimed_id = document.pop("id", None)
        if unknown := sorted(set(document) - _FIELDS):
            raise ContractError(f"{where}: the contract has unknown fields {unknown}", damaged)
        if missing := sorted(_FIELDS - set(_LEFT_OUT) - set(document)):
            raise ContractError(f"{where}: the contract lacks the fields {missing}", damaged)
        try:
            contract = Contract(**{k: _from_json_value(v) for k, v in document.items()})
        except ContractError as error:
            raise ContractError(f"{where}: {error.message}", damaged) from error
        if contract.id != claimed_id:
            raise ContractError(
                f"{where}: the contract says its id is {claimed_id}, but its settings "
                f"give {contract.id}: it was changed or damaged",
                damaged,
            )
        return contract


def is_label(text: str) -> bool:
    """Whether a text may be a label: it is not blank, and has no invisible characters.

    Two are allowed: Persian, Hindi and emoji need Unicode's two joiners between letters.
    """
    return (
        bool(text.strip()) and "".join(part for part in text if part not in JOINERS).isprintable()
    )


def _nearest(value: int, step: int, least: int) -> tuple[int, int]:
    """Return the two numbers around `value` that are `least` plus a multiple of `step`."""
    below = least + max(0, (value - least) // step) * step
    return below, below + step


_FIELDS = {field.name for field in dataclasses.fields(Contract)}

_OPTIONAL = (
    *("taught", "aroused_labels", "calm_labels", "preemphasis", "lifter", "first_feature"),
    "micro_frontend",
)

_LEFT_OUT = {
    field.name: field.default for field in dataclasses.fields(Contract) if field.name in _OPTIONAL
}
"""Fields that JSON leaves out if they have these values, their defaults."""


def _from_json_value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
