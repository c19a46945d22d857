"""The original micro frontend with any settings: the C library inside the wheel pymicro-features.

Its Python class has the settings of microWakeWord alone. The library exports its C functions, too.
"""

from __future__ import annotations

import ctypes
from typing import Any

import micro_features_cpp
import numpy as np
from numpy.typing import NDArray
from pymicro_features import MicroFrontend

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.micro_settings import MicroSettings

Features = NDArray[np.int64]  # (frames, channels)


class _Config(ctypes.Structure):
    """FrontendConfig of frontend_util.h."""

    _fields_ = (
        ("window_size", ctypes.c_size_t),
        ("window_step", ctypes.c_size_t),
        ("num_channels", ctypes.c_int),
        ("upper_band_limit", ctypes.c_float),
        ("lower_band_limit", ctypes.c_float),
        ("output_scale_shift", ctypes.c_int),
        ("smoothing_bits", ctypes.c_int),
        ("even_smoothing", ctypes.c_float),
        ("odd_smoothing", ctypes.c_float),
        ("min_signal_remaining", ctypes.c_float),
        ("enable_pcan", ctypes.c_int),
        ("pcan_strength", ctypes.c_float),
        ("pcan_offset", ctypes.c_float),
        ("gain_bits", ctypes.c_int),
        ("enable_log", ctypes.c_int),
        ("scale_shift", ctypes.c_int),
    )


class _Output(ctypes.Structure):
    """FrontendOutput of frontend.h."""

    _fields_ = (("values", ctypes.POINTER(ctypes.c_uint16)), ("size", ctypes.c_size_t))


_STATE_BYTES = 4096  # more than sizeof(struct FrontendState)


def library() -> ctypes.CDLL:
    """Return the wheel's library."""
    found = ctypes.CDLL(micro_features_cpp.__file__)
    found.FrontendProcessSamples.restype = _Output
    return found


def defaults() -> dict[str, Any]:
    """Return the settings that the library itself has."""
    config = _Config()
    library().FrontendFillConfigWithDefaults(ctypes.byref(config))
    return {name: getattr(config, name) for name, _ in _Config._fields_}


def reference(samples: NDArray[np.int16], rate: int, **settings: Any) -> Features | None:
    """Return the original's features, int64 (frames, channels); None where it refuses settings.

    Args:
        samples: int16 (samples,).
        rate: Hz.
        settings: Named as `audio_microfrontend` does; others are the library's own.
    """
    original, config = library(), _Config()
    original.FrontendFillConfigWithDefaults(ctypes.byref(config))
    for name, value in settings.items():
        assert hasattr(config, name), name
        setattr(config, name, value)
    state = ctypes.create_string_buffer(_STATE_BYTES)
    if not original.FrontendPopulateState(ctypes.byref(config), state, rate):
        return None
    rows, at = [], 0
    data = np.ascontiguousarray(samples, np.int16)
    read = ctypes.c_size_t()
    while at < len(data):
        output = original.FrontendProcessSamples(
            state, ctypes.c_void_p(data.ctypes.data + 2 * at), ctypes.c_size_t(len(data) - at),
            ctypes.byref(read),
        )  # fmt: skip
        at += read.value
        if output.size:
            rows.append(output.values[: output.size])
    original.FrontendFreeStateContents(state)
    return np.array(rows, np.int64).reshape(-1, config.num_channels)


def wheel_features(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the features of the wheel's Python class, float64 (frames, 40)."""
    front_end, rows = MicroFrontend(), []
    # Ten milliseconds at a time, as it wants them.
    for at in range(0, len(samples) - 159, 160):
        found = front_end.process_samples(samples[at : at + 160].astype("<i2").tobytes())
        assert found.samples_read == 160
        if found.features:
            rows.append(found.features)
    return np.array(rows)


MICRO_SPEECH = {"window_size": 30, "window_step": 20, "num_channels": 40, "enable_pcan": True}
"""Arguments of `audio_microfrontend` for micro_speech."""

MICRO_WAKE_WORD = {**MICRO_SPEECH, "window_step": 10}
"""Likewise for microWakeWord, and for the wheel's class."""


def micro_contract(rate: int = 16_000, **settings: Any) -> Contract:
    """Return a contract with the settings of `audio_microfrontend`, others the library's own."""
    given = defaults() | settings
    length = given["window_size"] * rate // 1000
    own = MicroSettings.__dataclass_fields__
    return Contract(
        labels=("a", "b"),
        mean=(0.0,),
        std=(1.0,),
        level="none",
        features="micro",
        sample_rate_hz=rate,
        frame_length_samples=length,
        frame_step_samples=given["window_step"] * rate // 1000,
        fft_size=1 << (length - 1).bit_length(),
        mel_bands=given["num_channels"],
        mel_low_hz=given["lower_band_limit"],
        mel_high_hz=given["upper_band_limit"],
        clip=26.0,
        window_frames=49,
        hop_frames=20,
        micro_frontend=MicroSettings(
            **{"scale": 0.0390625}
            | {name: value for name, value in given.items() if name in own}
            | {"enable_pcan": bool(given["enable_pcan"])}
        ),
    )
