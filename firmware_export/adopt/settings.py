"""Reads the settings that a user writes for another project's model, and makes a contract."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError
from sernet_edge.runtime.micro_settings import MicroSettings

PSF, MICRO = "python_speech_features", "micro_frontend"
"""Fields of the settings that hold the arguments of another library."""

# Arguments of `python_speech_features.mfcc` and their defaults.
_PSF_DEFAULTS: dict[str, Any] = {
    "samplerate": 16_000,
    "winlen": 0.025,
    "winstep": 0.01,
    "numcep": 13,
    "nfilt": 26,
    "nfft": 512,
    "lowfreq": 0,
    "highfreq": None,
    "preemph": 0.97,
    "ceplifter": 22,
    "appendEnergy": True,
    "winfunc": None,
}
_PSF_WINDOWS = {None: "rectangle", "hamming": "hamming", "hanning": "hann"}

# Arguments of TensorFlow's `audio_microfrontend` and their defaults; `scale` and `divisor` say how
# its output becomes the model's input.
_MICRO_DEFAULTS: dict[str, Any] = {
    "sample_rate": 16_000,
    "window_size": 25,
    "window_step": 10,
    "num_channels": 32,
    "upper_band_limit": 7500.0,
    "lower_band_limit": 125.0,
    "smoothing_bits": 10,
    "even_smoothing": 0.025,
    "odd_smoothing": 0.06,
    "min_signal_remaining": 0.05,
    "enable_pcan": False,
    "pcan_strength": 0.95,
    "pcan_offset": 80.0,
    "gain_bits": 21,
    "enable_log": True,
    "scale_shift": 6,
    "scale": None,
    "divisor": None,
}

# Defaults of fields that a library's arguments do not set. The library has no energy floor: it
# replaces 0 by this epsilon.
_PLAIN: dict[str, Any] = {
    "mean": [0.0],
    "std": [1.0],
    "level": "none",
    "smoothing": 0.0,
    "energy_floor": float(np.finfo(np.float64).eps),
}


@dataclasses.dataclass(frozen=True)
class Ends:
    """Sizes and scales of a model's input and output.

    Attributes:
        frames: Frames in the input; 0 for a flat input.
        features: Features of a frame; for a flat input all its values.
        labels: Scores in the output.
        step: Real value of one step of the int8 input.
        zero_point: The int8 input that means 0.
    """

    frames: int
    features: int
    labels: int
    step: float
    zero_point: int

    @property
    def largest(self) -> float:
        """The largest absolute value that the input can hold."""
        steps = max(self.zero_point + 128, 127 - self.zero_point)
        return float(steps * np.float32(self.step))


def read_settings(path: Path) -> dict[str, Any] | Contract:
    """Read the user's file.

    Returns:
        A complete contract, if the file is one that `sernet-edge` wrote; otherwise the settings.

    Raises:
        ContractError: The file is unreadable, or has an unknown field.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
    except OSError as error:
        raise ContractError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ContractError(f"{path} holds no JSON object", 'write {"labels": [...], ...}')
    if "format" in document:
        return Contract.from_json(text, str(path))
    known = {field.name for field in dataclasses.fields(Contract)} | {PSF, MICRO}
    _check_known(str(path), document, known)
    if "labels" not in document:
        raise ContractError(f"{path} has no labels", 'add "labels": ["yes", "no", ...]')
    return document


def _check_known(where: str, document: dict[str, Any], known: set[str]) -> None:
    for name in document:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ContractError(
                f"{where}: there is no setting {name!r}",
                f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}",
            )


def contract_of(settings: dict[str, Any], ends: Ends, where: str) -> Contract:
    """Make a contract from the settings and the model's tensors.

    Args:
        settings: From `read_settings`.
        ends: The model's input and output.
        where: The name of the settings in errors.

    Raises:
        ContractError: A setting is impossible; the message names it.
    """
    settings = dict(settings)
    from_library, name = _of_library(settings, ends, where)
    if twice := sorted(set(from_library) & set(settings)):
        raise ContractError(f"{where}: {twice[0]} and {name} say the same", "leave one of them out")
    from_model = {
        "window_frames": ends.frames or 1,
        # The input's own limit: the contract must not clip a value that the input can hold.
        "clip": ends.largest,
    }
    fields: dict[str, Any] = {**_PLAIN, **from_model, **from_library, **settings}
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    try:
        contract = Contract(**fields)
        if not ends.frames and "window_frames" not in settings:
            # A flat input does not tell its frames: take as many as fit.
            frames = max(1, ends.features // contract.feature_count)
            contract = contract.replace(window_frames=frames)
        if "hop_frames" not in settings:
            contract = contract.replace(hop_frames=max(1, contract.window_frames // 2))
        return contract
    except ContractError as error:
        raise ContractError(f"{where}: {error.message}", error.hint) from error


def _of_library(settings: dict[str, Any], ends: Ends, where: str) -> tuple[dict[str, Any], str]:
    """Take a library's arguments out of `settings`; return their contract fields and its name."""
    psf, micro = settings.pop(PSF, None), settings.pop(MICRO, None)
    if psf is not None and micro is not None:
        raise ContractError(
            f"{where}: {PSF} and {MICRO} are two front ends", "leave one of them out"
        )
    if psf is not None:
        return _of_psf(psf, where), PSF
    return ({} if micro is None else _of_micro(micro, ends, where)), MICRO


def _arguments(given: Any, defaults: dict[str, Any], where: str, call: str) -> dict[str, Any]:
    """Return a library's arguments with its defaults; refuse unknown names and wrong types."""
    if not isinstance(given, dict):
        raise ContractError(f"{where} must be an object with the arguments of {call}()")
    _check_known(where, given, set(defaults))
    for name in set(given) - {"winfunc"}:
        value = given[name]
        is_switch = isinstance(defaults[name], bool)
        kinds = (bool,) if is_switch else (int, float, type(None))
        # JSON allows integers of any length; a float cannot hold this one exactly.
        is_huge = isinstance(value, int) and abs(value) > 2**53
        if isinstance(value, bool) != is_switch or not isinstance(value, kinds) or is_huge:
            raise ContractError(f"{where}: {name} cannot be {reprlib.repr(value)}")
    return defaults | given


def _of_psf(library: Any, where: str) -> dict[str, Any]:
    """Return the contract's fields for the arguments of `python_speech_features.mfcc`."""
    given = _arguments(library, _PSF_DEFAULTS, f"{where}: {PSF}", "mfcc")
    if given["winfunc"] not in _PSF_WINDOWS:
        raise ContractError(
            f"{where}: {PSF}: winfunc cannot be {given['winfunc']!r}",
            "give null (none), hamming or hanning, which are NumPy's",
        )
    rate = given["samplerate"]
    return {
        "sample_rate_hz": rate,
        "frame_length_samples": math.floor(given["winlen"] * rate + 0.5),
        "frame_step_samples": math.floor(given["winstep"] * rate + 0.5),
        "fft_size": given["nfft"],
        "mel_bands": given["nfilt"],
        "mfcc_count": given["numcep"],
        "mel_low_hz": given["lowfreq"],
        "mel_high_hz": given["highfreq"] or rate / 2,
        "preemphasis": given["preemph"],
        "lifter": given["ceplifter"],
        "first_feature": "energy" if given["appendEnergy"] else "c0",
        "window_function": _PSF_WINDOWS[given["winfunc"]],
    }


def _of_micro(library: Any, ends: Ends, where: str) -> dict[str, Any]:
    """Return the contract's fields for the arguments of `audio_microfrontend`."""
    where = f"{where}: {MICRO}"
    given = _arguments(library, _MICRO_DEFAULTS, where, "audio_microfrontend")
    _check_micro(given, where)
    rate = given["sample_rate"]
    length = given["window_size"] * rate // 1000
    own = {field.name for field in dataclasses.fields(MicroSettings)} - {"scale", "divisor"}
    return {
        "features": "micro",
        "sample_rate_hz": rate,
        "frame_length_samples": length,
        "frame_step_samples": given["window_step"] * rate // 1000,
        "fft_size": 1 << (length - 1).bit_length(),
        "mel_bands": given["num_channels"],
        "mel_low_hz": given["lower_band_limit"],
        "mel_high_hz": given["upper_band_limit"],
        "micro_frontend": {name: given[name] for name in own} | _micro_scale(given, ends, where),
    }


def _check_micro(given: dict[str, Any], where: str) -> None:
    """Refuse arguments that do not fit each other.

    The contract has other names for these arguments, so its own errors would not help the user. It
    checks the ranges of the other arguments, which have the same names there.
    """
    whole = ("sample_rate", "window_size", "window_step", "num_channels")
    for name in whole:
        if type(given[name]) is not int or given[name] < 1:
            value = reprlib.repr(given[name])
            raise ContractError(f"{where}: {name} must be a whole number above 0, not {value}")
    for name in ("lower_band_limit", "upper_band_limit"):
        if given[name] is None:
            raise ContractError(f"{where}: {name} cannot be None")
    rate, window_ms, step_ms, _ = (given[name] for name in whole)
    if rate > 192_000:
        value = reprlib.repr(rate)
        raise ContractError(f"{where}: sample_rate must be at most 192000 Hz, not {value}")
    if step_ms > window_ms:
        raise ContractError(
            f"{where}: window_step is {step_ms} ms, longer than the window_size of {window_ms} ms"
        )
    least = -(-17_000 // rate)
    if not least <= window_ms <= 16_384_000 // rate:
        raise ContractError(
            f"{where}: window_size must be in {least}..{16_384_000 // rate} ms at {rate} Hz, not "
            f"{window_ms}"
        )
    low, high = given["lower_band_limit"], given["upper_band_limit"]
    if not 0 <= low < high < rate / 2:
        raise ContractError(
            f"{where}: lower_band_limit {low:g} and upper_band_limit {high:g} Hz must rise and lie "
            f"below half of the sample_rate, {rate / 2:g} Hz"
        )
    if not given["enable_log"]:
        raise ContractError(
            f"{where}: enable_log must be true: features without the logarithm are not supported"
        )


def _micro_scale(given: dict[str, Any], ends: Ends, where: str) -> dict[str, Any]:
    """Return how the frontend's output becomes the model's input."""
    scale, divisor = given["scale"], given["divisor"]
    if (scale is None) == (divisor is None):
        raise ContractError(
            f"{where}: scale or divisor must be given, and not both",
            'write "divisor": 666 for (256 v + 333) / 666 - 128, as in micro_speech, or "scale": '
            "0.0390625 for v * 0.0390625, as in microWakeWord",
        )
    if scale is not None:
        return {"scale": scale, "divisor": 0}
    if not divisor:
        raise ContractError(f"{where}: divisor must be above 0, not {divisor!r}")
    return {"scale": ends.step, "divisor": divisor}
