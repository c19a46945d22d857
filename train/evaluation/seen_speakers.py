"""Finds the corpora and speakers that a model, or the model of its initial weights, was trained on.

A model's provenance names its corpora and the speakers that were held out. Under `initial` it has
the provenance of the model whose weights it started from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sernet_edge.train.corpora import voices_of
from sernet_edge.train.corpora.choice import names_in


def seen_speakers(provenance: Mapping[str, Any], corpus: str, speakers: Iterable[str]) -> list[str]:
    """Return those `speakers` of `corpus` that a model was trained on, sorted.

    Corpora with the same speakers, such as the parts of IEMOCAP, count as one. In a `csv` or a
    `folder` only the speakers' names are compared: a folder that contains EMO-DB does not count as
    EMO-DB.

    Args:
        provenance: The model's provenance.
        corpus: The name of the test corpus, or the `CorpusChoice.name` of several.
        speakers: Its speakers; of several corpora, each with the corpus's name before it.
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
    """Return the `Corpus.voices` of all corpora that a model was trained on, in whole or part."""
    return {voices_of(name) for name in corpora_heard(provenance)}


def corpora_heard(provenance: Mapping[str, Any]) -> list[str]:
    """Return the names of a model's corpora, then of those of the models that it started from."""
    return list(
        dict.fromkeys(
            name for model in _trainings(provenance) for name in names_in(model["corpus"])
        )
    )


def _trainings(provenance: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the provenance of a model, and of each model that its weights started from."""
    model: Mapping[str, Any] | None = provenance
    while model:
        if "corpus" in model:
            yield model
        model = model.get("initial")


def _voice(speaker: str, names: list[str]) -> tuple[str, str]:
    """Return the voices of a speaker's corpus, and the speaker's own name.

    Args:
        speaker: The speaker, as in a model's provenance or a test.
        names: The corpora that were read together; if there are several, the speaker's name starts
            with one of them.
    """
    if len(names) > 1:
        for name in names:
            if speaker.startswith(f"{name}:"):
                return voices_of(name), speaker.removeprefix(f"{name}:")
    return voices_of(names[0]), speaker
