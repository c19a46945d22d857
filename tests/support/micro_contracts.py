"""Contracts with common settings of the micro frontend."""

from __future__ import annotations

from typing import Any

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.micro_settings import MicroSettings

MICRO_SPEECH = {"window_size": 30, "window_step": 20, "num_channels": 40, "enable_pcan": True}
"""micro_speech's arguments of `audio_microfrontend`."""

MICRO_WAKE_WORD = {**MICRO_SPEECH, "window_step": 10}
"""The arguments of microWakeWord, and of the class in the wheel pymicro-features."""


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
"""Arguments of `audio_microfrontend`, and the rate in Hz if it is not 16,000."""


_DEFAULTS: dict[str, Any] = {
    "window_size": 25, "window_step": 10, "num_channels": 32, "lower_band_limit": 125.0,
    "upper_band_limit": 7500.0,
}  # fmt: skip
"""The library's defaults, if they differ from the defaults of `MicroSettings`."""


def micro_contract(rate: int = 16_000, **settings: Any) -> Contract:
    """Return a contract with settings of `audio_microfrontend`; the rest are its defaults."""
    given = _DEFAULTS | settings
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
            **{"scale": 0.0390625} | {name: value for name, value in given.items() if name in own}
        ),
    )
