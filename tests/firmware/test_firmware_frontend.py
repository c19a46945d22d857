"""The front end in C computes the runtime's int8 features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bundle_cases import (
    Samples,
    build,
    small_model,
    utterances,
    with_contract,
    with_statistics,
    write_front_end,
)
from frontend_cases import MAIN, c_features, compare, python_features
from numpy.typing import NDArray
from object_files import FAST, SANITIZE
from support import quickly

from sernet_edge.firmware_export.frontend_tables import contract_header, contract_source
from sernet_edge.firmware_export.golden_pcm import golden_pcm
from sernet_edge.runtime import gate, interpreter
from sernet_edge.runtime.contract import Contract, Features, Level
from sernet_edge.runtime.errors import ContractError
from sernet_edge.runtime.frontend import FeatureStream, Float64, FrontEnd, feature_rows
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.new_contract import new_contract


@pytest.fixture(scope="module")
def model(shipped_model: Path) -> Model:
    return interpreter.load(shipped_model)


@pytest.fixture(scope="module")
def bundle(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_front_end(tmp_path_factory.mktemp("front-end"), model)


def hard_cases(contract: Contract) -> list[Samples]:
    """Return audio unlike real speech, each a window and two hops long."""
    count = contract.window_samples + 2 * contract.hop_frames * contract.frame_step_samples
    rng = np.random.default_rng(5)
    time = np.arange(count)
    cases = [
        np.zeros(count),
        np.full(count, -32768),
        np.where(time // 37 % 2, 32767, -32768),
        np.where(time % 5000 == 0, 32767, 0),
        rng.integers(-32768, 32768, count),
        rng.integers(-1, 2, count),
        32767 * np.sin(2 * np.pi * (time / count) ** 2 * count / 4),
        30000 * np.sin(2 * np.pi * time * 440 / 16000),
    ]
    return [case.astype(np.int16) for case in cases]


@pytest.mark.parametrize("count", quickly([20, 100], 1))
def test_features_of_real_speech_equal_those_of_the_runtime(
    count: int,
    bundle: Path,
    model: Model,
    emodb: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    streams = utterances(emodb, model.contract, count)
    expected = python_features(model, streams)
    labels = [model.run_int8(window).argmax() for window in expected]
    program = build(bundle, tmp_path / "program", MAIN, FAST)
    found = c_features(program, model.contract, streams, 256)
    share, largest = compare(found, expected)
    with capsys.disabled():
        print(
            f"\n{100 * share:.4f} % of {expected.size} features of {count} utterances equal, "
            f"largest difference {largest}"
        )
    assert largest <= 1
    assert share >= 0.9999
    assert [model.run_int8(window).argmax() for window in found] == labels


@pytest.mark.parametrize("decibels", quickly([60, 20, 40, 75], 1))
def test_features_of_quiet_speech_equal_those_of_the_runtime(
    decibels: int, bundle: Path, model: Model, emodb: Path, tmp_path: Path
) -> None:
    streams = [
        np.rint(stream * 10 ** (-decibels / 20)).astype(np.int16)
        for stream in utterances(emodb, model.contract, 20)
    ]
    program = build(bundle, tmp_path / "program", MAIN, FAST)
    found = c_features(program, model.contract, streams, 256)
    share, largest = compare(found, python_features(model, streams))
    assert largest <= 1
    assert share >= 0.9999


@pytest.mark.parametrize(
    ("features", "count"),
    quickly([("mel", 20), ("spectrogram", 20), ("mel", 100), ("spectrogram", 100)], 2),
)
def test_logarithms_of_real_speech_equal_those_of_the_runtime(
    features: Features, count: int, emodb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = new_contract(("a", "b"), "window", 184, features)
    streams = utterances(emodb, contract, count)
    contract = with_statistics(contract, streams)
    model = Model(ModelFile("model", small_model(contract)))
    expected = python_features(model, streams)
    bundle = write_front_end(tmp_path, model)
    program = build(bundle, tmp_path / "program", MAIN, FAST)
    share, largest = compare(c_features(program, contract, streams, 256), expected)
    with capsys.disabled():
        print(
            f"\n{features}: {100 * share:.4f} % of {expected.size} features of {count} utterances "
            f"equal, largest difference {largest}"
        )
    assert largest <= 1
    assert share >= 0.9999


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_the_size_of_chunks_does_not_change_features(
    compiler: str, bundle: Path, model: Model, tmp_path: Path
) -> None:
    program = build(bundle, tmp_path / "program", MAIN, SANITIZE, compiler)
    streams = [golden_pcm(model.contract), *hard_cases(model.contract)]
    whole = c_features(program, model.contract, streams, 1 << 20)
    for chunk in (1, 7, 255, 256, 257, 1024, 5000):
        assert np.array_equal(c_features(program, model.contract, streams, chunk), whole)


def test_features_of_extreme_audio_differ_by_at_most_one(
    bundle: Path, model: Model, tmp_path: Path
) -> None:
    program = build(bundle, tmp_path / "program", MAIN, SANITIZE)
    for stream in hard_cases(model.contract):
        found = c_features(program, model.contract, [stream], 512)
        share, largest = compare(found, python_features(model, [stream]))
        assert largest <= 1
        # Rounding errors are largest in bands 90 dB below a full-scale tone.
        assert share >= 0.98


CONTRACTS: dict[str, dict[str, object]] = {
    "no level": {"level": "none"},
    "running level": {"level": "running", "level_frames": 50},
    "samples up to 1": {"sample_scale": "unit", "energy_floor": 1e-9},
    "padded FFT": {"frame_length_samples": 600, "frame_step_samples": 200},
    "odd bands": {"mel_bands": 45, "fft_size": 2048},
    "8 kHz": {
        "sample_rate_hz": 8000,
        "frame_length_samples": 512,
        "fft_size": 512,
        "mel_high_hz": 3800.0,
        "mel_bands": 41,
        "mel_low_hz": 100.0,
    },
    "from 0 Hz to the highest": {"mel_low_hz": 0.0, "mel_high_hz": 8000.0, "mel_bands": 40},
    "odd step": {"frame_step_samples": 255},
    "short frame of odd step": {
        "features": "spectrogram",
        "frame_length_samples": 402,
        "frame_step_samples": 161,
        "fft_size": 512,
        "mel_high_hz": 4000.0,
    },
    "least FFT": {
        "features": "spectrogram",
        "frame_length_samples": 32,
        "frame_step_samples": 160,
        "fft_size": 32,
        "mel_low_hz": 0.0,
        "mel_high_hz": 8000.0,
    },
    "large FFT": {"frame_length_samples": 3000, "fft_size": 4096, "mel_bands": 60},
    "hop of a frame": {"hop_frames": 1},
    "hop beyond the window": {"hop_frames": 200},
    "wide clip": {"clip": 3.0, "mel_bands": 50},
    "mel": {"features": "mel"},
    "mel, no level": {"features": "mel", "level": "none"},
    "mel, running level": {"features": "mel", "level": "running", "level_frames": 50},
    "mel, samples up to 1": {"features": "mel", "sample_scale": "unit", "energy_floor": 1e-9},
    "spectrogram": {"features": "spectrogram", "mel_high_hz": 4000.0},
    "spectrogram, no level": {"features": "spectrogram", "level": "none", "mel_high_hz": 2000.0},
    "spectrogram, running level": {
        "features": "spectrogram",
        "level": "running",
        "mel_high_hz": 2000.0,
        "hop_frames": 200,
    },
    "spectrogram from 0 Hz to the highest": {
        "features": "spectrogram",
        "mel_low_hz": 0.0,
        "mel_high_hz": 8000.0,
        "frame_length_samples": 200,
        "fft_size": 256,
    },
}


TELLING = [
    *["padded FFT", "8 kHz", "short frame of odd step", "wide clip"],
    *["mel", "spectrogram, running level"],
]
"""Contracts very different from the shipped model's."""


@pytest.mark.parametrize("name", quickly(TELLING + [n for n in CONTRACTS if n not in TELLING], 1))
def test_features_of_other_contracts_equal_those_of_the_runtime(name: str, tmp_path: Path) -> None:
    contract = Contract(("a", "b"), (0.0,), (1.0,), **CONTRACTS[name])  # type: ignore[arg-type]
    voice = golden_pcm(contract)
    contract = with_statistics(contract, [voice])
    other = Model(ModelFile(name, small_model(contract)))
    program = build(write_front_end(tmp_path, other), tmp_path / "program", MAIN, SANITIZE)
    for stream, wanted in ((voice, 0.999), *((case, 0.98) for case in hard_cases(contract))):
        found = c_features(program, contract, [stream], 300)
        share, largest = compare(found, python_features(other, [stream]))
        assert largest <= 1
        assert share >= wanted


def gate_is_closed(contract: Contract, audio: Samples) -> NDArray[np.bool_]:
    """Return for each frame whether it and the frames before it were quiet for long enough."""
    length, step = contract.frame_length_samples, contract.frame_step_samples
    frames = np.lib.stride_tricks.sliding_window_view(audio.astype(np.int64), length)[::step]
    quiet = frames[:, -step:].var(axis=1) < gate.SILENT_POWER
    before = round(gate.QUIET_S / contract.frame_step_s)
    return np.array([n >= before and quiet[n - before : n + 1].all() for n in range(len(quiet))])


def gated_rows(contract: Contract, audio: Samples) -> tuple[Float64, NDArray[np.bool_]]:
    """Return rows, with digital silence while the gate is closed, and when it is closed."""
    plain = FrontEnd(contract.replace(level="none"))
    rows, closed = feature_rows(plain, audio), gate_is_closed(contract, audio)
    rows[closed] = feature_rows(plain, np.zeros(contract.frame_length_samples, np.int16))
    if contract.level == "running":
        FeatureStream(FrontEnd(contract))._subtract_running_level(rows)
    return rows, closed


@pytest.mark.parametrize(
    ("features", "level"),
    quickly([("mfcc", "window"), ("mel", "running"), ("spectrogram", "none"), ("mfcc", "none")], 1),
)
def test_a_closed_gate_gives_features_of_digital_silence(
    features: Features, level: Level, tmp_path: Path
) -> None:
    contract = new_contract(("a", "b"), level, 60, features).replace(hop_frames=10)
    voice = golden_pcm(contract)
    contract = with_statistics(contract, [voice])
    rng = np.random.default_rng(7)
    hiss, hum = rng.normal(0, 5, 60_000), 12 * np.sin(np.arange(30_000) / 20)
    parts = [hiss[:20_000], voice, hiss + 300, voice, hum, voice, hiss[:24_000], voice]
    audio = np.concatenate(parts).astype(np.int16)
    rows, closed = gated_rows(contract, audio)
    # It closes after a second of silence, and stays open in a shorter pause.
    assert 0 < closed.sum() < len(closed) and np.diff(closed.astype(int)).clip(0).sum() >= 2
    model = Model(ModelFile("model", small_model(contract)))
    front_end = FrontEnd(contract)
    expected = np.stack(
        [
            model.quantise(front_end.window_features(rows[n : n + contract.window_frames]))
            for n in range(0, len(rows) - contract.window_frames + 1, contract.hop_frames)
        ]
    )
    options = (*SANITIZE, "-DSERNET_GATE")
    program = build(write_front_end(tmp_path, model), tmp_path / "program", MAIN, options)
    share, largest = compare(c_features(program, contract, [audio], 300), expected)
    assert largest <= 1
    assert share >= 0.9999


def test_a_contract_that_firmware_does_not_support_is_refused(
    model: Model, shipped_model: Path
) -> None:
    for change, words in (
        ({"level": "clip"}, "not causal"),
        ({"energy_floor": 1e-300}, "floor"),
        ({"std": (1e-9,) * 40}, "std"),
        ({"frame_length_samples": 1023}, "even"),
        ({"frame_length_samples": 16, "fft_size": 16}, "32 points"),
    ):
        data = with_contract(shipped_model.read_bytes(), model.contract.replace(**change))
        for write in (contract_header, contract_source):
            with pytest.raises(ContractError, match=words):
                write(Model(ModelFile("model.tflite", data)))
