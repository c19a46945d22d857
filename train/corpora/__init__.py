"""Corpora of emotional speech, each read by its own module into a list of utterances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora import emodb, folders, iemocap, ravdess, table
from sernet_edge.train.corpora.utterance import Utterance


@dataclass(frozen=True)
class Corpus:
    """How to read one corpus.

    Attributes:
        labels: Its emotions, in the order that a model's outputs have; empty if only the
            corpus itself knows.
        read: Lists the utterances in a place; raises SernetError where it is no such corpus.
        licence: Under which terms its speech is published.
        citation: The publication its authors ask to be cited.
        nature: What kind of speech it is, in words that follow "the corpus is"; empty if nobody
            says.
        published: How many utterances it has; 0 if nobody says.
        speakers: Who speaks in it; empty if nobody says.
        voices: What its speakers' names are unique in: the same for corpora that share speakers.
    """

    labels: tuple[str, ...]
    read: Callable[[Path], list[Utterance]]
    licence: str
    citation: str
    voices: str
    nature: str = ""
    published: int = 0
    speakers: tuple[str, ...] = ()

    def shortfall(self, utterances: Sequence[Utterance]) -> str:
        """Return what a copy of the corpus lacks, or has too much, in words; empty if nothing."""
        if not self.published or len(utterances) == self.published:
            return ""
        found = {utterance.speaker for utterance in utterances}
        absent = [speaker for speaker in self.speakers if speaker not in found]
        return f"{len(utterances):,} utterances where the corpus has {self.published:,}" + (
            f", none by {', '.join(absent)}" if absent else ""
        )


_IEMOCAP = Corpus(
    iemocap.LABELS,
    iemocap.read,
    iemocap.LICENCE,
    iemocap.CITATION,
    "iemocap",
    "acted and improvised, English, by ten adults in a laboratory",
    sum(iemocap.PUBLISHED.values()),
    iemocap.SPEAKERS,
)

CORPORA = {
    "emodb": Corpus(
        emodb.LABELS,
        emodb.read,
        emodb.LICENCE,
        emodb.CITATION,
        "emodb",
        "acted, German, read by ten adults in a quiet studio",
        emodb.PUBLISHED,
        emodb.SPEAKERS,
    ),
    "ravdess": Corpus(
        ravdess.LABELS,
        ravdess.read,
        ravdess.LICENCE,
        ravdess.CITATION,
        "ravdess",
        "acted, English, two sentences read by 24 adults in a quiet studio",
        ravdess.PUBLISHED,
        ravdess.SPEAKERS,
    ),
    "iemocap": _IEMOCAP,
    **{
        f"iemocap-{kind}": replace(
            _IEMOCAP, read=partial(iemocap.read, kind=kind), published=published
        )
        for kind, published in iemocap.PUBLISHED.items()
    },
    "folder": Corpus((), folders.read, "its owner's", "none given", "folder"),
    "csv": Corpus((), table.read, "its owner's", "none given", "csv"),
}
"""Every corpus that can be named on the command line."""


def labels_of(corpus: Corpus, utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the corpus's labels, or those that its utterances have, sorted.

    Raises:
        SernetError: There are fewer than two.
    """
    if not utterances:
        raise SernetError("the corpus has no recording that can be used")
    labels = corpus.labels or tuple(sorted({utterance.label for utterance in utterances}))
    if len(labels) < 2:
        raise SernetError(f"the corpus has the label {labels[0]!r} only: nothing to tell apart")
    return labels
