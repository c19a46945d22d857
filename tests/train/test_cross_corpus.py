"""The figures of models on corpora that they were not trained on."""

from __future__ import annotations

import numpy as np
import pytest

from sernet_edge.runtime import arousal
from sernet_edge.runtime.contract import Contract
from sernet_edge.train.evaluation import cross_corpus
from sernet_edge.train.evaluation.cross_corpus import by_corpus

LABELS = ("anger", "fear", "happiness", "neutral", "sadness", "none")


def test_another_answer_than_the_four_emotions_is_wrong() -> None:
    # Truth and answers by their initials, in one corpus; fear does not count as truth.
    truth = np.array(["AHNSF".index(x) for x in "AAHNSF"])
    truth = np.array([0, 2, 3, 4, 1])[truth]
    scores = np.eye(6)[[0, 1, 2, 3, 5, 1]]
    corpora, speakers = np.array(["x"] * 6), np.array(list("112233"))
    found = by_corpus(truth, scores, speakers, corpora, LABELS)
    figures = found["corpora"]["x"]
    assert figures["utterances"] == 5
    assert figures["uar"] == pytest.approx((0.5 + 1 + 1 + 0) / 4)
    assert figures["wa"] == pytest.approx(3 / 5)
    # Fear also has high arousal; the label none is in the middle, which does not count as high.
    assert figures["arousal"] == 1
    assert figures["all"]["utterances"] == 6
    assert figures["speakers"]["1"] == {"uar": 0.5, "wa": 0.5, "arousal": None}
    assert found["mean"]["uar"] == figures["uar"]
    low, high = figures["uar_interval"]
    assert 0 <= low <= figures["uar"] <= high <= 1


def test_means_are_over_corpora_whatever_their_size() -> None:
    rng = np.random.default_rng(1)
    truth = np.concatenate([np.tile([0, 2, 3, 4], 50), [0, 2, 3, 4]])
    guess = truth.copy()
    guess[-4:] = 1
    corpora = np.array(["a"] * 200 + ["b"] * 4)
    speakers = np.array([f"{c}{n}" for c, n in zip(corpora, rng.integers(5, size=204))])  # noqa: B905
    found = by_corpus(truth, np.eye(6)[guess], speakers, corpora, LABELS)
    assert found["mean"]["uar"] == pytest.approx(0.5) and found["mean"]["wa"] == pytest.approx(0.5)
    assert found["corpora"]["a"]["uar_interval"] == [1, 1]


def test_a_corpus_without_these_emotions_has_no_figures() -> None:
    found = by_corpus(
        np.array([1, 1]), np.eye(6)[[1, 0]], np.array(["1", "1"]), np.array(["x", "x"]), LABELS
    )
    assert found["corpora"]["x"]["uar"] is None and found["corpora"]["x"]["utterances"] == 0


def test_arousal_is_the_same_as_in_listening() -> None:
    contract = Contract(LABELS, (0.0,) * 40, (1.0,) * 40)
    scores = np.random.default_rng(1).dirichlet(np.ones(6), 20)
    expected = [arousal.arousal(contract, row.tolist()) for row in scores]
    assert cross_corpus.arousal(scores, LABELS) == pytest.approx(expected)
    assert cross_corpus.arousal(np.eye(6)[[5]], LABELS) == arousal.arousal(
        contract, np.eye(6)[5].tolist()
    )
