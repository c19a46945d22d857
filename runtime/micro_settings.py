"""The settings of the TensorFlow Lite Micro frontend that no other front end has."""

from __future__ import annotations

import reprlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sernet_edge.runtime.checked_fields import check_type
from sernet_edge.runtime.errors import ContractError

# The least and the largest value of each setting.
_RANGES: dict[str, tuple[float, float]] = {
    "smoothing_bits": (0, 31),
    "even_smoothing": (0, 1),
    "odd_smoothing": (0, 1),
    "min_signal_remaining": (0, 1),
    "pcan_strength": (0, 1),
    "pcan_offset": (0, 1e6),
    "gain_bits": (0, 31),
    # A logarithm is at most 22.2, and must fit in 16 bits.
    "scale_shift": (0, 11),
    "divisor": (0, 65_535),
}


# With a smaller offset, gains overflow.
_LEAST_OFFSET = 1e-6


@dataclass(frozen=True)
class MicroSettings:
    """What follows the micro frontend's filters; names as in TensorFlow's `audio_microfrontend`.

    Attributes:
        scale: See `divisor`; above 0.
        divisor: How the frontend's output v, 0..65535, becomes the model's input. 0: v * scale,
            as microWakeWord has it. Else `scale` times the level min(255, (256 v + divisor / 2) /
            divisor), whole numbers; micro_speech has 666.
        smoothing_bits: Bits by which the noise estimate is finer than the signal.
        even_smoothing: Weight of a new value in the estimate of even channels, 0..1.
        odd_smoothing: The same for odd channels.
        min_signal_remaining: The least share of the signal that noise reduction leaves, 0..1.
        enable_pcan: Whether a channel's gain depends on its noise estimate (PCAN).
        pcan_strength: Exponent of PCAN's gain, 0..1.
        pcan_offset: Added to the estimate before the exponent; 0 or more.
        gain_bits: Fractional bits of PCAN's gain.
        scale_shift: Fractional bits of the resulting logarithms.
    """

    scale: float
    divisor: int = 0
    smoothing_bits: int = 10
    even_smoothing: float = 0.025
    odd_smoothing: float = 0.06
    min_signal_remaining: float = 0.05
    enable_pcan: bool = False
    pcan_strength: float = 0.95
    pcan_offset: float = 80.0
    gain_bits: int = 21
    scale_shift: int = 6

    def __post_init__(self) -> None:
        """Refuse values outside their range.

        Raises:
            ContractError: Names the first value outside its range.
        """
        for name, hint in typing.get_type_hints(MicroSettings).items():
            value = getattr(self, name)
            check_type(f"micro_frontend: {name}", value, hint)
            if hint is float:
                object.__setattr__(self, name, float(value))
            if name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
                low, high = _RANGES[name]
                raise ContractError(
                    f"contract: micro_frontend: {name} must be in {low:g}..{high:g}, "
                    f"not {reprlib.repr(value)}"
                )
        if not self.scale > 0:
            raise ContractError(
                f"contract: micro_frontend: scale must be above 0, not {self.scale}"
            )
        # The frontend computes its gains in float32.
        if self.enable_pcan and not self.pcan_offset >= _LEAST_OFFSET:
            raise ContractError(
                f"contract: micro_frontend: pcan_offset must be {_LEAST_OFFSET:g} or more with PCAN"
            )

    @staticmethod
    def of_document(document: Mapping[str, Any]) -> MicroSettings:
        """Return the settings in a JSON object.

        Raises:
            ContractError: A setting is missing, unknown or impossible; names it.
        """
        names = [field.name for field in fields(MicroSettings)]
        if unknown := sorted(set(document) - set(names)):
            raise ContractError(f"contract: micro_frontend has unknown fields {unknown}")
        if missing := [name for name in names if name not in document]:
            raise ContractError(f"contract: micro_frontend lacks the fields {missing}")
        return MicroSettings(**document)

    def check_frames(self, fft_size: int) -> None:
        """Refuse bit counts that would shift a number out of its width, with this FFT size.

        Raises:
            ContractError: Names the setting.
        """
        correction = correction_bits(fft_size)
        if self.enable_pcan and not 0 <= self.smoothing_bits - correction <= 31:
            raise ContractError(
                f"contract: micro_frontend: smoothing_bits must be in {max(correction, 0)}.."
                f"{min(31, 31 + correction)} with PCAN and an FFT of {fft_size}, not "
                f"{self.smoothing_bits}"
            )
        least = correction + SNR_BITS
        if self.enable_pcan and self.gain_bits < least:
            raise ContractError(
                f"contract: micro_frontend: gain_bits must be {least} or more with an FFT of "
                f"{fft_size}, not {self.gain_bits}"
            )


SNR_BITS = 12
"""Fractional bits of the ratio of signal to noise in PCAN."""


def correction_bits(fft_size: int) -> int:
    """Return by how many bits the frontend's signals are too small, because the FFT divides."""
    # The FFT divides by its size; the square root of 12-bit weights multiplies by 6 bits.
    return fft_size.bit_length() - 1 - 6
