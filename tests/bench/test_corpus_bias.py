"""The compared methods against corpus bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from corpus_bias import MixedStatistics
from speech_bank import TRAINED, BankWindows, Speech, System, cepstrum

from sernet_edge.runtime.contract import Contract
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.noise import Noise
from sernet_edge.train.recipe import RECIPES, Recipe
from sernet_edge.train.recordings import Recording
from sernet_edge.train.settings import ModelSettings

RECIPE = replace(RECIPES["voices"], epochs=2, steps=2, batch_size=8, precision="float32")
FOLDERS = tuple(CorpusFolder(name, Path(name)) for name in ("emodb", "nemo", "ravdess"))
CHOICE = CorpusChoice(FOLDERS, TRAINED, {})


def speech() -> Speech:
    """Return made-up energies: recordings of three corpora, each at its own loudness."""
    rng = np.random.default_rng(6)
    recordings, changed = [], []
    for loudness, folder in enumerate(FOLDERS):
        for label in TRAINED:
            utterance = Utterance(Path(f"{label}.wav"), label, f"{folder.name} 1", folder.name)
            recordings.append(Recording(utterance, np.zeros(52_000, np.int16)))
            energies = rng.normal(4.0 * loudness - 8, 1, (2, 198, 64))
            changed.append(list(energies.astype(np.float32)))
    return Speech(
        CHOICE,
        RECIPE,
        recordings,
        changed,
        changed[0],
        {"as recorded": [windows[0] for windows in changed]},
        0,
        Noise((), ()),
    )


def windows_of(
    kind: type[BankWindows], heard: Speech, training: Sequence[Recording]
) -> BankWindows:
    contract: Contract = ModelSettings.of_architecture(
        CHOICE, System.architecture, RECIPE
    ).new_contract(TRAINED)
    recipe: Recipe = replace(RECIPE, noise_share=0.0)
    return kind(contract, recipe, heard, cepstrum, training)


def test_mixed_statistics_lie_between_those_of_two_recordings() -> None:
    heard, rng = speech(), np.random.default_rng(1)
    windows = windows_of(MixedStatistics, heard, heard.recordings)
    own, other = heard.recordings[0], heard.recordings[-1]
    plain = windows_of(BankWindows, heard, heard.recordings)
    low, high = (plain.training_window(r, rng)[:, 0].mean() for r in (own, other))
    means = [windows.training_window(own, rng)[:, 0].mean() for _ in range(60)]
    assert min(means) < low + 0.3
    assert max(means) > low + 0.2 * (high - low)
    assert all(low - 0.5 < mean < high + 0.5 for mean in means)


def test_statistics_come_only_from_training_recordings() -> None:
    heard, rng = speech(), np.random.default_rng(1)
    quiet = [r for r in heard.recordings if r.utterance.corpus == "emodb"]
    windows = windows_of(MixedStatistics, heard, quiet)
    loudest = max(windows.training_window(quiet[0], rng)[:, 0].mean() for _ in range(60))
    plain = windows_of(BankWindows, heard, quiet).training_window(quiet[0], rng)[:, 0].mean()
    assert loudest < plain + 0.5


@pytest.mark.training
def test_a_reversed_gradient_has_the_opposite_sign() -> None:
    import tensorflow as tf
    from gradient_reversal import Reversal

    values = tf.Variable([1.0, -2.0])
    with tf.GradientTape() as tape:
        passed = Reversal()(values)
        loss = tf.reduce_sum(3 * passed)
    np.testing.assert_allclose(passed, values)
    np.testing.assert_allclose(tape.gradient(loss, values), [-3.0, -3.0])


@pytest.mark.training
def test_a_network_trains_against_an_adversary_and_is_tested_on_the_corpus_left_out() -> None:
    system = System(changes={"mixup": 0.0}, is_adversarial=True)
    uar = system.uar(speech(), seed=1, tested="nemo")
    assert set(uar) == {"as recorded"}
    assert 0 <= uar["as recorded"] <= 100
