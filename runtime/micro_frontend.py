"""The features "micro": those of the TensorFlow Lite Micro frontend, to the bit.

micro_speech and microWakeWord use them. A frame is windowed, scaled up to 16 bits and transformed.
Triangular filters sum the powers; the square root of a sum is a channel's signal. The next steps
depend on earlier frames: an estimate of each channel's noise is subtracted, and with PCAN the
estimate sets the channel's gain. The last step is a logarithm.

All numbers are integers, as in the original:
https://github.com/tensorflow/tflite-micro, tensorflow/lite/experimental/microfrontend.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime import micro_tables
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError
from sernet_edge.runtime.micro_fft import RealFft
from sernet_edge.runtime.micro_settings import SNR_BITS, MicroSettings, correction_bits

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

_MASK = np.int64(2**32 - 1)

PCAN_OUTPUT_BITS = 6
"""Fractional bits of PCAN's result."""


def settings_of(contract: Contract) -> MicroSettings:
    """Return the settings of a contract with the features "micro".

    Raises:
        ContractError: It has other features.
    """
    if contract.micro_frontend is None:
        raise ContractError("contract: it has no micro_frontend")
    return contract.micro_frontend


class MicroFrontEnd:
    """The tables of one contract, and functions that use them; they have no state."""

    def __init__(self, contract: Contract) -> None:
        """Precompute the window, the filters and the tables of `contract`.

        Raises:
            ContractError: The contract has other features, or its band limits are impossible.
        """
        self._settings = settings_of(contract)
        self._channels = contract.mel_bands
        self._length = contract.frame_length_samples
        self._fft_size = contract.fft_size
        self._fft = RealFft(contract.fft_size)
        self._window = micro_tables.window(self._length).astype(np.int32)
        self._filters = micro_tables.filters(contract)
        self._correction = correction_bits(contract.fft_size)
        settings = self._settings
        self._weights = micro_tables.noise_weights(settings, self._channels)
        self._least = micro_tables.noise_fraction(settings.min_signal_remaining)
        self._logs = micro_tables.log_table()
        if settings.enable_pcan:
            bits = settings.smoothing_bits - self._correction
            self._gains = micro_tables.pcan_gains(settings, bits)

    def signals(self, frames: NDArray[np.int16]) -> Int64:
        """Return the channels' signals, from which the noise is not yet removed.

        Args:
            frames: int16 (frames, frame_length).

        Returns:
            int64 (frames, channels), below 2^32.
        """
        # abs(-32768) is -32768 in 16 bits, so this sample never is the loudest, as in the original.
        windowed = ((frames * self._window) >> micro_tables.WEIGHT_BITS).astype(np.int16)
        loudest = np.maximum(np.abs(windowed).max(axis=1), 0)
        shifts = 15 - _bit_length(loudest.astype(np.int64))
        padded = np.zeros((len(frames), self._fft_size), np.int16)
        shifted = windowed.astype(np.int64) << shifts[:, None]
        padded[:, : self._length] = shifted.astype(np.int16)
        return _rounded_root(self._sums(self._fft.powers(padded))) >> shifts[:, None]

    def _sums(self, powers: Int64) -> Int64:
        """Return the filters' energies, int64 (frames, channels), from powers (frames, bins)."""
        filters = self._filters
        used = powers[:, filters.first : filters.ends[-1]]
        starts = np.array((filters.first, *filters.ends)) - filters.first

        def runs(weights: Int64) -> Int64:
            sums = np.zeros((len(powers), used.shape[1] + 1), np.int64)
            np.cumsum(used * weights, axis=1, out=sums[:, 1:])
            return np.diff(sums[:, starts], axis=1)

        falling, rising = runs(filters.falling), runs(filters.rising)
        return rising[:, :-1] + falling[:, 1:]

    def reduced(self, signals: Int64, estimates: Int64) -> Int64:
        """Return the stream's next rows of features, and update its estimate of the noise.

        Args:
            signals: int64 (frames, channels) from `signals`.
            estimates: int64 (channels,), 0 at the stream's first frame; changed in place.

        Returns:
            int64 (frames, channels), 0..65535.
        """
        scaled = (signals << self._settings.smoothing_bits) & _MASK
        one = 1 << micro_tables.NOISE_BITS
        noise = np.empty_like(signals)
        weighted, kept = scaled * self._weights, one - self._weights
        for frame, new in enumerate(weighted):
            estimates[:] = (new + estimates * kept) >> micro_tables.NOISE_BITS
            noise[frame] = estimates
        left = (scaled - np.minimum(noise, scaled)) >> self._settings.smoothing_bits
        least = (signals * self._least) >> micro_tables.NOISE_BITS
        cleaned = np.maximum(left, least)
        if self._settings.enable_pcan:
            cleaned = self._gained(cleaned, noise)
        return self._logarithms(cleaned)

    def _gained(self, signals: Int64, noise: Int64) -> Int64:
        """Return the signals times PCAN's gain for their noise, compressed."""
        bits = _bit_length(noise)
        # The ten bits after the highest one: the position of the estimate in its interval.
        fraction = np.where(
            bits < 11, noise << np.maximum(11 - bits, 0), noise >> (bits - 11).clip(0)
        )
        fraction &= 0x3FF
        start, bend, end = (self._gains[bits, n] for n in range(3))
        slope = ((end * fraction) >> 5) + (bend << 5)
        gain = start + ((slope * fraction + (1 << 14)) >> 15)
        # A negative gain wraps around to a large number, as in the original.
        wide = signals.astype(np.uint64) * (gain.astype(np.int16).astype(np.int64) & _MASK).astype(
            np.uint64
        )
        shift = self._settings.gain_bits - self._correction - SNR_BITS
        ratio = (wide >> np.uint64(shift)).astype(np.int64) & _MASK
        small = (ratio * ratio) >> (2 + 2 * SNR_BITS - PCAN_OUTPUT_BITS)
        large = (ratio >> (SNR_BITS - PCAN_OUTPUT_BITS)) - (1 << PCAN_OUTPUT_BITS)
        return np.where(ratio < 2 << SNR_BITS, small, large)

    def _logarithms(self, signals: Int64) -> Int64:
        """Return ln(signal * 2^correction), Q scale_shift, at most 65535; 0 for signals up to 1."""
        shift, bits = self._correction, micro_tables.LOG_BITS
        values = (signals << shift) & _MASK if shift >= 0 else signals >> -shift
        whole = np.maximum(_bit_length(values) - 1, 0)
        beyond = values - (np.int64(1) << whole)
        part = np.where(
            whole < bits, beyond << np.maximum(bits - whole, 0), beyond >> (whole - bits).clip(0)
        )
        part = np.where(values > 1, part, 0)
        width = bits - (micro_tables.LOG_SEGMENTS.bit_length() - 1)
        segment = part >> width
        low, high = self._logs[segment], self._logs[segment + 1]
        # Interpolation as in the original, which may be off by one step.
        part = part + low + (((high - low) * (part - (segment << width))) >> bits)
        half = 1 << (bits - 1)
        logs = (micro_tables.LN_2 * ((whole << bits) + part) + half) >> bits
        scaled = ((logs << self._settings.scale_shift) + half) >> bits
        return np.where(values > 1, np.minimum(scaled, 65_535), 0)

    def inputs(self, rows: Float64) -> Float64:
        """Convert rows of features, of any shape, to the values of the model's input."""
        return inputs_of(self._settings, rows)


def inputs_of(settings: MicroSettings, rows: Float64) -> Float64:
    """Convert rows of features to the values of the model's input; see `MicroSettings.divisor`."""
    if not settings.divisor:
        return rows * settings.scale
    levels = (256 * rows + settings.divisor // 2) // settings.divisor
    return np.minimum(levels, 255) * settings.scale


def _bit_length(values: Int64) -> Int64:
    """Return the number of bits of whole numbers, each 0 to 2^52."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _rounded_root(values: Int64) -> Int64:
    """Return square roots rounded to whole numbers; for values below 2^32, at most 65535."""
    roots = np.sqrt(values.astype(np.float64)).astype(np.int64)
    roots -= roots * roots > values
    roots += (roots + 1) * (roots + 1) <= values
    is_most = (roots == 65_535) & (values < 2**32)
    return roots + ((values - roots * roots > roots) & ~is_most)
