"""Finds the speakers that a model was trained on, also through its initial weights.

A model's provenance names its corpus and the speakers it held out and, under `initial`, the
provenance of the model that its weights started from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sernet_edge.train.corpora import CORPORA


def seen_speakers(provenance: Mapping[str, Any], corpus: str, speakers: Iterable[str]) -> list[str]:
    """Return those `speakers` of `corpus` that a model was trained on, sorted.

    Corpora of the same voices, such as the parts of IEMOCAP, count as one. Recordings in a `csv`
    or a `folder` are known by their speakers' names alone: one that holds EMO-DB is not EMO-DB.

    Args:
        provenance: The model's.
        corpus: Name of the corpus to test on.
        speakers: Of that corpus.
    """
    speakers, found = set(speakers), set[str]()
    model: Mapping[str, Any] | None = provenance
    while model:
        if "corpus" in model and _voices(model["corpus"]) == _voices(corpus):
            found |= speakers - set(model.get("holdout_speakers", ()))
        model = model.get("initial")
    return sorted(found)


def _voices(corpus: str) -> str:
    return CORPORA[corpus].voices if corpus in CORPORA else corpus
