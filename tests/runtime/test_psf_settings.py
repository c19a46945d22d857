"""Contracts with the usual settings of python_speech_features compute that library's features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from psf_contracts import SETTINGS, psf_contract
from python_speech_features import mfcc

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError
from sernet_edge.runtime.frontend import LOG_STEPS, FeatureStream, FrontEnd, feature_rows
from sernet_edge.train.frontend_check import reference_features
from sernet_edge.train.recordings import read_recording


def noise(seconds: float = 2.0, seed: int = 1) -> np.ndarray:
    count = int(16_000 * seconds)
    swell = 8000 * (1.1 + np.sin(np.arange(count) / 3000))
    return (np.random.default_rng(seed).normal(0, 0.3, count) * swell).astype(np.int16)


def compare(samples: np.ndarray, contract: Contract) -> None:
    plain = contract.replace(level="none")
    expected, energies = reference_features(samples, plain)
    heard = energies.min(axis=1) > plain.energy_floor
    assert heard.sum() > 20
    bound = 1e-9 if plain.features == "mfcc" else 0.5001 / LOG_STEPS
    rows = feature_rows(FrontEnd(plain), samples)
    np.testing.assert_allclose(rows[heard], expected[heard], rtol=0, atol=bound)


@pytest.mark.parametrize("name", SETTINGS)
def test_noise_gives_the_librarys_features(name: str) -> None:
    compare(noise(), psf_contract(name))


@pytest.mark.parametrize("name", SETTINGS)
def test_speech_gives_the_librarys_features(name: str, emodb: Path) -> None:
    for path in sorted((emodb / "wav").iterdir())[::180]:
        compare(read_recording(path, 16_000), psf_contract(name))


def test_a_contract_can_have_the_library_s_defaults() -> None:
    """The library is called as in its own documentation; its partial last frames are left out."""
    samples = noise()
    rows = feature_rows(FrontEnd(psf_contract("defaults")), samples)
    expected = mfcc(samples, 16_000)
    np.testing.assert_allclose(rows, expected[: len(rows)], rtol=0, atol=1e-9)
    assert len(expected) - len(rows) <= 1


@pytest.mark.parametrize("name", SETTINGS)
def test_features_do_not_depend_on_the_size_of_chunks(name: str) -> None:
    front_end, samples = FrontEnd(psf_contract(name)), noise(0.5)
    whole = FeatureStream(front_end).push(samples)
    for chunk in (1, 159, 160, 700):
        stream = FeatureStream(front_end)
        parts = [stream.push(samples[i : i + chunk]) for i in range(0, len(samples), chunk)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_settings_that_a_contract_does_not_have_are_left_out_of_its_json_and_id() -> None:
    plain = Contract(labels=("a", "b"), mean=(0.0,), std=(1.0,))
    for name, value in (("preemphasis", 0.97), ("lifter", 22), ("first_feature", "energy")):
        assert name not in plain.to_json()
        changed = plain.replace(**{name: value})
        assert name in changed.to_json() and changed.id != plain.id
        assert Contract.from_json(changed.to_json()) == changed


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"preemphasis": 1.5}, "preemphasis must be in 0..1"),
        ({"lifter": -1}, "lifter must be in 0..512"),
        ({"lifter": 22, "features": "mel", "mean": (0.0,), "std": (1.0,)}, "settings of MFCCs"),
        ({"first_feature": "loudness"}, "first_feature cannot be 'loudness'"),
        ({"window_function": "kaiser"}, "window_function cannot be 'kaiser'"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        psf_contract("defaults").replace(**wrong)
