"""Measures how much a window differs from the training speech."""

from __future__ import annotations

import numpy as np

from sernet_edge.runtime.frontend import Float64

LEAST_SPREAD = 0.05
"""The least spread of a feature over a window.

Silence has a spread of 0, whose logarithm would outweigh every other feature.
"""


def drift(standardised: Float64) -> float:
    """Return how much a window differs from the training speech; about 0.5 for such speech.

    Over the training speech, each standardised feature has mean 0 and spread 1. Drift adds how
    far a window is from both, and averages over features: the mean's distance from 0 in standard
    deviations, and the logarithm of the spread. Noise and silence have too little spread; a tone,
    or a sample rate higher than stated, moves the means. Drift does not notice speech at half the
    stated rate, which sounds like another, faster speaker, nor a gain, until the sound drowns in
    the energy floor or clips. Nor does it notice voices that the training did not hear;
    docs/evidence/drift-measures.md compares it with other measures.

    Training fits `Contract.drift_limit` to the drift of its own windows with this function.

    Args:
        standardised: float64 (window_frames, feature_count) from `FrontEnd.standardise`.
    """
    mean = standardised.mean(axis=0)
    away = standardised - mean
    variance = np.einsum("fk,fk->k", away, away) / len(away)
    spread = np.maximum(np.sqrt(variance), LEAST_SPREAD)
    return float((np.abs(mean) + np.abs(np.log(spread))).mean())
