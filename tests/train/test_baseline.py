"""The baseline of openSMILE features and a support vector machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation import baseline
from sernet_edge.train.evaluation.protocols import folds


def test_a_baseline_that_cannot_choose_c_is_refused_before_it_computes() -> None:
    def corpus(*spoken: str) -> list[Utterance]:
        return [Utterance(Path(f"{i}.wav"), who[1:], who[0]) for i, who in enumerate(spoken)]

    two = corpus("1joy", "1rage", "2joy", "2rage")
    with pytest.raises(SernetError, match="fold 1 has only 1"):
        baseline.check(folds("speakers", two, seed=1), two)
    lone = corpus("1joy", "1rage", "2joy", "2rage", "3joy")
    with pytest.raises(SernetError, match="in fold 1 only one label is left without 2"):
        baseline.check(folds("speakers", lone, seed=1), lone)
    three = corpus("1joy", "1rage", "2joy", "2rage", "3joy", "3rage")
    baseline.check(folds("speakers", three, seed=1), three)


def test_the_baseline_does_not_use_the_labels_of_test_utterances() -> None:
    rng = np.random.default_rng(1)
    who = [str(i % 4) for i in range(40)]
    labels = [("a", "b")[i % 2] for i in range(40)]
    features = rng.normal(size=(40, 60)).astype(np.float32)
    train, test = range(30), range(30, 40)
    utterances = [Utterance(Path("x"), *pair) for pair in zip(labels, who, strict=True)]
    other = [Utterance(Path("x"), "a", u.speaker) for u in utterances[30:]]
    first, second = (
        baseline.train_and_score(features, some, ["a", "b"], train, test, 1)
        for some in (utterances, [*utterances[:30], *other])
    )
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]
