"""The front end: PCM to standardised features, with the same code for batch and stream.

Frame n is samples [step*n, step*n + length), whole frames only. Its features are

    power   = |rfft(samples * window)|^2 / fft_size
    energy  = mel filter bank . power, at least the floor
    mfcc    = first coefficients of the orthonormal DCT-II of log(energy)

which is `python_speech_features.mfcc(..., preemph=0, ceplifter=0, appendEnergy=False)` with
a floor. The contract can add that library's pre-emphasis, lifter and energy. Or the contract
chooses one of

    mel          = log(energy)
    spectrogram  = log(power of the bins between the mel edges, at least the floor)

rounded to the nearest 1024th. Then the level is removed, and each feature is standardised and
clipped, with the contract's settings. Training, the Pi and the generated C all follow this file.
The features "micro", which this project does not train with, have `micro_frontend`.

Everything is computed in float64, and no step is a BLAS product: a product's last bits depend
on the number of frames in the batch, and streamed features must equal batch ones to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.micro_frontend import MicroFrontEnd

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]

LOG_STEPS = 1024
"""Steps in a difference of 1 of the features "mel" and "spectrogram".

A microcontroller stores a window's features until it knows the window's level. With these steps
16 bits hold them exactly; a step is a thousandth of a feature's usual variation.
"""


def window_function(contract: Contract) -> Float64:
    """Return the factors of a frame's samples, float64 (frame_length,), 0..1."""
    length = contract.frame_length_samples
    if contract.window_function == "hann":
        return np.hanning(length)
    if contract.window_function == "hamming":
        return np.hamming(length)
    if contract.window_function == "rectangle":
        return np.ones(length)
    n = np.arange(length)
    return 0.5 - 0.5 * np.cos(2 * np.pi * n / length)


def mel_corners(contract: Contract) -> Float64:
    """Return the FFT bins where triangular filters begin, peak and end, float64 (bands + 2,).

    Filter m begins at corner m, peaks at the next corner and ends at the one after that. As in
    `python_speech_features.get_filterbanks`, corners are at floor((fft_size + 1) f / rate), with
    f equidistant on HTK's mel scale, 2595 log10(1 + f/700).
    """
    low, high = (
        2595 * np.log10(1 + hz / 700) for hz in (contract.mel_low_hz, contract.mel_high_hz)
    )
    corners_hz = 700 * (10 ** (np.linspace(low, high, contract.mel_bands + 2) / 2595) - 1)
    corners: Float64 = np.floor((contract.fft_size + 1) * corners_hz / contract.sample_rate_hz)
    return corners


def mel_filter_bank(contract: Contract) -> Float64:
    """Return the filters' weights, float64 (bands, fft_size/2 + 1); see `mel_corners`.

    Raises:
        SernetError: There are so many bands that one has no FFT bin; its energy would always be
            zero.
    """
    corners = mel_corners(contract)
    bins = np.arange(contract.fft_size // 2 + 1)
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = (bins - left) / (centre - left)
        falling = (right - bins) / (right - centre)
    # The library rises on [left, centre) and falls on [centre, right).
    bank = np.where((bins >= left) & (bins < centre), rising, 0.0)
    bank = np.where((bins >= centre) & (bins < right), falling, bank)
    if empty := np.flatnonzero(~bank.any(axis=1)).tolist():
        raise SernetError(
            f"mel bands {empty} have no FFT bin: {contract.mel_bands} bands between "
            f"{contract.mel_low_hz:g} and {contract.mel_high_hz:g} Hz are too many "
            f"for {contract.fft_size} FFT points",
            hint="use fewer mel bands or a larger FFT",
        )
    return bank


def dct_matrix(contract: Contract) -> Float64:
    """Return the first rows of the orthonormal DCT-II, float64 (mfcc_count, mel_bands).

    The rows include the lifter: row k is multiplied as `Contract.lifter` says.
    """
    bands = contract.mel_bands
    k = np.arange(contract.mfcc_count)[:, None]
    m = np.arange(bands)[None, :]
    matrix = np.sqrt(2 / bands) * np.cos(np.pi * k * (2 * m + 1) / (2 * bands))
    matrix[0] /= np.sqrt(2)
    if contract.lifter:
        matrix *= 1 + contract.lifter / 2 * np.sin(np.pi * k / contract.lifter)
    return matrix


class FrontEnd:
    """The tables of one contract, and pure functions that use them.

    Attributes:
        contract: The contract.
        block_frames: Frames that a stream computes at a time.
    """

    # This bounds the memory for long recordings. With larger blocks malloc returns the arrays to
    # the system after each block and must fetch fresh pages: 64 frames take twice the time.
    block_frames = 16

    def __init__(self, contract: Contract) -> None:
        """Precompute the window, filter bank and DCT of `contract`."""
        self.contract = contract
        self._micro: MicroFrontEnd | None = None
        if contract.features == "micro":
            self._micro = MicroFrontEnd(contract)
            return
        self._window = window_function(contract)
        if contract.features == "mfcc":
            self._dct = dct_matrix(contract)
        # Each filter spans a short run of bins. With the runs concatenated, applying the bank
        # is a gather, a product and a sum over each run.
        if contract.features == "spectrogram":
            runs = [np.array([k]) for k in contract.spectrum_bins]
            weights = [np.ones(1) for _ in runs]
        else:
            bank = mel_filter_bank(contract)
            runs = [np.flatnonzero(row) for row in bank]
            weights = [row[run] for row, run in zip(bank, runs, strict=True)]
        bins = np.concatenate(runs)
        # Bins outside all filters are not squared, unless the feature "energy" needs all bins.
        self._has_energy = contract.first_feature == "energy"
        first, end = (0, contract.fft_size // 2) if self._has_energy else (bins.min(), bins.max())
        self._bins = slice(first, end + 1)
        self._run_bins = bins - first
        self._run_weights = np.concatenate(weights)
        self._run_starts = np.cumsum([0] + [len(run) for run in runs[:-1]])
        self._mean = np.asarray(contract.mean, np.float64)
        self._std = np.asarray(contract.std, np.float64)

    def energies(self, frames: Float64) -> Float64:
        """Return the floored energies of frames in the contract's sample scale.

        Args:
            frames: float64 (frames, frame_length).

        Returns:
            float64 (frames, bands), at least `energy_floor`: energies of the mel bands, or
            powers of the FFT bins for a spectrogram.
        """
        return self._energies(self._powers(frames))

    def _powers(self, frames: Float64) -> Float64:
        """Return the power of the FFT bins `_bins`, float64 (frames, bins)."""
        contract = self.contract
        spectrum = np.fft.rfft(frames * self._window, contract.fft_size)[:, self._bins]
        power: Float64 = (spectrum.real**2 + spectrum.imag**2) / contract.fft_size
        return power

    def _energies(self, power: Float64) -> Float64:
        energy = np.add.reduceat(
            power[:, self._run_bins] * self._run_weights, self._run_starts, axis=1
        )
        return np.maximum(energy, self.contract.energy_floor)

    def features(self, frames: Float64) -> Float64:
        """Return features before the level is removed, float64 (frames, feature_count).

        See `energies`. Of "micro" these still contain the noise, which `reduce_noise` removes.
        """
        if self._micro is not None:
            return self._micro.signals(frames.astype(np.int16)).astype(np.float64)
        power = self._powers(frames)
        logs = np.log(self._energies(power))
        if self.contract.features != "mfcc":
            return np.rint(logs * LOG_STEPS) / LOG_STEPS
        # einsum without `optimize` is a plain loop; see the top of this file about BLAS.
        rows = np.einsum("fm,km->fk", logs, self._dct)
        if self._has_energy:
            rows[:, 0] = np.log(np.maximum(power.sum(axis=1), self.contract.energy_floor))
        return rows

    def reduce_noise(self, rows: Float64, estimates: NDArray[np.int64]) -> None:
        """Remove the noise from a stream's next rows of "micro", in place.

        Args:
            rows: float64 (frames, feature_count) from `features`.
            estimates: int64 (feature_count,), the stream's noise; 0 at first, updated in place.
        """
        if self._micro is not None:
            rows[:] = self._micro.reduced(rows.astype(np.int64), estimates)

    def levels(self, rows: Float64) -> Float64:
        """Return how loud each frame is, on a scale that a gain shifts by a constant.

        Args:
            rows: float64 (frames, feature_count).

        Returns:
            float64 (frames,): c0 of MFCCs; the mean of other features, which a gain shifts alike.
        """
        return rows[:, 0].copy() if self.contract.features == "mfcc" else rows.mean(axis=1)

    def subtract_level(self, rows: Float64, level: float | Float64) -> None:
        """Subtract one level or float64 (frames,), from rows (frames, feature_count), in place."""
        shifted = rows[:, :1] if self.contract.features == "mfcc" else rows
        shifted -= np.reshape(level, (-1, 1))

    def standardise(self, rows: Float64) -> Float64:
        """Remove the level from a window's rows, if the contract says so, and standardise them.

        Args:
            rows: float64 (frames, feature_count) from `FeatureStream.push`.

        Returns:
            float64 of the same shape, not clipped.
        """
        if self._micro is not None:
            return self._micro.inputs(rows)
        if self.contract.level == "window":
            rows = rows.copy()
            self.subtract_level(rows, self.levels(rows).mean())
        return (rows - self._mean) / self._std

    def clip(self, standardised: Float64) -> Float32:
        """Return the model's input, float32 in -clip..clip, from the result of `standardise`."""
        clip = self.contract.clip
        return np.clip(standardised, -clip, clip).astype(np.float32)

    def window_features(self, rows: Float64) -> Float32:
        """Convert a window's rows to the model's input: `standardise`, then `clip`."""
        return self.clip(self.standardise(rows))


class FeatureStream:
    """Computes rows of features from PCM in chunks of any size, each row once.

    The rows are the same, to the bit, for all sizes of chunks.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        """Start a stream at its first sample.

        Raises:
            SernetError: The contract's level needs the whole recording.
        """
        if front_end.contract.level == "clip":
            raise SernetError(
                "this model normalises by the loudness of a whole recording, "
                "which a stream does not have yet",
                hint="train with another --level, or evaluate it on files",
            )
        self._front_end = front_end
        # With a pre-emphasis, a frame also needs the sample before it.
        self._before = int(front_end.contract.preemphasis > 0)
        self._pending: NDArray[np.int16] = np.zeros(self._before, np.int16)
        self._level = 0.0
        self._frames = 0
        self._noise = np.zeros(front_end.contract.feature_count, np.int64)

    def push(self, samples: NDArray[np.int16]) -> Float64:
        """Take int16 samples (n,) at the contract's rate; return the rows they complete.

        Returns:
            float64 (frames, feature_count), possibly with no row.
        """
        contract = self._front_end.contract
        length = contract.frame_length_samples + self._before
        step = contract.frame_step_samples
        pending = np.concatenate([self._pending, samples])
        count = max(0, (len(pending) - length) // step + 1)
        # A copy: a view would keep the whole chunk in memory, and fragment the heap.
        self._pending = pending[count * step :].copy()
        rows = np.empty((count, contract.feature_count))
        if count:
            scale = contract.full_scale / 32768.0
            # The same as sliding_window_view(pending, length)[::step], in a tenth of its time.
            (stride,) = pending.strides
            frames: NDArray[np.int16] = np.ndarray(
                (count, length), pending.dtype, pending, strides=(step * stride, stride)
            )
            size = self._front_end.block_frames
            for start in range(0, count, size):
                block = np.multiply(frames[start : start + size], scale, dtype=np.float64)
                if self._before:
                    block = block[:, 1:] - contract.preemphasis * block[:, :-1]
                rows[start : start + len(block)] = self._front_end.features(block)
            self._front_end.reduce_noise(rows, self._noise)
            if contract.level == "running":
                self._subtract_running_level(rows)
        return rows

    def _subtract_running_level(self, rows: Float64) -> None:
        """Subtract, in place, the running mean of the level, with the contract's time constant."""
        levels = self._front_end.levels(rows)
        for index, level in enumerate(levels):
            self._frames += 1
            weight = 1 / min(self._frames, self._front_end.contract.level_frames)
            self._level += weight * (level - self._level)
            levels[index] = self._level
        self._front_end.subtract_level(rows, levels)


def feature_rows(front_end: FrontEnd, samples: NDArray[np.int16]) -> Float64:
    """Return the rows of features of a whole recording, float64 (frames, feature_count).

    Args:
        front_end: The contract's front end.
        samples: int16 (n,) at the contract's rate.
    """
    if front_end.contract.level != "clip":
        return FeatureStream(front_end).push(samples)
    plain = FrontEnd(front_end.contract.replace(level="none"))
    return FeatureStream(plain).push(scale_to_clip(samples))


def scale_to_clip(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return a whole recording scaled so that its 99.9th percentile of magnitude is full scale.

    This is the level "clip", as in LIGHT-SERNET's code; louder samples saturate.
    """
    magnitude = max(float(np.percentile(np.abs(samples.astype(np.float64)), 99.9)), 1.0)
    scaled = np.rint(samples * (32767.0 / magnitude))
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def padded_rows(front_end: FrontEnd, samples: NDArray[np.int16]) -> Float64:
    """Return a recording's rows, padded with digital silence to at least one window.

    Args:
        front_end: The model's front end.
        samples: int16 (samples,) at the contract's rate.

    Returns:
        float64 (frames, features).
    """
    missing = max(0, front_end.contract.window_samples - len(samples))
    return feature_rows(front_end, np.pad(samples, (0, missing)))


def rows_each_hop(contract: Contract, rows: Float64) -> Iterator[Float64]:
    """Yield the rows of a stream's windows, one window each hop.

    Args:
        contract: Gives the lengths of window and hop.
        rows: float64 (frames, features), the rows of the stream.

    Yields:
        float64 (window_frames, features).
    """
    for start in range(0, len(rows) - contract.window_frames + 1, contract.hop_frames):
        yield rows[start : start + contract.window_frames]


def cut_windows(front_end: FrontEnd, rows: Float64) -> Float32:
    """Return a stream's windows, one each hop: float32 (windows, window_frames, features).

    Args:
        front_end: The model's front end.
        rows: The rows of the stream, at least one window of them.
    """
    windows = rows_each_hop(front_end.contract, rows)
    return np.stack([front_end.window_features(window) for window in windows])


def recording_windows(front_end: FrontEnd, samples: NDArray[np.int16]) -> Float32:
    """Return a recording's windows, one each hop: float32 (windows, window_frames, features).

    Args:
        front_end: The model's front end.
        samples: int16 (samples,) at the contract's rate; digital silence fills up a single
            window.
    """
    return cut_windows(front_end, padded_rows(front_end, samples))
