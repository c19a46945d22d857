"""The chosen corpora, their folders, and the labels to keep."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sernet_edge.runtime.errors import SernetError, SettingError
from sernet_edge.train.corpora import CORPORA, Corpus, corpus_named, voices_of
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.progress import QUIET, Progress

JOINT = "+"
"""Separates the names of several corpora in one text."""


_KINDS = ("folder", "csv")
"""Formats for a user's own corpora; there can be several corpora of each."""


@dataclass(frozen=True)
class CorpusFolder:
    """A corpus and its place on this computer.

    Attributes:
        name: Its name in `CORPORA`. "csv" and "folder" may have a name of their own after a colon,
            such as "csv:phones", so that several of them differ.
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

    def utterances(self, progress: Progress = QUIET) -> list[Utterance]:
        """List the utterances; warn of an incomplete copy.

        Raises:
            SernetError: The folder or table is not such a corpus.
        """
        corpus = corpus_named(self.name)
        utterances = corpus.read(self.path)
        if differs := shortfall(corpus, utterances):
            progress.say(f"warning: {self.path} holds {differs}")
        return utterances


def shortfall(corpus: Corpus, utterances: Sequence[Utterance]) -> str:
    """Return how a copy differs from the published corpus, in words; empty if it does not."""
    if not corpus.published or len(utterances) == corpus.published:
        return ""
    found = {utterance.speaker for utterance in utterances}
    absent = [speaker for speaker in corpus.speakers if speaker not in found]
    return f"{len(utterances):,} utterances where the corpus has {corpus.published:,}" + (
        f", none by {', '.join(absent)}" if absent else ""
    )


@dataclass(frozen=True)
class CorpusChoice:
    """One or more corpora, and the labels to keep.

    Attributes:
        folders: The corpora, sorted by name.
        only: Labels to keep, in the order of a model's outputs; empty: all.
        mapping: New labels for labels of the corpora; "" leaves a label's recordings out.
    """

    folders: tuple[CorpusFolder, ...]
    only: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the corpora, so that the order in which they are given does not matter.

        Raises:
            SettingError: Two corpora have the same speakers, or fewer than two labels are wanted.
        """
        folders = tuple(sorted(self.folders, key=lambda folder: folder.name))
        object.__setattr__(self, "folders", folders)
        for folder in folders:
            voices = voices_of(folder.name)
            same = [other.name for other in folders if voices_of(other.name) == voices]
            if len(same) > 1:
                hint = (
                    f"; tell them apart as {folder.name}:ONE and {folder.name}:TWO"
                    if folder.name in ("csv", "folder")
                    else ""
                )
                raise SettingError(
                    "corpus", f"{' and '.join(same)} are the same speakers, named twice{hint}"
                )
        if len(self.only) == 1 or len(set(self.only)) < len(self.only):
            raise SettingError(
                "labels", f"{', '.join(self.only)}: two different labels or more are needed"
            )

    @property
    def name(self) -> str:
        """The names of the corpora as one text, which `names_in` splits."""
        return JOINT.join(folder.name for folder in self.folders)

    @property
    def places(self) -> str:
        """The places of the corpora, for messages."""
        return ", ".join(str(folder.path) for folder in self.folders)

    @property
    def is_several(self) -> bool:
        """Whether there are several corpora."""
        return len(self.folders) > 1

    def resolved(self) -> CorpusChoice:
        """Return the same choice with absolute paths."""
        folders = [dataclasses.replace(f, path=f.path.resolve()) for f in self.folders]
        return dataclasses.replace(self, folders=tuple(folders))

    def utterances(self, progress: Progress = QUIET) -> list[Utterance]:
        """List the wanted utterances of all corpora, with their new labels.

        If there are several corpora, each utterance has its corpus's name, which also precedes its
        speaker's name: "emodb:03".

        Raises:
            SettingError: A label to keep or to map does not occur.
            SernetError: A place does not hold its corpus, or a corpus shares no label with another.
        """
        wanted, others = self.wanted_and_others(progress)
        if others:
            progress.say(f"left out by their label: {in_words(Counter(u.label for u in others))}")
        if self.is_several:
            self._check_common_labels(wanted)
        return wanted

    def wanted_and_others(
        self, progress: Progress = QUIET
    ) -> tuple[list[Utterance], list[Utterance]]:
        """List the wanted utterances, as `utterances` does, and those that are left out.

        Raises:
            SettingError: A label to keep or to map does not occur.
            SernetError: A place does not hold its corpus.
        """
        found = [u for folder in self.folders for u in self._of(folder, progress)]
        labels = {u.label for u in found}
        _check_known("map", self.mapping, labels)
        named = {label: self.mapping.get(label, label) for label in labels}
        _check_known("labels", self.only, set(named.values()) - {""})
        wanted, others = list[Utterance](), list[Utterance]()
        for utterance in found:
            label = named[utterance.label]
            if label and (not self.only or label in self.only):
                same = label == utterance.label
                wanted.append(utterance if same else dataclasses.replace(utterance, label=label))
            else:
                others.append(utterance)
        return wanted, others

    def _of(self, folder: CorpusFolder, progress: Progress) -> list[Utterance]:
        """Return a corpus's utterances, with the corpus's name if there are several."""
        utterances = folder.utterances(progress)
        if not self.is_several:
            return utterances
        return [
            dataclasses.replace(
                u, speaker=u.speaker and f"{folder.name}:{u.speaker}", corpus=folder.name
            )
            for u in utterances
        ]

    def _check_common_labels(self, utterances: Sequence[Utterance]) -> None:
        """Refuse a corpus that has no label in common with any other."""
        labels = labels_by_corpus(utterances)
        for folder in self.folders:
            own = labels.get(folder.name, set())
            others = set[str]().union(*(labels[name] for name in labels if name != folder.name))
            if not own & others:
                raise SernetError(
                    f"{folder.name} has no label in common with the other corpora: its labels are "
                    f"{', '.join(sorted(own)) or 'none of those to keep'}, theirs "
                    f"{', '.join(sorted(others))}",
                    "rename labels with --map THEIRS=OURS, or leave the corpus out",
                )

    def labels(self, utterances: Sequence[Utterance]) -> tuple[str, ...]:
        """Return the labels in the order of a model's outputs.

        They are the labels to keep, in their order, if there are any. Otherwise a single corpus
        has its own order; mapped labels, and those of several corpora, are sorted.

        Raises:
            SernetError: There are fewer than two labels.
        """
        if self.only:
            return self.only
        if not self.is_several and not self.mapping:
            return labels_of(corpus_named(self.folders[0].name), utterances)
        labels = tuple(sorted({utterance.label for utterance in utterances}))
        if len(labels) < 2:
            raise SernetError(
                f"{self.name}: {'every recording has' if labels else 'no recording is left with'} "
                f"the label {''.join(map(repr, labels)) or 'that is wanted'}",
                "two labels or more are needed: change --map",
            )
        return labels

    def check_teaches(self, utterances: Sequence[Utterance]) -> None:
        """Refuse a corpus with a single label among several corpora: it teaches no difference.

        Raises:
            SernetError: Names the corpus.
        """
        for name, labels in labels_by_corpus(utterances).items():
            if name and len(labels) < 2:
                raise SernetError(
                    f"every recording of {name} is labelled {''.join(labels)}, so it teaches no "
                    "difference between labels",
                    "keep more --labels, change --map, or leave the corpus out",
                )


def labels_of(corpus: Corpus, utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the corpus's labels, or the labels of its utterances, sorted.

    Raises:
        SernetError: There are fewer than two labels.
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


def _check_known(setting: str, labels: Iterable[str], known: Collection[str]) -> None:
    """Refuse labels that no recording has."""
    if unknown := [label for label in labels if label not in known]:
        raise SettingError(
            setting,
            f"no recording is labelled {' or '.join(unknown)}; the labels are "
            f"{', '.join(sorted(known))}",
        )


def in_words(counts: Mapping[str, int]) -> str:
    """Return the number of recordings with each label, in words."""
    return ", ".join(f"{count} of {label}" for label, count in sorted(counts.items()))


def labels_by_corpus(utterances: Sequence[Utterance]) -> dict[str, set[str]]:
    """Return the labels of each corpus's utterances."""
    labels: dict[str, set[str]] = {}
    for utterance in utterances:
        labels.setdefault(utterance.corpus, set()).add(utterance.label)
    return labels


def names_in(name: Any) -> list[str]:
    """Return the names of the corpora in a `CorpusChoice.name`, as a provenance or a run has it."""
    return str(name).split(JOINT)
