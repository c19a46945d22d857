"""The features "micro" are those of the original micro frontend, to the bit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from micro_contracts import MICRO_SETTINGS, MICRO_SPEECH, MICRO_WAKE_WORD, micro_contract
from micro_reference import (
    defaults,
    platform_differs,
    platform_log1p,
    reference,
    signals,
    wheel_features,
)
from numpy.typing import NDArray
from support import SAMPLE

from sernet_edge.runtime import micro_tables
from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError
from sernet_edge.runtime.frontend import FeatureStream, FrontEnd, feature_rows
from sernet_edge.runtime.micro_settings import MicroSettings

Samples = NDArray[np.int16]


@pytest.fixture(autouse=True)
def _same_logarithm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make tables use the C library's logarithm if it is not fdlibm's; see its test."""
    if platform_differs():
        monkeypatch.setattr(micro_tables, "log1p", lambda x: np.float32(platform_log1p()(x)))


def rows(samples: Samples, contract: Contract) -> NDArray[np.float64]:
    return feature_rows(FrontEnd(contract), samples)


@pytest.mark.parametrize("name", MICRO_SETTINGS)
def test_every_setting_gives_the_originals_features(name: str) -> None:
    settings = dict(MICRO_SETTINGS[name])
    rate = settings.pop("rate", 16_000)
    contract = micro_contract(rate, **settings)
    for what, samples in signals().items():
        expected = reference(samples, rate, **settings)
        np.testing.assert_array_equal(rows(samples, contract), expected, err_msg=what)


def test_the_wheels_class_has_the_same_features() -> None:
    contract = micro_contract(**MICRO_WAKE_WORD)
    front_end = FrontEnd(contract)
    for samples in (*signals().values(), read_recording(SAMPLE, 16_000)):
        whole = samples[: len(samples) // 160 * 160]
        found = front_end.standardise(feature_rows(front_end, whole))
        np.testing.assert_array_equal(found, wheel_features(whole))


@pytest.mark.parametrize("name", ["micro_speech", "microWakeWord"])
def test_speech_gives_the_originals_features(name: str, emodb: Path) -> None:
    contract = micro_contract(**MICRO_SETTINGS[name])
    for path in sorted((emodb / "wav").iterdir())[::60]:
        samples = read_recording(path, 16_000)
        expected = reference(samples, 16_000, **MICRO_SETTINGS[name])
        np.testing.assert_array_equal(rows(samples, contract), expected, err_msg=path.name)


@pytest.mark.parametrize("chunk", [1, 159, 480, 7000])
def test_features_do_not_depend_on_the_size_of_chunks(chunk: int) -> None:
    front_end = FrontEnd(micro_contract(**MICRO_SPEECH))
    samples = signals()["speech-like swells"][:8000]
    stream = FeatureStream(front_end)
    parts = [stream.push(samples[i : i + chunk]) for i in range(0, len(samples), chunk)]
    np.testing.assert_array_equal(np.concatenate(parts), feature_rows(front_end, samples))


def test_the_logarithm_is_fdlibms() -> None:
    """glibc before 2.41 and musl have it."""
    if platform_differs():
        return
    theirs = platform_log1p()
    for x in np.float32(np.random.default_rng(0).uniform(0, 40, 5000)):
        assert micro_tables.log1p(x) == np.float32(theirs(x))


def test_settings_have_the_originals_defaults() -> None:
    plain, theirs = MicroSettings(scale=1.0), defaults()
    names = {field.name for field in dataclasses.fields(MicroSettings)} - {"scale", "divisor"}
    for name in names:
        assert getattr(plain, name) == pytest.approx(theirs[name], rel=1e-6)


def test_levels_follow_the_formula_of_micro_speech() -> None:
    contract = micro_contract(**MICRO_SPEECH)
    settings = MicroSettings(scale=1.0, divisor=666, enable_pcan=True)
    levels = contract.replace(micro_frontend=settings)
    values = np.arange(65_536)
    expected = [min((v * 256 + 333) // 666 - 128, 127) for v in values.tolist()]
    found = FrontEnd(levels).standardise(values.astype(float)) - 128
    np.testing.assert_array_equal(found, expected)


def test_a_contract_goes_through_json() -> None:
    contract = micro_contract(**MICRO_SPEECH)
    document = json.loads(contract.to_json())
    assert document["micro_frontend"]["smoothing_bits"] == 10
    assert Contract.from_json(contract.to_json()) == contract
    document["micro_frontend"]["smoothing_bits"] = 11
    with pytest.raises(ContractError, match="was changed or damaged"):
        Contract.from_json(json.dumps(document))
    del document["micro_frontend"]["smoothing_bits"]
    with pytest.raises(ContractError, match=r"lacks the fields \['smoothing_bits'\]"):
        Contract.from_json(json.dumps(document))


def test_other_contracts_do_not_have_these_settings() -> None:
    assert "micro" not in Contract(("a", "b"), (0.0,), (1.0,)).to_json()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"micro_frontend": None}, "features 'micro' it must be given"),
        ({"features": "mel", "level": "none"}, "features 'mel' it must be left out"),
        ({"level": "running"}, "level must be 'none' with the features 'micro'"),
        ({"mean": (1.0,) * 40}, "mean must be 0.0 with the features 'micro'"),
        ({"sample_scale": "unit"}, "sample_scale must be 'int16'"),
        ({"fft_size": 1024}, "fft_size must be 512 .* and frames of 480 samples"),
        ({"frame_step_samples": 481}, "frame_step_samples must be 480"),
        ({"micro_frontend": 3}, "micro_frontend cannot be 3; it must be an object"),
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        micro_contract(**MICRO_SPEECH).replace(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"smoothing_bits": 2}, "smoothing_bits must be in 3..31 with PCAN and an FFT of 512"),
        ({"gain_bits": 14}, "gain_bits must be 15 or more with an FFT of 512, not 14"),
        ({"even_smoothing": 1.5}, r"even_smoothing must be in 0..1, not 1.5"),
        ({"scale_shift": 12}, r"scale_shift must be in 0..11, not 12"),
        ({"scale": 0.0}, "scale must be above 0"),
        ({"smoothing_bits": 10.0}, "smoothing_bits cannot be 10.0; it must be a whole number"),
        ({"pcan_offset": 0.0}, "pcan_offset must be 1e-06 or more"),
        ({"pcan_offset": 1e-60}, "pcan_offset must be 1e-06 or more"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        micro_contract(**{**MICRO_SPEECH, **wrong})


def test_an_upper_limit_beyond_the_fft_is_refused_as_in_the_original() -> None:
    settings = {**MICRO_SPEECH, "upper_band_limit": 8000.0}
    assert reference(np.zeros(480, np.int16), 16_000, **settings) is None
    with pytest.raises(ContractError, match="upper band limit, must be below 8000 Hz"):
        FrontEnd(micro_contract(**settings))
