"""Corpora of emotional speech; a module for each lists its utterances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sernet_edge.train.corpora import (
    crema_d,
    emodb,
    folders,
    iemocap,
    meld,
    nemo,
    ravdess,
    savee,
    table,
    tess,
)
from sernet_edge.train.corpora.utterance import Utterance


@dataclass(frozen=True)
class Corpus:
    """A corpus and its reader.

    Attributes:
        labels: Its emotions in the order of a model's outputs; empty if the recordings define
            them.
        read: Lists the utterances in a folder or table; raises SernetError if it holds something
            else.
        licence: Licence of its speech.
        citation: The publication that its authors ask to be cited.
        nature: The kind of speech, as it follows "the corpus is"; empty if unknown.
        published: Number of its utterances; 0 if unknown.
        speakers: Its speakers; empty if unknown.
        voices: Corpora with the same `voices` have the same speakers under the same names.
        source: Where its authors publish it, as an address; several are separated by "; ". Empty
            if unknown.
    """

    labels: tuple[str, ...]
    read: Callable[[Path], list[Utterance]]
    licence: str
    citation: str
    voices: str
    nature: str = ""
    published: int = 0
    speakers: tuple[str, ...] = ()
    source: str = ""


_IEMOCAP = Corpus(
    iemocap.LABELS,
    iemocap.read,
    iemocap.LICENCE,
    iemocap.CITATION,
    "iemocap",
    "acted and improvised, English, by ten adults in a laboratory",
    sum(iemocap.PUBLISHED.values()),
    iemocap.SPEAKERS,
    iemocap.SOURCE,
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
        emodb.SOURCE,
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
        ravdess.SOURCE,
    ),
    "iemocap": _IEMOCAP,
    **{
        f"iemocap-{kind}": replace(
            _IEMOCAP, read=partial(iemocap.read, kind=kind), published=published
        )
        for kind, published in iemocap.PUBLISHED.items()
    },
    "nemo": Corpus(
        nemo.LABELS,
        nemo.read,
        nemo.LICENCE,
        nemo.CITATION,
        "nemo",
        "acted, Polish, read by nine adults",
        nemo.PUBLISHED,
        source=nemo.SOURCE,
    ),
    "crema-d": Corpus(
        crema_d.LABELS,
        crema_d.read,
        crema_d.LICENCE,
        crema_d.CITATION,
        "crema-d",
        "acted, English, twelve sentences spoken by 91 adults",
        crema_d.PUBLISHED,
        crema_d.SPEAKERS,
        crema_d.SOURCE,
    ),
    "tess": Corpus(
        tess.LABELS,
        tess.read,
        tess.LICENCE,
        tess.CITATION,
        "tess",
        "acted, English, one word in a fixed phrase, read by two women in a quiet studio",
        tess.PUBLISHED,
        tess.SPEAKERS,
        tess.SOURCE,
    ),
    "savee": Corpus(
        savee.LABELS,
        savee.read,
        savee.LICENCE,
        savee.CITATION,
        "savee",
        "acted, English, read by four men in a laboratory",
        savee.PUBLISHED,
        savee.SPEAKERS,
        savee.SOURCE,
    ),
    "meld": Corpus(
        meld.LABELS,
        meld.read,
        meld.LICENCE,
        meld.CITATION,
        "meld",
        "acted, English, dialogues of a television series with music and laughter",
        meld.PUBLISHED,
        source=meld.SOURCE,
    ),
    "folder": Corpus((), folders.read, "its owner's", "none given", "folder"),
    "csv": Corpus((), table.read, "its owner's", "none given", "csv"),
}
"""Every corpus that can be named on the command line."""


def corpus_named(name: str) -> Corpus:
    """Return the `Corpus` for a name; see `choice.CorpusFolder.name`."""
    return CORPORA[name.partition(":")[0]]


def voices_of(name: str) -> str:
    """Return the `Corpus.voices` for a name; the name itself for a user's own corpus."""
    return CORPORA[name].voices if name in CORPORA else name
