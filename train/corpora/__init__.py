"""Corpora of emotional speech, each read by its own module into a list of utterances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sernet_edge.train.corpora import emodb
from sernet_edge.train.corpora.utterance import Utterance


@dataclass(frozen=True)
class Corpus:
    """How to read one corpus.

    Attributes:
        labels: Its emotions, in the order that a model's outputs have.
        read: Lists the utterances below a folder; raises SernetError where it is no such corpus.
        licence: Under which terms its speech is published.
        citation: The publication its authors ask to be cited.
    """

    labels: tuple[str, ...]
    read: Callable[[Path], list[Utterance]]
    licence: str
    citation: str


CORPORA = {
    "emodb": Corpus(emodb.LABELS, emodb.read, emodb.LICENCE, emodb.CITATION),
}
"""Every corpus that can be named on the command line."""
