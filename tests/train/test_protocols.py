"""The training and test speakers of each fold."""

from __future__ import annotations

from pathlib import Path

import pytest

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation.protocols import check_labels, folds


def test_leaving_a_speaker_out_keeps_speakers_apart_and_tests_everybody_once(emodb: Path) -> None:
    utterances = CORPORA["emodb"].read(emodb)
    splits = folds("speakers", utterances, seed=1)
    assert [fold.name for fold in splits] == [
        "03",
        "08",
        "09",
        "10",
        "11",
        "12",
        "13",
        "14",
        "15",
        "16",
    ]
    for fold in splits:
        assert {utterances[i].speaker for i in fold.test} == {fold.name}
        assert fold.name not in {utterances[i].speaker for i in fold.train}
        assert sorted(fold.train + fold.test) == list(range(535))
    assert sorted(i for fold in splits for i in fold.test) == list(range(535))


def test_the_published_protocol_mixes_speakers_in_ten_random_folds(emodb: Path) -> None:
    utterances = CORPORA["emodb"].read(emodb)
    splits = folds("random", utterances, seed=1)
    assert len(splits) == 10
    assert sorted(i for fold in splits for i in fold.test) == list(range(535))
    assert all(not set(fold.train) & set(fold.test) for fold in splits)
    assert {utterances[i].speaker for i in splits[0].test} & {
        utterances[i].speaker for i in splits[0].train
    }


def test_a_single_speaker_cannot_be_left_out() -> None:
    alone = [Utterance(Path(f"{i}.wav"), "anger", "03") for i in range(5)]
    with pytest.raises(SernetError, match="two speakers or more, the corpus has 1"):
        folds("speakers", alone, seed=1)


def test_ten_random_folds_need_ten_recordings() -> None:
    few = [Utterance(Path(f"{i}.wav"), "anger", "") for i in range(9)]
    with pytest.raises(SernetError, match="10 random folds need 10 recordings or more, the corpus"):
        folds("random", few, seed=1)


def test_a_label_of_a_single_speaker_is_named_with_its_fold() -> None:
    spoken = [("anna", "joy"), ("anna", "rage"), ("bert", "joy"), ("carl", "joy")]
    utterances = [Utterance(Path(f"{i}.wav"), label, who) for i, (who, label) in enumerate(spoken)]
    splits = folds("speakers", utterances, seed=1)
    with pytest.raises(SernetError, match="fold anna has no training recording labelled rage"):
        check_labels(splits, utterances, ["joy", "rage"])
    (remark,) = check_labels(splits[1:], utterances, ["joy", "rage"])
    assert remark.startswith("no rage to test in folds bert, carl: ")
    assert check_labels(splits[1:], utterances, ["joy"]) == []
