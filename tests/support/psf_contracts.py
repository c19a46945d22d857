"""Contracts with common settings of python_speech_features."""

from __future__ import annotations

from typing import Any

import numpy as np

from sernet_edge.runtime.contract import Contract

COMMON: dict[str, Any] = {
    "labels": ("a", "b"), "mean": (0.0,), "std": (1.0,), "level": "none", "smoothing": 0.0,
    "energy_floor": float(np.finfo(float).eps), "mel_low_hz": 0.0, "mel_high_hz": 8000.0,
    "window_frames": 49, "hop_frames": 20, "clip": 120.0,
}  # fmt: skip

SETTINGS: dict[str, dict[str, Any]] = {
    # mfcc(signal, rate) with all its defaults.
    "defaults": {
        "frame_length_samples": 400, "frame_step_samples": 160, "fft_size": 512, "mel_bands": 26,
        "mfcc_count": 13, "preemphasis": 0.97, "lifter": 22, "first_feature": "energy",
        "window_function": "rectangle",
    },
    "hamming": {
        "frame_length_samples": 400, "frame_step_samples": 160, "fft_size": 512, "mel_bands": 26,
        "mfcc_count": 13, "preemphasis": 0.97, "lifter": 22, "first_feature": "energy",
        "window_function": "hamming",
    },
    "ten of 40 ms": {
        "frame_length_samples": 640, "frame_step_samples": 320, "fft_size": 1024, "mel_bands": 26,
        "mfcc_count": 10, "preemphasis": 0.95, "lifter": 0, "window_function": "hann",
    },
    "forty of 20 ms": {
        "frame_length_samples": 320, "frame_step_samples": 320, "fft_size": 512, "mel_bands": 40,
        "mfcc_count": 40, "lifter": 22, "first_feature": "energy", "window_function": "hamming",
        "mel_low_hz": 20.0, "mel_high_hz": 4000.0,
    },
    "30 ms, odd step": {
        "frame_length_samples": 480, "frame_step_samples": 161, "fft_size": 512, "mel_bands": 20,
        "mfcc_count": 13, "preemphasis": 1.0, "lifter": 3, "window_function": "rectangle",
    },
    "energy that follows a level": {
        "frame_length_samples": 512, "frame_step_samples": 256, "fft_size": 512, "mel_bands": 26,
        "mfcc_count": 13, "preemphasis": 0.97, "lifter": 22, "first_feature": "energy",
        "level": "window",
    },
    "logarithms of mel energies": {
        "frame_length_samples": 400, "frame_step_samples": 160, "fft_size": 512, "mel_bands": 26,
        "preemphasis": 0.97, "features": "mel", "window_function": "rectangle",
        "energy_floor": 1e-12,
    },
}  # fmt: skip


def psf_contract(name: str) -> Contract:
    """Return the contract of one of `SETTINGS`."""
    return Contract(**{**COMMON, **SETTINGS[name]})
