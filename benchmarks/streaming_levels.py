"""Measures which way of removing loudness from the features is best for a network with shared rows.

python benchmarks/streaming_levels.py NOISE --corpus emodb DIR --corpus nemo DIR \
    --corpus ravdess DIR --map calm=neutral --out benchmarks/streaming-levels.json
python benchmarks/streaming_levels_page.py benchmarks/streaming-levels.json \
    --out docs/evidence/streaming-levels.md

Rows that windows share may depend on earlier frames, but never on the window. For each level and
seed, a network of half width is trained on all corpora but one, and tested on that one under
several conditions. A network for whole windows, with the window's level, is compared with them. All
of them are trained on the same changed windows, which are made once. Figures that OUT already
contains are not measured again.
"""

from __future__ import annotations

import numpy as np
import scipy.signal
from page_command import run_page_command
from speech_bank import CONDITIONS, System, cepstrum, comparison

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import Float64

# Parameters of per-channel energy normalisation, as in Wang et al. (Trainable Frontend For Robust
# and Far-Field Keyword Spotting, 2017) and librosa. The scale is that of 32-bit samples.
_PCEN_GAIN, _PCEN_BIAS, _PCEN_POWER, _PCEN_EPSILON = 0.98, 2.0, 0.5, 1e-6
_PCEN_S = 0.4
_PCEN_SCALE = 2.0**31

# The maximum falls by this much until a louder frame raises it.
_SINKS_DB_PER_S = 3.0


def _below_maximum(logs: Float64, contract: Contract) -> Float64:
    """Return MFCCs in which c0 is the frame's level relative to a slowly falling maximum."""
    rows = cepstrum(logs, contract)
    # Increase of c0 for a gain of one decibel.
    decibel = np.log(10) / 10 * np.sqrt(logs.shape[1])
    sinks = _SINKS_DB_PER_S * contract.frame_step_s * decibel
    falling = rows[:, 0] + sinks * np.arange(len(rows))
    rows[:, 0] = falling - np.maximum.accumulate(falling)
    return rows


def _pcen(logs: Float64, contract: Contract) -> Float64:
    """Return the cepstrum of energies, each divided by its band's recent mean."""
    energies = np.exp(logs) * _PCEN_SCALE
    share = 1 - np.exp(-contract.frame_step_s / _PCEN_S)
    smooth, _ = scipy.signal.lfilter(
        [share], [1, share - 1], energies, axis=0, zi=(1 - share) * energies[:1]
    )
    gained = energies * (_PCEN_EPSILON + smooth) ** -_PCEN_GAIN
    return cepstrum((gained + _PCEN_BIAS) ** _PCEN_POWER - _PCEN_BIAS**_PCEN_POWER, contract)


SYSTEMS = {
    "none": System(),
    "PCEN": System(_pcen),
    "decaying maximum": System(_below_maximum),
    "window (whole windows)": System(architecture="light-sernet-half"),
}


main = comparison(
    SYSTEMS,
    tuple(CONDITIONS),
    3,
    "Compare the levels on corpora that are not used in training; takes an hour.",
)


if __name__ == "__main__":
    run_page_command(main)
