"""The protocol of teaching: other sentences, repeatable draws, and the gain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
from numpy.typing import NDArray

from sernet_edge.runtime.teach.head import Head
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.evaluation.few_shot import (
    DRAWS,
    Speech,
    by_speaker,
    draws,
    lines,
    over_draws,
    summary,
)

LABELS = ("anger", "fear", "neutral")
FEATURES = 8


def speech(speakers: int = 3, sentences: int = 6, repeats: int = 2) -> Speech:
    """Each speaker says each sentence in each emotion, more than once."""
    rng = np.random.default_rng(4)
    rows = [
        (label, f"s{speaker}", f"t{sentence}")
        for speaker in range(speakers)
        for sentence in range(sentences)
        for label in range(len(LABELS))
        for _ in range(repeats)
    ]
    return Speech(
        LABELS,
        tuple(rng.normal(0, 1, (int(rng.integers(1, 4)), FEATURES)) for _ in rows),
        np.array([label for label, _, _ in rows]),
        np.array([speaker for _, speaker, _ in rows]),
        np.array([sentence for _, _, sentence in rows]),
    )


@pytest.mark.parametrize("clips", [1, 2, 5, 100])
def test_clips_and_tests_share_a_speaker_and_no_sentence(clips: int) -> None:
    heard = speech()
    found = list(draws(heard, "s1", clips))
    assert len(found) == DRAWS
    for draw in found:
        chosen = np.array(draw.chosen)
        both = np.concatenate([chosen, draw.tested])
        assert set(heard.speakers[both]) == {"s1"} and len(set(both)) == len(both)
        assert not set(heard.sentences[chosen]) & set(heard.sentences[draw.tested])
        # Three sentences, each twice, are in the half to teach with.
        assert np.bincount(heard.truth[chosen]).tolist() == [min(clips, 6)] * len(LABELS)
        assert "s1" not in heard.speakers[draw.others]
    assert len({tuple(sorted(draw.chosen)) for draw in found}) > 1


def test_draws_do_not_depend_on_other_speakers() -> None:
    heard = speech()
    alone = heard.only(np.flatnonzero(heard.speakers == "s1"))
    offset = int(np.flatnonzero(heard.speakers == "s1")[0])
    for draw, lonely in zip(draws(heard, "s1", 2), draws(alone, "s1", 2), strict=True):
        assert draw.chosen == [offset + number for number in lonely.chosen]
        assert np.array_equal(draw.tested, offset + lonely.tested)
        assert not len(lonely.others)


def test_a_speaker_with_a_single_sentence_cannot_be_taught() -> None:
    heard = speech(sentences=1)
    assert not list(draws(heard, "s1", 1))
    figures = summary(1, by_speaker(heard, 1, lambda draw: {"untaught": 0.5, "taught": 0.5}))
    assert lines(figures) == ["taught: no speaker says two sentences"]


def test_the_uar_is_the_balanced_accuracy_of_mean_scores() -> None:
    heard, rng = speech(), np.random.default_rng(2)
    head = Head(rng.normal(0, 1, (3, FEATURES)), rng.normal(0, 1, 3))
    tested = np.arange(0, len(heard.truth), 5)

    def guess(windows: NDArray[np.float64]) -> int:
        powers = np.exp(windows @ head.weights.T + head.bias)
        return int((powers / powers.sum(axis=1, keepdims=True)).mean(axis=0).argmax())

    wanted = sklearn.metrics.balanced_accuracy_score(
        heard.truth[tested], [guess(heard.windows[i]) for i in tested]
    )
    assert heard.uar(head, tested) == pytest.approx(wanted)


def test_the_figures_are_means_over_speakers_for_each_draw() -> None:
    found = {
        "a": {"untaught": [0.1, 0.3], "taught": [0.5, 0.7], "anger only": [0.2]},
        "b": {"untaught": [0.3, 0.5], "taught": [0.9, 0.7], "anger only": [0.4, 0.6]},
    }
    means = over_draws(found)
    assert means["untaught"] == pytest.approx([0.2, 0.4])
    assert means["taught"] == pytest.approx([0.7, 0.7])
    assert means["anger only"] == pytest.approx([0.4, 0.6])  # of the speaker with both draws
    figures = summary(2, found)
    assert figures["gains"] == pytest.approx({"a": 0.4, "b": 0.4})
    assert lines(figures)[:2] == [
        "taught with 2 clips of each emotion, tested on other sentences: 2 speakers, 2 draws",
        "  taught        UAR 70.0% (70.0% to 70.0%), untaught 30.0% (20.0% to 40.0%)",
    ]


NAMES = {
    "emodb": ("03a01Fa.wav", "03b10Wb.wav", {"a01", "b10"}),
    "ravdess": ("03-01-05-01-02-01-12.wav", "03-01-05-01-01-02-12.wav", {"01", "02"}),
    "crema-d": ("1001_DFA_ANG_XX.wav", "1001_IEO_HAP_HI.wav", {"DFA", "IEO"}),
    "tess": ("OAF_back_angry.wav", "YAF_dog_fear.wav", {"back", "dog"}),
}


@pytest.mark.parametrize("corpus", NAMES)
def test_file_names_give_the_spoken_sentence(corpus: str, tmp_path: Path) -> None:
    *files, sentences = NAMES[corpus]
    for name in files:
        (tmp_path / str(name)).touch()
    assert {u.sentence for u in CORPORA[corpus].read(tmp_path)} == sentences
