"""Arousal: which emotions count, and how their scores become one number."""

from __future__ import annotations

import numpy as np
import pytest

from sernet_edge.runtime.arousal import arousal
from sernet_edge.runtime.contract import Contract, ContractError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import BOX


def contract(*labels: str, **settings: object) -> Contract:
    return Contract(labels=labels, mean=(0.0,), std=(1.0,), **settings)


SIX = contract("anger", "fear", "happiness", "neutral", "sadness", "none")


def test_arousal_is_the_share_of_high_arousal_in_the_scores_of_both_kinds() -> None:
    assert arousal(SIX, [0.3, 0.1, 0.2, 0.15, 0.05, 0.2]) == pytest.approx(0.6 / 0.8)
    assert arousal(SIX, [1, 0, 0, 0, 0, 0]) == 1
    assert arousal(SIX, [0, 0, 0, 0.5, 0.5, 0]) == 0
    assert arousal(SIX, [0, 0, 0, 0, 0, 1]) == 0.5
    rng = np.random.default_rng(0)
    for scores in rng.dirichlet(np.ones(6), 100).tolist():
        found = arousal(SIX, scores)
        assert found is not None and 0 <= found <= 1
        assert (found > 0.5) == (sum(scores[:3]) > sum(scores[3:5]))


def test_disgust_counts_on_neither_side() -> None:
    shipped = ModelFile.read(BOX["emodb"]).require_contract()
    sides = dict(zip(shipped.labels, shipped.arousal_sides or (), strict=True))
    assert sides == {
        "anger": 1, "boredom": -1, "disgust": 0, "fear": 1, "happiness": 1, "neutral": -1,
        "sadness": -1, "none": 0,
    }  # fmt: skip


def test_a_model_without_one_of_the_kinds_has_no_arousal() -> None:
    assert contract("yes", "no").arousal_sides is None
    assert arousal(contract("anger", "fear"), [0.5, 0.5]) is None


def test_a_contract_may_name_its_own_emotions_of_each_kind_in_its_json() -> None:
    named = contract("Wut", "Ruhe", "none", aroused_labels=("Wut",), calm_labels=("Ruhe",))
    assert arousal(named, [0.2, 0.6, 0.2]) == pytest.approx(0.25)
    assert Contract.from_json(named.to_json()) == named
    assert '"aroused_labels"' in named.to_json()
    assert '"aroused_labels"' not in SIX.to_json() and '"calm_labels"' not in SIX.to_json()
    assert Contract.from_json(SIX.to_json()) == SIX
    assert named.id != contract("Wut", "Ruhe", "none").id


@pytest.mark.parametrize(
    ("aroused", "calm", "message"),
    [
        (("anger",), (), "must both name emotions, or neither"),
        (("rage",), ("neutral",), "'rage' has an arousal, but the model has no such emotion"),
        (("anger",), ("none",), "'none' has an arousal, but the model has no such emotion"),
        (("anger",), ("neutral", "anger"), "of high and of low arousal"),
    ],
)
def test_impossible_kinds_are_refused(
    aroused: tuple[str, ...], calm: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        SIX.replace(aroused_labels=aroused, calm_labels=calm)
