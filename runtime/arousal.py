"""Arousal: how agitated a voice is, computed from the scores of its emotions."""

from __future__ import annotations

from collections.abc import Sequence

from sernet_edge.runtime.contract import Contract


def arousal(contract: Contract, scores: Sequence[float]) -> float | None:
    """Return the arousal, 0 (calm) to 1 (agitated); 0.5 if the scores of both kinds are 0.

    It is high / (high + low), where high is the sum of the scores of the emotions of high
    arousal, and low that of the emotions of low arousal. Emotions of neither kind, such as
    disgust, don't count.

    Args:
        contract: Names the emotions of each kind; see `Contract.aroused_labels`.
        scores: One for each label, 0..1.

    Returns:
        The arousal, or None if the model has no emotion of one of the kinds.
    """
    sides = contract.arousal_sides
    if sides is None:
        return None
    high = sum(score for side, score in zip(sides, scores, strict=True) if side > 0)
    low = sum(score for side, score in zip(sides, scores, strict=True) if side < 0)
    return high / (high + low) if high + low else 0.5
