"""Finds the speakers that a model was trained on, also through its initial weights.

A model's provenance names its corpora and the speakers it held out and, under `initial`, the
provenance of the model that its weights started from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sernet_edge.train.corpora import voices_of
from sernet_edge.train.corpora.choice import names_in


def seen_speakers(provenance: Mapping[str, Any], corpus: str, speakers: Iterable[str]) -> list[str]:
    """Return those `speakers` of `corpus` that a model was trained on, sorted.

    Corpora of the same voices, such as the parts of IEMOCAP, count as one. Recordings in a `csv`
    or a `folder` are known by their speakers' names alone: one that holds EMO-DB is not EMO-DB.

    Args:
        provenance: The model's.
        corpus: Name of the corpus to test on; of several, `CorpusChoice.name`.
        speakers: Of that corpus; of several, each with its corpus's name before it.
    """
    voices = {speaker: _voice(speaker, names_in(corpus)) for speaker in set(speakers)}
    found = set[str]()
    for model in _trainings(provenance):
        names = names_in(model["corpus"])
        heard = {voices_of(name) for name in names}
        held_out = {_voice(speaker, names) for speaker in model.get("holdout_speakers", ())}
        found |= {s for s, own in voices.items() if own[0] in heard and own not in held_out}
    return sorted(found)


def heard_voices(provenance: Mapping[str, Any]) -> set[str]:
    """Return the `Corpus.voices` of all corpora that a model was trained on, all or in part."""
    trainings = _trainings(provenance)
    return {voices_of(name) for model in trainings for name in names_in(model["corpus"])}


def _trainings(provenance: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the provenance of a model and of those that its weights started from, on corpora."""
    model: Mapping[str, Any] | None = provenance
    while model:
        if "corpus" in model:
            yield model
        model = model.get("initial")


def _voice(speaker: str, names: list[str]) -> tuple[str, str]:
    """Return the voices of a speaker's corpus, and the speaker's own name.

    Args:
        speaker: As a model's provenance or a test has it.
        names: Of the corpora that were read together; of several, one begins the speaker's name.
    """
    if len(names) > 1:
        for name in names:
            if speaker.startswith(f"{name}:"):
                return voices_of(name), speaker.removeprefix(f"{name}:")
    return voices_of(names[0]), speaker
