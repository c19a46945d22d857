"""The contract: JSON both ways, its id, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from sernet_edge.runtime.contract import CONTRACT_VERSION, Contract
from sernet_edge.runtime.errors import ContractError, ModelError
from sernet_edge.runtime.interpreter import Model, load
from sernet_edge.runtime.modelfile import ModelFile

CONTRACT = Contract(labels=("calm", "ängstlich"), mean=(0.1,) * 40, std=(1.5,) * 40)


def changed(**fields: object) -> str:
    document = json.loads(CONTRACT.to_json())
    document.update(fields)
    return json.dumps(document)


def test_json_gives_the_same_contract_back() -> None:
    contract = CONTRACT.replace(level="running", provenance={"corpus": "x", "wa": 0.5})
    again = Contract.from_json(contract.to_json())
    assert again == contract
    assert again.id == contract.id


def test_the_id_is_stable_across_releases() -> None:
    # After a release, a change of this value makes every existing model unusable: raise
    # CONTRACT_VERSION with it.
    assert CONTRACT.id == "dc8f7f7370ce087f"


def test_the_features_of_a_frame_are_counted() -> None:
    assert CONTRACT.feature_count == 40
    assert CONTRACT.replace(features="mel", mean=(0,) * 64, std=(1,) * 64).feature_count == 64
    # Bins lie every 15.625 Hz: 80 Hz is between the 5th and the 6th, 7600 Hz between 486 and 487.
    spectrum = CONTRACT.replace(features="spectrogram", mean=(0,) * 481, std=(1,) * 481)
    assert spectrum.feature_count == 481
    assert spectrum.spectrum_bins == range(6, 487)


def test_every_setting_except_the_provenance_changes_the_id() -> None:
    changes = {
        "labels": ("a", "b"),
        "mean": (0.2,) * 40,
        "std": (2.0,) * 40,
        "sample_scale": "unit",
        "level": "none",
        "fft_size": 2048,
        "mel_low_hz": 100.0,
        "mel_high_hz": 7000.0,
        "energy_floor": 2.0,
        "clip": 3.0,
        "smoothing": 0.25,
        "unsure_below": 0.5,
        "taught": "0123456789abcdef",
        "mel_bands": 65,
        "window_function": "hamming",
        "first_feature": "energy",
        "preemphasis": 0.97,
    }
    # It has only one value.
    fixed = {"version"}
    # These two change together.
    fixed |= {"stride_frames", "receptive_frames"}
    # Only the features "micro" have this one; see test_micro_frontend.py.
    fixed |= {"micro_frontend"}
    # These two also change together; see test_arousal.py.
    fixed |= {"aroused_labels", "calm_labels"}
    settings = {f.name for f in dataclasses.fields(Contract)} - {"provenance", *fixed}
    for name in settings:
        value = getattr(CONTRACT, name)
        if name == "mfcc_count":
            other = CONTRACT.replace(mfcc_count=39, mean=(0.1,) * 39, std=(1.5,) * 39)
        elif name == "features":
            other = CONTRACT.replace(features="mel", mean=(0.1,) * 64, std=(1.5,) * 64)
        elif name == "frame_length_samples":
            other = CONTRACT.replace(frame_length_samples=1000)
        else:
            other = CONTRACT.replace(**{name: changes[name] if name in changes else value + 1})
        assert other.id != CONTRACT.id, name
    shared = CONTRACT.replace(**SHARED)
    changed = [{}, {"stride_frames": 16}, {"receptive_frames": 134}]
    ids = {shared.replace(**change).id for change in changed}
    assert len(ids) == 3
    assert CONTRACT.replace(provenance={"seed": 1}).id == CONTRACT.id


def test_whole_numbers_and_floats_are_the_same_setting() -> None:
    assert CONTRACT.replace(mel_low_hz=80, std=(1,) * 40).id == CONTRACT.replace(std=(1.0,) * 40).id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a sernet-edge contract"),
        ('{"format": "other"}', "not a sernet-edge contract"),
        (changed(version=CONTRACT_VERSION + 1), "pip install --upgrade sernet-edge"),
        (changed(surprise=1), "surprise"),
        (changed(mel_bands=30), "40 MFCCs cannot come from 30 mel bands"),
        (changed(mel_bands="64"), "mel_bands cannot be '64'; it must be a whole number"),
        (changed(mel_bands=64.0), "mel_bands cannot be 64.0; it must be a whole number"),
        (changed(mel_bands=True), "mel_bands cannot be True; it must be a whole number"),
        (changed(mel_low_hz="80"), "mel_low_hz cannot be '80'; it must be a finite number"),
        (changed(labels="calm"), "labels cannot be 'calm'; it must be a list of texts"),
        (changed(labels=["a", 3]), "labels[1] cannot be 3; it must be a text"),
        (changed(std=None), "std cannot be None; it must be a list of numbers"),
        (changed(std=[1.5] * 39 + ["x"]), "std[39] cannot be 'x'; it must be a finite number"),
        (changed(level=["none"]), "it must be 'none' or 'running' or 'window' or 'clip'"),
        (changed(provenance=[]), "it must be an object"),
        (changed(clip=10**500), "it must be a finite number"),
        (changed(clip=0), "clip must be above 0, not 0.0"),
        (changed(frame_step_samples=10**9), "frame_step_samples must be in 1..16384"),
        (changed(frame_step_samples=10**500), "frame_step_samples must be in 1..16384"),
        (changed(fft_size=2**40), "fft_size must be in 1..16384, not 1099511627776"),
        (changed(window_frames=10**9), "window_frames must be in 1..10000"),
        (changed(sample_rate_hz=0), "sample_rate_hz must be in 1..192000, not 0"),
        (changed(version=0), "version must be 1, not 0"),
        (changed(version=-1), "version must be 1, not -1"),
        ("[" * 100_000, "not JSON"),
        (f'{{"clip": {"1" * 5000}}}', "not JSON"),
        (changed(mean=[0.1] * 39), "mean must have 40 values"),
        (changed(std=[0.0] * 40), "std must be above 0"),
        (changed(mel_high_hz=9000), "must rise and lie in 0..8000"),
        (changed(energy_floor=float("nan")), "energy_floor cannot be nan"),
        (changed(labels=["a", "a"]), "different names"),
        (changed(labels=["a", "b\n"]), "unprintable"),
        (changed(level="loud"), "level cannot be 'loud'"),
        (changed(smoothing=1.0), "smoothing"),
        (changed(unsure_below=1.5), "unsure_below must be in 0..1, not 1.5"),
        (changed(drift_limit=-1), "drift_limit must be 0 or more, not -1.0"),
        (changed(features="lpc"), "features cannot be 'lpc'"),
        (changed(features="mel"), "mean must have 64 values"),
        (changed(features="spectrogram", mel_low_hz=81, mel_high_hz=90), "no FFT bin lies in"),
        (changed(fft_size=1000), "power of two"),
        (changed(provenance=3), "provenance"),
        (changed(clip=5.0), "changed or damaged"),
    ],
)
def test_an_impossible_contract_is_refused(text: str, message: str) -> None:
    with pytest.raises(ContractError, match="model.tflite") as caught:
        Contract.from_json(text, "model.tflite")
    assert message in str(caught.value)


def test_a_missing_field_is_named() -> None:
    document = json.loads(CONTRACT.to_json())
    del document["window_frames"]
    with pytest.raises(ContractError, match="window_frames"):
        Contract.from_json(json.dumps(document))


def test_any_zip_tool_lists_the_contract_in_a_model(shipped_model: Path) -> None:
    with zipfile.ZipFile(shipped_model) as archive:
        assert set(archive.namelist()) == {"sernet.json", "labels.txt", "flatbuffer.sha256"}
        labels = archive.read("labels.txt").decode().splitlines()
    assert tuple(labels) == load(shipped_model).contract.labels


def test_adding_a_contract_keeps_the_flatbuffer_and_replaces_an_older_one(
    shipped_model: Path,
) -> None:
    data = shipped_model.read_bytes()
    flatbuffer = ModelFile("model", data).flatbuffer
    once = ModelFile("model", flatbuffer).with_contract(CONTRACT).data
    assert once.startswith(flatbuffer)
    assert ModelFile("model", data).with_contract(CONTRACT).data == once
    assert ModelFile("it", once).require_contract() == CONTRACT


def test_the_hash_of_a_file_depends_on_its_model_only(shipped_model: Path) -> None:
    file = ModelFile.read(shipped_model)
    bare = ModelFile("bare.tflite", file.flatbuffer)
    assert bare.contract is None and file.contract is not None
    assert bare.sha256 == file.sha256 == file.with_contract(CONTRACT).sha256
    assert file.name == str(shipped_model)


def test_a_model_without_contract_is_refused(shipped_model: Path) -> None:
    flatbuffer = ModelFile.read(shipped_model).flatbuffer
    with pytest.raises(
        ContractError, match="has no contract.*sernet-edge convert.*sernet-edge adopt"
    ):
        Model(ModelFile("bare.tflite", flatbuffer))


def test_a_model_with_a_damaged_contract_is_refused(shipped_model: Path) -> None:
    data = bytearray(shipped_model.read_bytes())
    start = len(ModelFile("model", bytes(data)).flatbuffer)
    data[start + 200] ^= 0xFF  # inside the contract
    with pytest.raises(ContractError, match="damaged"):
        Model(ModelFile("bad.tflite", bytes(data)))


def test_damage_in_the_archive_is_harmless_or_raises_our_error() -> None:
    flatbuffer = b"\x1c\0\0\0TFL3" + bytes(40)
    data = ModelFile("model", flatbuffer).with_contract(CONTRACT).data
    refused = 0
    for position in range(len(flatbuffer), len(data)):
        for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            flipped = bytearray(data)
            flipped[position] ^= mask
            file = ModelFile("it", bytes(flipped))
            assert file.data.startswith(file.flatbuffer)
            try:
                # Some bytes, such as dates, don't affect the content.
                assert file.require_contract() == CONTRACT
            except (ContractError, ModelError):
                refused += 1
    assert refused > 10_000


def test_a_zip_without_contract_is_refused(shipped_model: Path) -> None:
    buffer = BytesIO(ModelFile.read(shipped_model).flatbuffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("labels.txt", "a\nb\n")
    with pytest.raises(ContractError, match="has no contract"):
        Model(ModelFile("foreign.tflite", buffer.getvalue()))


def test_a_damaged_or_truncated_flatbuffer_never_reaches_an_interpreter(
    shipped_model: Path,
) -> None:
    data = shipped_model.read_bytes()
    for position in (100, 5000, 400_000):
        flipped = bytearray(data)
        flipped[position] ^= 1
        with pytest.raises(ModelError, match="damaged"):
            Model(ModelFile("bad.tflite", bytes(flipped)))
    for length in (8, 1000, len(data) - 1):
        with pytest.raises(ContractError, match="truncated|damaged"):
            Model(ModelFile("cut.tflite", data[:length]))
    with pytest.raises(ModelError, match="not a TensorFlow Lite model"):
        Model(ModelFile("text.tflite", b"hello"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window_frames": 185}, r"input of shape \(1, 185, 40, 1\).*\(1, 184, 40, 1\)"),
        ({"labels": ("a", "b")}, r"output of shape \(1, 2\)"),
    ],
)
def test_a_contract_that_does_not_match_the_tensors_is_refused(
    shipped_model: Path, change: dict[str, object], message: str
) -> None:
    model = load(shipped_model)
    other = model.contract.replace(**change)
    data = ModelFile.read(shipped_model).with_contract(other).data
    with pytest.raises(ContractError, match=message):
        Model(ModelFile("other.tflite", data))


SHARED = {
    "level": "none",
    "window_frames": 198,
    "hop_frames": 32,
    "stride_frames": 32,
    "receptive_frames": 102,
}
"""Settings of a network whose windows share rows."""


def test_windows_that_share_rows_are_as_long_as_whole_rows() -> None:
    for window_frames in (102, 134, 198):
        assert CONTRACT.replace(**{**SHARED, "window_frames": window_frames})
    for hop_frames in (1, 2, 4, 8, 16, 32, 64, 96):
        assert CONTRACT.replace(**{**SHARED, "hop_frames": hop_frames})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window_frames": 184}, "184 is not 102 plus a multiple of 32.*166 and 198"),
        ({"window_frames": 101}, "101 is not 102 plus.*102 and 134"),
        ({"level": "window"}, "'window' needs the whole window"),
        ({"hop_frames": 31}, r"a hop of 31 frames \(0.496 s\).*0.256 s and 0.512 s"),
        ({"hop_frames": 3}, r"a hop of 3 frames \(0.048 s\).*0.032 s and 0.064 s"),
        ({"hop_frames": 48}, r"a hop of 48 frames \(0.768 s\).*0.512 s and 1.024 s"),
        ({"hop_frames": 0}, "hop_frames must be in 1"),
        ({"hop_frames": 65}, r"a hop of 65 frames.*1.024 s and 1.536 s"),
        ({"receptive_frames": 0}, "both be 0"),
        ({"stride_frames": 0}, "both be 0"),
        ({"stride_frames": -1}, "stride_frames must be in 0"),
    ],
)
def test_windows_that_cannot_share_rows_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        CONTRACT.replace(**{**SHARED, **changes})
