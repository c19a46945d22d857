"""Several corpora in one training: the draws, and the loss of missing labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sernet_edge.train.balance import balanced_shares, known_labels
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.recipe import Recipe


def utterances(corpus: str, labels: str) -> list[Utterance]:
    return [Utterance(Path("x"), label, "1", corpus) for label in labels]


WINDOWS = utterances("small", "aab") + utterances("large", "a" * 20 + "b" * 4 + "c" * 3)


def test_labels_are_drawn_evenly_and_corpora_by_the_square_root_of_their_size() -> None:
    shares = balanced_shares(WINDOWS, {})
    assert shares.sum() == pytest.approx(1)
    by_label: Counter[tuple[str, str]] = Counter()
    for window, share in zip(WINDOWS, shares, strict=True):
        by_label[window.corpus, window.label] += share
    assert by_label["small", "a"] == pytest.approx(by_label["small", "b"])
    assert by_label["large", "a"] == pytest.approx(by_label["large", "c"])
    small = by_label["small", "a"] + by_label["small", "b"]
    # 27 windows against 3: three times as often.
    assert (1 - small) / small == pytest.approx(3)


def test_a_label_with_a_smaller_share_is_drawn_less_often_in_proportion() -> None:
    even, less = balanced_shares(WINDOWS, {}), balanced_shares(WINDOWS, {"b": 0.3})
    rare = np.array([window.label == "b" for window in WINDOWS])
    assert 0 < rare.sum() < len(rare)
    assert less.sum() == pytest.approx(1)
    odds = less[rare].sum() / less[~rare].sum()
    assert odds == pytest.approx(0.3 * even[rare].sum() / even[~rare].sum())


def test_a_corpus_knows_its_own_labels_and_none() -> None:
    known = known_labels(WINDOWS, ("a", "b", "c", "none"))
    assert known is not None
    assert known[0].tolist() == [1, 1, 0, 1]
    assert known[-1].tolist() == [1, 1, 1, 1]
    assert known_labels(utterances("x", "ab") + utterances("y", "ba"), ("a", "b", "none")) is None


@pytest.mark.training
@pytest.mark.parametrize("recipe", [Recipe(), Recipe(loss="focal", focal_gamma=1.5)])
def test_with_all_labels_known_the_loss_is_the_usual_one(recipe: Recipe) -> None:
    from sernet_edge.train.losses import (
        LossAmongKnown,
        among_known,
        mixed_among_known,
        scores_loss,
    )

    rng = np.random.default_rng(1)
    scores = rng.dirichlet(np.ones(4), 6).astype(np.float32)
    labels = np.eye(4, dtype=np.float32)[rng.integers(4, size=6)]
    share, other = rng.uniform(0, 1, (6, 1)).astype(np.float32), rng.permutation(6)
    targets = among_known(labels, np.ones((6, 4), np.float32), 0.1)
    plain = labels * 0.9 + 0.1 / 4
    np.testing.assert_allclose(targets[:, 0, 0], plain, rtol=1e-6)
    mixed = mixed_among_known(targets, targets[other], share)
    expected = scores_loss(recipe)(share * plain + (1 - share) * plain[other], scores)
    found = LossAmongKnown(recipe)(mixed, scores)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.training
def test_a_label_that_the_corpus_lacks_costs_nothing() -> None:
    from sernet_edge.train.losses import LossAmongKnown, among_known

    labels, known = np.float32([[1, 0, 0]]), np.float32([[1, 1, 0]])
    targets = among_known(labels, known, 0.1)
    np.testing.assert_allclose(targets[0, 0], [[0.95, 0.05, 0], [1, 1, 0]], rtol=1e-6)
    loss = LossAmongKnown(Recipe())
    # Two thirds and one third of the known labels, whatever score the third label has.
    expected = -(0.95 * np.log(2 / 3) + 0.05 * np.log(1 / 3))
    for scores in ([0.6, 0.3, 0.1], [0.2, 0.1, 0.7]):
        assert float(loss(targets, np.float32([scores]))) == pytest.approx(expected, rel=1e-5)


@pytest.mark.training
def test_a_label_that_the_corpus_lacks_has_no_gradient() -> None:
    import keras
    import tensorflow as tf

    from sernet_edge.train.losses import LossAmongKnown, among_known

    logits = tf.Variable([[0.3, -0.2, 1.0]])
    targets = among_known(np.float32([[0, 1, 0]]), np.float32([[1, 1, 0]]), 0.0)
    with tf.GradientTape() as tape:
        loss = LossAmongKnown(Recipe())(targets, keras.ops.softmax(logits))
    gradient = tape.gradient(loss, logits).numpy()[0]
    share = 1 / (1 + np.exp(0.3 + 0.2))  # share of the second of the two known labels
    np.testing.assert_allclose(gradient, [1 - share, share - 1, 0], atol=1e-6)
