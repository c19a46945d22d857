"""The original micro frontend with any settings: the C library inside the wheel pymicro-features.

The wheel's Python class allows only the settings of microWakeWord, but the library also exports
its C functions.
"""

from __future__ import annotations

import ctypes
from typing import Any

import micro_features_cpp
import numpy as np
from micro_contracts import micro_contract
from numpy.typing import NDArray
from pymicro_features import MicroFrontend

from sernet_edge.runtime.frontend import FrontEnd, feature_rows

Samples = NDArray[np.int16]
Features = NDArray[np.int64]  # (frames, channels)


class _Config(ctypes.Structure):
    """The C type FrontendConfig of frontend_util.h."""

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
    """The C type FrontendOutput of frontend.h."""

    _fields_ = (("values", ctypes.POINTER(ctypes.c_uint16)), ("size", ctypes.c_size_t))


_STATE_BYTES = 4096  # more than sizeof(struct FrontendState)


def library() -> ctypes.CDLL:
    """Return the wheel's library."""
    found = ctypes.CDLL(micro_features_cpp.__file__)
    found.FrontendProcessSamples.restype = _Output
    return found


def defaults() -> dict[str, Any]:
    """Return the library's default settings."""
    config = _Config()
    library().FrontendFillConfigWithDefaults(ctypes.byref(config))
    return {name: getattr(config, name) for name, _ in _Config._fields_}


def reference(samples: NDArray[np.int16], rate: int, **settings: Any) -> Features | None:
    """Return the original's features, int64 (frames, channels), or None if it refuses the settings.

    Args:
        samples: int16 (samples,).
        rate: Hz.
        settings: Arguments of `audio_microfrontend`; the rest are the library's defaults.
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
    # The class accepts 10 ms at a time.
    for at in range(0, len(samples) - 159, 160):
        found = front_end.process_samples(samples[at : at + 160].astype("<i2").tobytes())
        assert found.samples_read == 160
        if found.features:
            rows.append(found.features)
    return np.array(rows)


def signals() -> dict[str, Samples]:
    """Return extreme sounds for a front end, 12,000 samples each."""
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
    """Return whether the C library has the newer `log1pf`, which rounds correctly."""
    # The older one, from fdlibm, is off by one step for this number.
    x = np.float32(2.5)
    return bool(np.float32(platform_log1p()(x)) == np.float32(np.log1p(np.float64(x))))


def originals(samples: Samples, rate: int = 16_000, **settings: Any) -> Features:
    """Return the features of `reference`, or the runtime's if the C library's `log1pf` is newer.

    test_micro_frontend.py compares the two, both with the C library's logarithm.
    """
    if platform_differs():
        front_end = FrontEnd(micro_contract(rate, **settings))
        return feature_rows(front_end, samples).astype(np.int64)
    found = reference(samples, rate, **settings)
    assert found is not None
    return found
