"""How far a model can be trusted, from its contract, and its intended use, in one line each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sernet_edge.runtime.contract import Contract

# Separates the names of several corpora.
_JOINT = "+"

INTENDED_USE = (
    "not to judge people, nor at work or in education; only with the consent of those who are heard"
)
"""docs/guides/intended-use.md in one line."""

_SAME_CORPUS = "other speakers of the same corpus; not measured on other corpora"

_PRECISIONS = ("int8", "float")


def trust(contract: Contract) -> str:
    """Return what the model was trained on, and how often it is right on unknown speakers.

    It is the share of right recordings: on corpora that the models of its cross-validation were
    not trained on (the mean over the corpora, then the worst and the best); if that was not
    measured, on other speakers of its own corpora; else on the speakers that its training held out.
    """
    made = contract.provenance
    corpora = made.get("corpus")
    if not isinstance(corpora, str) or not corpora:
        return "trained on an unknown corpus; not measured on other speakers"
    return f"trained on {', '.join(corpora.split(_JOINT))}; {_reach(made)}"


def licence(contract: Contract) -> str:
    """Return the licence of the model; "" if its contract has none."""
    named = contract.provenance.get("licence")
    return named if isinstance(named, str) else ""


def card_of(model: Path) -> Path | None:
    """Return the card beside a model's file, with the suffix .md; None if there is none.

    Args:
        model: The file.
    """
    card = model.with_suffix(".md")
    return card if card.is_file() else None


def _reach(made: Mapping[str, Any]) -> str:
    calibration = ("conversion", "calibration")
    for precision in _PRECISIONS:
        four = (*calibration, "cross-corpus", precision, "four")
        share = _number(made, *four, "mean", "wa")
        if share is not None:
            return (
                f"right on {share:.0%} of four emotions in other corpora "
                f"({_range(made, *four, 'corpora')}guessing: 25%)"
            )
    for precision in _PRECISIONS:
        share = _number(made, *calibration, "strict", precision, "wa")
        if share is not None:
            return f"right on {share:.0%} of the recordings of {_SAME_CORPUS}"
    share = _number(made, "metrics", "wa")
    if share is not None:
        return f"right on {share:.0%} of the recordings of a few {_SAME_CORPUS}"
    return "not measured on other speakers"


def _range(made: Mapping[str, Any], *names: str) -> str:
    """Return the worst and the best corpus's share in words; "" without two known shares."""
    corpora = _at(made, *names)
    listed = list(corpora) if isinstance(corpora, Mapping) else []
    shares = [share for name in listed if (share := _number(corpora, name, "wa")) is not None]
    return f"{min(shares):.0%} to {max(shares):.0%} by corpus; " if len(shares) > 1 else ""


def _number(found: Any, *names: str) -> float | None:
    """Return the share 0..1 at a path of names in nested objects; None if there is none."""
    found = _at(found, *names)
    return float(found) if type(found) in (int, float) and 0 <= found <= 1 else None


def _at(found: Any, *names: str) -> Any:
    """Return what is at a path of names in nested objects; None if there is nothing."""
    for name in names:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found
