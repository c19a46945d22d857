"""Whom a model's weights learnt from: speakers of its corpus, and of that of what it started from.

A model says so in its provenance: the corpus, the speakers it held out, and, under `initial`, the
same of the model whose weights it started from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sernet_edge.train.corpora import CORPORA


def seen_speakers(provenance: Mapping[str, Any], corpus: str, speakers: Iterable[str]) -> list[str]:
    """Return those `speakers` of `corpus` whom a model's weights learnt from, sorted.

    Corpora of the same voices, such as the parts of IEMOCAP, count as one. Recordings in a `csv`
    or a `folder` are known by their speakers' names alone: one that holds EMO-DB is not EMO-DB.

    Args:
        provenance: The model's.
        corpus: Name of a corpus that is to be tested on.
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
