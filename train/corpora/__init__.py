"""Corpora of emotional speech, each read by its own module into a list of utterances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora import emodb, iemocap, ravdess, table
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
    """

    labels: tuple[str, ...]
    read: Callable[[Path], list[Utterance]]
    licence: str
    citation: str


CORPORA = {
    "emodb": Corpus(emodb.LABELS, emodb.read, emodb.LICENCE, emodb.CITATION),
    "ravdess": Corpus(ravdess.LABELS, ravdess.read, ravdess.LICENCE, ravdess.CITATION),
    "iemocap": Corpus(iemocap.LABELS, iemocap.read, iemocap.LICENCE, iemocap.CITATION),
    "iemocap-impro": Corpus(
        iemocap.LABELS, partial(iemocap.read, kind="impro"), iemocap.LICENCE, iemocap.CITATION
    ),
    "iemocap-script": Corpus(
        iemocap.LABELS, partial(iemocap.read, kind="script"), iemocap.LICENCE, iemocap.CITATION
    ),
    "csv": Corpus((), table.read, "its owner's", "none given"),
}
"""Every corpus that can be named on the command line."""


def labels_of(corpus: Corpus, utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the corpus's labels, or those that its utterances have, sorted.

    Raises:
        SernetError: There is but one.
    """
    labels = corpus.labels or tuple(sorted({utterance.label for utterance in utterances}))
    if len(labels) < 2:
        raise SernetError(f"the corpus has the label {labels[0]!r} only: nothing to tell apart")
    return labels
