"""How far a model can be trusted, out of what its contract says, and its use; a line each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sernet_edge.runtime.contract import Contract

# What stands between the names of several corpora.
_JOINT = "+"

INTENDED_USE = (
    "not to judge people, nor at work or in education; only with the consent of those who are heard"
)
"""In one line what docs/guides/intended-use.md says."""

_SAME_CORPUS = "other speakers of the same corpus, and measured on no other"

_PRECISIONS = ("int8", "float")


def trust(contract: Contract) -> str:
    """Return what the model was trained on, and how often it is right on strangers.

    The share is that of right recordings: of corpora that the models of its cross-validation had
    never heard; else of speakers of its own corpora that they had not heard; else of the speakers
    that its training held out.
    """
    made = contract.provenance
    corpora = made.get("corpus")
    if not isinstance(corpora, str) or not corpora:
        return "trained on speech that nobody named; measured on no stranger"
    return f"trained on {', '.join(corpora.split(_JOINT))}; {_reach(made)}"


def licence(contract: Contract) -> str:
    """Return under which licence the model may be used; "" where its contract doesn't say."""
    named = contract.provenance.get("licence")
    return named if isinstance(named, str) else ""


def card_of(model: Path) -> Path | None:
    """Return the card beside a model's file, of the same name with the suffix .md, if it is there.

    Args:
        model: The file.
    """
    card = model.with_suffix(".md")
    return card if card.is_file() else None


def _reach(made: Mapping[str, Any]) -> str:
    calibration = ("conversion", "calibration")
    for precision in _PRECISIONS:
        share = _number(made, *calibration, "cross-corpus", precision, "four", "mean", "wa")
        if share is not None:
            return f"right {share:.0%} of the time on corpora that it never heard (four emotions)"
    for precision in _PRECISIONS:
        share = _number(made, *calibration, "strict", precision, "wa")
        if share is not None:
            return f"right {share:.0%} of the time on {_SAME_CORPUS}"
    share = _number(made, "metrics", "wa")
    if share is not None:
        return f"right {share:.0%} of the time on a few {_SAME_CORPUS}"
    return "measured on no stranger"


def _number(found: Any, *names: str) -> float | None:
    """Return the share 0..1 under names in objects in each other; None where there is none."""
    for name in names:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return float(found) if type(found) in (int, float) and 0 <= found <= 1 else None
