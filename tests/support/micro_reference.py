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
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.runtime.micro_settings import MicroSettings

Samples = NDArray[np.int16]
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


MICRO_SETTINGS: dict[str, dict[str, Any]] = {
    "micro_speech": MICRO_SPEECH,
    "microWakeWord": MICRO_WAKE_WORD,
    "the library's own": {},
    "8 kHz": {"rate": 8000, "upper_band_limit": 3800.0, "num_channels": 16, "enable_pcan": True},
    "48 kHz": {"rate": 48_000, "window_size": 40, "window_step": 40, "upper_band_limit": 2e4},
    "a small FFT": {"window_size": 2, "window_step": 1, "num_channels": 8, "lower_band_limit": 0.0},
    "a large FFT": {"window_size": 128, "window_step": 50, "num_channels": 96, "enable_pcan": True},
    "channels without a bin": {"num_channels": 120, "enable_pcan": True},
    "no noise reduction": {"even_smoothing": 0.0, "odd_smoothing": 0.0, "scale_shift": 11},
    "strong noise reduction": {
        "even_smoothing": 1.0, "odd_smoothing": 0.5, "min_signal_remaining": 0.0,
        "smoothing_bits": 14, "scale_shift": 0,
    },
    "another gain": {
        "enable_pcan": True, "pcan_strength": 0.3, "pcan_offset": 0.5, "gain_bits": 17,
        "smoothing_bits": 5,
    },
    "the whole signal remains": {"min_signal_remaining": 1.0, "enable_pcan": True},
}  # fmt: skip
"""Arguments of `audio_microfrontend`, and the rate in Hz where it is another than 16,000."""


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


def signals() -> dict[str, Samples]:
    """Return sounds of 12,000 samples that go to the ends of what a front end meets."""
    rng, n = np.random.default_rng(1), np.arange(12_000)
    impulses = np.zeros(12_000)
    impulses[::1777], impulses[900::1777] = -32768, 32767
    found = {
        "silence": np.zeros(12_000),
        "a square wave at full scale": np.where(n // 37 % 2, 32767, -32768),
        "the least sample": np.full(12_000, -32768),
        "impulses": impulses,
        "the loudest noise": rng.integers(-32768, 32768, 12_000),
        "one bit of noise": rng.integers(0, 2, 12_000),
        "speech-like swells": rng.normal(0, 0.3, 12_000) * 9000 * (1.1 + np.sin(n / 1500)),
        "a tone that stops": np.where(n < 6000, 20_000 * np.sin(n / 3), 0),
    }
    return {name: np.clip(values, -32768, 32767).astype(np.int16) for name, values in found.items()}


def platform_log1p() -> Any:
    """Return the C library's `log1pf`, which the wheel's library calls."""
    found = ctypes.CDLL(None).log1pf
    found.restype, found.argtypes = ctypes.c_float, [ctypes.c_float]
    return found


def platform_differs() -> bool:
    """Whether the C library's `log1pf` is the later one, which rounds right."""
    # Here fdlibm's is a step off.
    x = np.float32(2.5)
    return bool(np.float32(platform_log1p()(x)) == np.float32(np.log1p(np.float64(x))))


def originals(samples: Samples, rate: int = 16_000, **settings: Any) -> Features:
    """Return what `reference` does, or where the C library has another logarithm, the runtime's.

    test_micro_frontend.py compares the two with the C library's logarithm.
    """
    if platform_differs():
        front_end = FrontEnd(micro_contract(rate, **settings))
        return feature_rows(front_end, samples).astype(np.int64)
    found = reference(samples, rate, **settings)
    assert found is not None
    return found
