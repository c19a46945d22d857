"""Measures how unlike the training speech a window is."""

from __future__ import annotations

import numpy as np

from sernet_edge.runtime.frontend import Float64

LEAST_SPREAD = 0.05
"""A feature that hardly moves over a window counts as having this spread.

Silence has none, and the logarithm of zero must not decide alone.
"""


def drift(standardised: Float64) -> float:
    """Return how unlike the training's speech one window is; about 0.5 for such speech.

    Over training, each standardised feature has the mean 0 and the spread 1. In a window it
    deviates from both, and drift is the sum of the two deviations, averaged over features: how
    many standard deviations its mean is off, and how many factors of e its spread. Noise and
    silence have too little spread; a tone, or a sample rate higher than it is said to be, moves
    the means. Speech at half the rate it is said to have sounds like another, faster speaker, and
    is not told apart; nor is a gain, up to where sound drowns in the energy floor or clips.

    Training fits `Contract.drift_limit` to the drift of its own windows with this function.

    Args:
        standardised: float64 (window_frames, feature_count) from `FrontEnd.standardise`.
    """
    mean = standardised.mean(axis=0)
    away = standardised - mean
    variance = np.einsum("fk,fk->k", away, away) / len(away)
    spread = np.maximum(np.sqrt(variance), LEAST_SPREAD)
    return float((np.abs(mean) + np.abs(np.log(spread))).mean())
