"""Corpora of emotional speech, each read by its own module into a list of utterances."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sernet_edge.runtime.errors import SernetError, SettingError
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
from sernet_edge.train.progress import QUIET, Progress


@dataclass(frozen=True)
class Corpus:
    """A corpus and its reader.

    Attributes:
        labels: Its emotions in the order of a model's outputs; empty if they are read from the
            recordings.
        read: Lists the utterances in a place; raises SernetError if another thing lies there.
        licence: Under which terms its speech is published.
        citation: The publication its authors ask to be cited.
        nature: The kind of speech, in words that follow "the corpus is"; empty if unknown.
        published: How many utterances it has; 0 if unknown.
        speakers: Its speakers; empty if unknown.
        voices: Corpora with the same `voices` have the same speakers under the same names.
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
        """Say in words how a copy differs from the published corpus; empty if it does not."""
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
    "nemo": Corpus(
        nemo.LABELS,
        nemo.read,
        nemo.LICENCE,
        nemo.CITATION,
        "nemo",
        "acted, Polish, read by nine adults",
        nemo.PUBLISHED,
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
    ),
    "meld": Corpus(
        meld.LABELS,
        meld.read,
        meld.LICENCE,
        meld.CITATION,
        "meld",
        "acted, English, dialogues of a television series with music and laughter",
        meld.PUBLISHED,
    ),
    "folder": Corpus((), folders.read, "its owner's", "none given", "folder"),
    "csv": Corpus((), table.read, "its owner's", "none given", "csv"),
}
"""Every corpus that can be named on the command line."""

_KINDS = ("folder", "csv")
"""Those that are a way to write down any corpus, so that there can be several of them."""


def corpus_named(name: str) -> Corpus:
    """Return what is known of the corpus of this name, and its reader; see `CorpusFolder.name`."""
    return CORPORA[name.partition(":")[0]]


def voices_of(name: str) -> str:
    """Return `Corpus.voices` of the corpus of this name; of one's own corpora, the name."""
    return CORPORA[name].voices if name in CORPORA else name


def labels_of(corpus: Corpus, utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the corpus's labels, or those that its utterances have, sorted.

    Raises:
        SernetError: There are fewer than two.
    """
    if not utterances:
        raise SernetError("the corpus has no recording that can be used")
    labels = corpus.labels or tuple(sorted({utterance.label for utterance in utterances}))
    if len(labels) < 2:
        raise SernetError(
            f"every recording of the corpus has the label {labels[0]!r}",
            "add recordings of a second emotion",
        )
    return labels


@dataclass(frozen=True)
class CorpusFolder:
    """A corpus and where it lies on this computer.

    Attributes:
        name: Its name in `CORPORA`. "csv" and "folder" may bear a name of their own after a
            colon, such as "csv:phones", which tells several of them apart.
        path: Its folder or, for "csv", its table.
    """

    name: str
    path: Path

    def __post_init__(self) -> None:
        """Refuse a corpus that this program cannot read.

        Raises:
            SettingError: `name` is not in `CORPORA`, or its second part is not a name.
        """
        kind, colon, own = self.name.partition(":")
        if kind not in CORPORA:
            raise SettingError(
                "corpus", f"no corpus is called {kind!r}; the names are {', '.join(CORPORA)}"
            )
        if not colon:
            return
        if kind not in _KINDS:
            raise SettingError("corpus", f"{kind} is one corpus, it takes no further name")
        if not re.fullmatch(r"[\w.-]+", own):
            raise SettingError(
                "corpus", f"{self.name}: the name after the colon must be letters, digits, . _ or -"
            )

    @property
    def corpus(self) -> Corpus:
        """What is known of the corpus, and its reader."""
        return corpus_named(self.name)

    @property
    def voices(self) -> str:
        """Corpora with the same `voices` have the same speakers."""
        return voices_of(self.name)

    def utterances(self, progress: Progress = QUIET) -> list[Utterance]:
        """List the utterances; warn of an incomplete copy.

        Raises:
            SernetError: The place holds no such corpus.
        """
        utterances = self.corpus.read(self.path)
        if shortfall := self.corpus.shortfall(utterances):
            progress.say(f"warning: {self.path} holds {shortfall}")
        return utterances

    def labels(self, utterances: Sequence[Utterance]) -> tuple[str, ...]:
        """Return the labels of its utterances; see `labels_of`."""
        return labels_of(self.corpus, utterances)
