"""Compares the front end with `python_speech_features` on a corpus, before training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from python_speech_features import base, sigproc

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.frontend import Float64, FrontEnd, feature_rows, window_function
from sernet_edge.train.recordings import Recording

TOLERANCE = 1e-3
"""Largest accepted difference, in units of the features before standardisation; twice the effect of
rounding logarithms to a 1024th."""


def reference_features(samples: NDArray[np.int16], contract: Contract) -> tuple[Float64, Float64]:
    """Return the library's features of whole frames, and the unfloored energies before them.

    Returns:
        float64 (frames, feature_count), and (frames, mel_bands) or (frames, bins).
    """
    step, length = contract.frame_step_samples, contract.frame_length_samples
    frames = (len(samples) - length) // step + 1
    # The library pads a last, partial frame; the front end uses whole frames only.
    whole = samples[: (frames - 1) * step + length] * (contract.full_scale / 32768.0)
    if contract.features == "spectrogram":
        whole = sigproc.preemphasis(whole, contract.preemphasis)
        cut = sigproc.framesig(whole, length, step, lambda _: window_function(contract))
        power = sigproc.powspec(cut, contract.fft_size)[:, contract.spectrum_bins]
        return np.log(np.maximum(power, np.finfo(float).eps)), power
    rate = contract.sample_rate_hz
    shared = {
        "samplerate": rate,
        "winlen": length / rate,
        "winstep": step / rate,
        "nfilt": contract.mel_bands,
        "nfft": contract.fft_size,
        "lowfreq": contract.mel_low_hz,
        "highfreq": contract.mel_high_hz,
        "preemph": contract.preemphasis,
        "winfunc": lambda _: window_function(contract),
    }
    energies, _ = base.fbank(whole, **shared)
    if contract.features == "mel":
        return np.log(energies), energies
    mfcc = base.mfcc(
        whole,
        numcep=contract.mfcc_count,
        ceplifter=contract.lifter,
        appendEnergy=contract.first_feature == "energy",
        **shared,
    )
    return mfcc, energies


def check_front_end(recordings: Sequence[Recording], contract: Contract) -> float:
    """Compare both front ends on frames in which no band is below the floor.

    Returns:
        The largest absolute difference of a feature.

    Raises:
        SernetError: It is above `TOLERANCE`.
    """
    plain = contract.replace(level="none")
    front_end = FrontEnd(plain)
    largest = 0.0
    for recording in recordings:
        if len(recording.samples) < contract.frame_length_samples:
            continue
        reference, energies = reference_features(recording.samples, plain)
        above_floor = energies.min(axis=1) >= contract.energy_floor
        difference = np.abs(feature_rows(front_end, recording.samples) - reference)[above_floor]
        largest = max(largest, float(difference.max(initial=0.0)))
    if largest > TOLERANCE:
        raise SernetError(
            f"the front end differs from python_speech_features by {largest:.2g}, "
            f"more than {TOLERANCE:g}",
            hint="this is a defect of sernet-edge or of an installed library; please report it",
        )
    return largest
