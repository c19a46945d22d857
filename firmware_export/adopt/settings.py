"""Reads the settings that a user writes for somebody else's model, and makes a contract of them."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError

PSF = "python_speech_features"

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

# What says nothing of how the model was made. The library has no floor: it takes this for 0.
_PLAIN: dict[str, Any] = {
    "mean": [0.0],
    "std": [1.0],
    "level": "none",
    "smoothing": 0.0,
    "energy_floor": float(np.finfo(np.float64).eps),
}


@dataclasses.dataclass(frozen=True)
class Ends:
    """What a model takes and gives.

    Attributes:
        frames: In its window.
        features: Of a frame.
        labels: Scores that it gives.
        largest: The largest magnitude that its input can stand for.
    """

    frames: int
    features: int
    labels: int
    largest: float


def read_settings(path: Path) -> dict[str, Any] | Contract:
    """Read the user's file.

    Returns:
        A whole contract, as `sernet-edge` writes it; or the settings of one.

    Raises:
        ContractError: It cannot be read, or has a field that no contract has.
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
    known = {field.name for field in dataclasses.fields(Contract)} | {PSF}
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
    """Return the contract that the settings and the model's tensors give.

    Args:
        settings: What `read_settings` gives.
        ends: Of the model.
        where: What to call the settings in errors.

    Raises:
        ContractError: A setting is impossible; names it.
    """
    settings = dict(settings)
    library = settings.pop(PSF, None)
    from_library = {} if library is None else _of_library(library, where)
    if twice := sorted(set(from_library) & set(settings)):
        raise ContractError(f"{where}: {twice[0]} and {PSF} say the same", "leave one of them out")
    from_model = {
        "window_frames": ends.frames or 1,
        # No less than the input can stand for: nothing is clipped that the model would see.
        "clip": ends.largest,
    }
    fields: dict[str, Any] = {**_PLAIN, **from_model, **from_library, **settings}
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    try:
        contract = Contract(**fields)
        if not ends.frames and "window_frames" not in settings:
            # A flat input: as many frames as it has room for.
            frames = max(1, ends.features // contract.feature_count)
            contract = contract.replace(window_frames=frames)
        if "hop_frames" not in settings:
            contract = contract.replace(hop_frames=max(1, contract.window_frames // 2))
        return contract
    except ContractError as error:
        raise ContractError(f"{where}: {error.message}", error.hint) from error


def _of_library(library: Any, where: str) -> dict[str, Any]:
    """Return the contract's fields for the arguments of `python_speech_features.mfcc`."""
    if not isinstance(library, dict):
        raise ContractError(f"{where}: {PSF} must be an object with the arguments of mfcc()")
    _check_known(f"{where}: {PSF}", library, set(_PSF_DEFAULTS))
    given = _PSF_DEFAULTS | library
    for name in set(_PSF_DEFAULTS) - {"winfunc", "appendEnergy"}:
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
            raise ContractError(f"{where}: {PSF}: {name} cannot be {value!r}")
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
