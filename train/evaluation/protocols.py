"""Protocols: how figures split corpora into training and test data.

`strict` predicts the accuracy for a new speaker of a corpus; `cross-corpus` that for other people,
in another language, another room and with another way of acting. The other two protocols serve only
the comparison with published figures, and their results always say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance


@dataclass(frozen=True)
class Protocol:
    """A way to split a corpus, with the caveat of its figures.

    Attributes:
        speaker_disjoint: Whether training and test speakers are different.
        caveat: Why the figures are optimistic; empty if they are not.
    """

    speaker_disjoint: bool
    caveat: str


PROTOCOLS = {
    "strict": Protocol(True, ""),
    "cross-corpus": Protocol(True, ""),
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
"""Number of folds of a split that mixes speakers, as in the published figures."""


@dataclass(frozen=True)
class Fold:
    """One split of a corpus.

    Attributes:
        name: The test speaker, the test corpus, or the fold's number.
        train: Indices of the utterances to train on.
        test: Indices of the utterances to test on.
    """

    name: str
    train: tuple[int, ...]
    test: tuple[int, ...]


Split = Literal["speakers", "random", "corpora"]
"""What each fold leaves out for testing: a speaker, a random tenth, or a corpus."""


def folds(
    split: Split, utterances: Sequence[Utterance], seed: int, test_corpus: str | None = None
) -> list[Fold]:
    """Return the folds of a split.

    Args:
        split: What each fold leaves out.
        utterances: Utterances of all corpora.
        seed: Seed of random folds.
        test_corpus: Leave out only this corpus's speakers; all other corpora are in every fold's
            training. None: leave out the speakers of all corpora.

    Raises:
        SernetError: There is nothing to leave out: the corpus does not name its speakers or has
            only one, there is only one corpus, or there are fewer than ten utterances for random
            folds.
    """
    everything = range(len(utterances))
    if split == "random":
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
    elif split == "corpora":
        groups = {
            name: [i for i in everything if utterances[i].corpus == name]
            for name in sorted({utterance.corpus for utterance in utterances})
        }
        if len(groups) < 2:
            raise SernetError(
                "leaving a corpus out needs two corpora or more", "give --corpus NAME PATH again"
            )
    else:
        tested = [i for i in everything if test_corpus in (None, utterances[i].corpus)]
        _check_speakers([utterances[i] for i in tested])
        groups = {
            speaker: [i for i in tested if utterances[i].speaker == speaker]
            for speaker in sorted({utterances[i].speaker for i in tested})
        }
    return [
        Fold(name, tuple(sorted(set(everything) - set(test))), tuple(test))
        for name, test in groups.items()
    ]


def _check_speakers(utterances: Sequence[Utterance]) -> None:
    """Check that each speaker can be left out."""
    if unnamed := sorted({u.corpus for u in utterances if not u.speaker}):
        raise SernetError(
            f"{f'the corpus {unnamed[0]}'.rstrip()} does not name the speaker of every recording, "
            "so no speaker can be left out",
            hint="name the speakers (column speaker of a csv, folder LABEL/SPEAKER), or mix "
            "speakers with --split random",
        )
    if (count := len({u.speaker for u in utterances})) < 2:
        raise SernetError(
            f"leaving a speaker out needs two speakers or more, the corpus has {count}"
        )


def check_labels(
    chosen: Sequence[Fold], utterances: Sequence[Utterance], labels: Sequence[str]
) -> list[str]:
    """Check that every fold can learn every label, unless folds leave corpora out.

    Returns:
        Warnings about labels that a fold's test data lack, and about those that only the test
        corpus has.

    Raises:
        SernetError: A fold's training data lack a label; names both. Or the training data of a
            fold that leaves a corpus out have fewer than two of that corpus's labels.
    """
    lacking: dict[str, list[str]] = {}
    remarks = []
    for fold in chosen:
        trained, tested = ({utterances[i].label for i in part} for part in (fold.train, fold.test))
        missing = [label for label in labels if label not in trained]
        if fold.name in {utterances[i].corpus for i in fold.test}:
            if len(trained & tested) < 2:
                raise SernetError(
                    f"the corpora other than {fold.name} have {', '.join(sorted(trained))}, so of "
                    f"its labels {', '.join(sorted(tested))} too few can be told apart",
                    hint="rename labels with --map THEIRS=OURS, or add a corpus that has them",
                )
            if missing:
                remarks.append(
                    f"only {fold.name} has {', '.join(missing)}: its fold cannot learn that, and "
                    "its recordings of it count as wrong"
                )
            continue
        if missing:
            raise SernetError(
                f"fold {fold.name} has no training recording labelled {' or '.join(missing)}",
                hint="add recordings by other speakers, or leave the label out of the corpus",
            )
        for label in labels:
            if label not in tested:
                lacking.setdefault(label, []).append(fold.name)
    return remarks + [
        f"no {label} to test in {'fold' if len(names) == 1 else 'folds'} {', '.join(names)}: its "
        "recall comes from the other folds, as recalls are of all folds pooled"
        for label, names in lacking.items()
    ]
