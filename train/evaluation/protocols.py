"""Splits a corpus into training and test data: the protocols that figures are quoted under.

Only `strict` predicts the accuracy for a new speaker. The other two exist for comparison with
published figures, and say so wherever their results appear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance


@dataclass(frozen=True)
class Protocol:
    """A way to split a corpus, and the caveat of its figures.

    Attributes:
        speaker_disjoint: Whether no test speaker is trained on.
        caveat: Why its figures are optimistic; empty if they are not.
    """

    speaker_disjoint: bool
    caveat: str


PROTOCOLS = {
    "strict": Protocol(True, ""),
    "test-epoch": Protocol(
        True, "optimistic: the epoch was chosen on the test speaker's own results"
    ),
    "published": Protocol(
        False,
        "optimistic: the same speakers are trained and tested on, and the epoch was chosen "
        "on the test data",
    ),
}
"""Protocols by name."""

RANDOM_FOLDS = 10
"""Folds of a split that mixes speakers, as the published figures do."""


@dataclass(frozen=True)
class Fold:
    """One split of a corpus.

    Attributes:
        name: The test speaker, or the fold's number.
        train: Indices of the utterances to train on.
        test: Indices of the utterances to test on.
    """

    name: str
    train: tuple[int, ...]
    test: tuple[int, ...]


def folds(protocol: Protocol, utterances: Sequence[Utterance], seed: int) -> list[Fold]:
    """Return the protocol's folds: one for each speaker, or ten random ones.

    Raises:
        SernetError: A speaker-disjoint protocol and fewer than two speakers, or fewer than ten
            utterances to mix.
    """
    everything = range(len(utterances))
    if protocol.speaker_disjoint:
        speakers = sorted({utterance.speaker for utterance in utterances})
        if "" in speakers:
            raise SernetError(
                "the corpus does not name the speaker of every recording, so no speaker can be "
                "left out",
                hint="name the speakers (column speaker of a csv, folder LABEL/SPEAKER), or mix "
                "speakers with --split random",
            )
        if len(speakers) < 2:
            raise SernetError(
                f"leaving a speaker out needs two speakers or more, the corpus has {len(speakers)}"
            )
        groups = {s: [i for i in everything if utterances[i].speaker == s] for s in speakers}
    else:
        if len(utterances) < RANDOM_FOLDS:
            raise SernetError(
                f"{RANDOM_FOLDS} random folds need {RANDOM_FOLDS} recordings or more, the corpus "
                f"has {len(utterances)}"
            )
        order = np.random.default_rng(seed).permutation(len(utterances))
        groups = {
            f"{n:02}": sorted(part.tolist())
            for n, part in enumerate(np.array_split(order, RANDOM_FOLDS))
        }
    return [
        Fold(name, tuple(sorted(set(everything) - set(test))), tuple(test))
        for name, test in groups.items()
    ]


def check_labels(
    chosen: Sequence[Fold], utterances: Sequence[Utterance], labels: Sequence[str]
) -> list[str]:
    """Check that every label can be learnt in every fold.

    Returns:
        Remarks on the labels that a fold's test data lack.

    Raises:
        SernetError: A fold's training data lack a label; names both.
    """
    lacking: dict[str, list[str]] = {}
    for fold in chosen:
        trained, tested = ({utterances[i].label for i in part} for part in (fold.train, fold.test))
        if missing := [label for label in labels if label not in trained]:
            raise SernetError(
                f"fold {fold.name} has no training recording labelled {' or '.join(missing)}",
                hint="add recordings by other speakers, or leave the label out of the corpus",
            )
        for label in labels:
            if label not in tested:
                lacking.setdefault(label, []).append(fold.name)
    return [
        f"no {label} to test in {'fold' if len(names) == 1 else 'folds'} {', '.join(names)}: its "
        "recall comes from the other folds, as recalls are of all folds pooled"
        for label, names in lacking.items()
    ]
