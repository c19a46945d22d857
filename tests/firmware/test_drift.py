"""sernet_drift computes the drift of runtime/drift.py from the model's input rows."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from bundle_cases import (
    C_FOLDER,
    build,
    run,
    small_model,
    utterances,
    with_statistics,
    write_bundle,
)
from numpy.typing import NDArray
from object_files import FAST, SANITIZE
from stream_graphs import STRIDE, stream_contract, stream_model
from support import quickly

from sernet_edge.firmware_export.golden_pcm import golden_pcm
from sernet_edge.runtime import interpreter
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.drift import drift
from sernet_edge.runtime.frontend import Float64, FrontEnd, feature_rows
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.new_contract import new_contract

MAIN = C_FOLDER / "drift_windows.c"

Rows = NDArray[np.int8]


def windows_of(model: Model, rows: Float64) -> list[Float64]:
    """Return the standardised windows of a stream's rows."""
    contract, front_end = model.contract, FrontEnd(model.contract)
    starts = range(0, len(rows) - contract.window_frames + 1, contract.hop_frames)
    return [front_end.standardise(rows[n : n + contract.window_frames]) for n in starts]


def int8(model: Model, standardised: Float64) -> Rows:
    return model.quantise(FrontEnd(model.contract).clip(standardised))


def dequantised(model: Model, rows: Rows) -> Float64:
    return (rows.astype(np.float64) - model.input_zero_point) * model.input_scale


def measured(program: Path, rows: list[Rows]) -> list[tuple[float, bool]]:
    """Return the drift of each window, and whether C finds it above the limit."""
    done = subprocess.run([str(program)], input=np.concatenate(rows).tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr[-4000:].decode()
    words = [line.split() for line in done.stdout.decode().splitlines()]
    return [(int(number) / 65536, unlike == "1") for number, unlike in words]


def sounds(contract: Contract) -> NDArray[np.int16]:
    """Return a voice, digital silence, loud noise, and a tone."""
    rng = np.random.default_rng(3)
    voice = golden_pcm(contract)
    tone = 20_000 * np.sin(np.arange(len(voice)) * 0.3)
    noise = rng.integers(-30_000, 30_000, len(voice))
    parts = [voice, np.zeros(len(voice)), noise, voice, tone]
    return np.concatenate(parts).astype(np.int16)


CASES: dict[str, dict[str, object]] = {
    "level of the window": {"level": "window", "hop_frames": 7},
    "each row once": {"level": "none", "hop_frames": 7},
    "windows of whole hops": {"level": "running", "hop_frames": 20},
    "hop beyond the window": {"level": "none", "hop_frames": 55},
    "mel": {"level": "none", "hop_frames": 9, "features": "mel"},
}


@pytest.mark.parametrize("name", quickly(CASES, 1))
def test_every_window_has_the_drift_of_the_runtime(name: str, tmp_path: Path) -> None:
    settings = {"features": "mfcc", **CASES[name]}
    features, level = settings.pop("features"), settings.pop("level")
    plain = new_contract(("a", "b"), level, 40, features).replace(**settings)  # type: ignore[arg-type]
    audio = sounds(plain)
    contract = with_statistics(plain, [golden_pcm(plain)]).replace(drift_limit=1.0)
    model = Model(ModelFile("model", small_model(contract)))
    rows = feature_rows(FrontEnd(contract), audio)
    windows = [int8(model, window) for window in windows_of(model, rows)]
    alone = contract.level == "window"
    given = windows if alone else [int8(model, FrontEnd(contract).standardise(rows))]
    options = [*SANITIZE]
    options += [] if alone else ["-DSERNET_DRIFT_HOP=SERNET_EVERY_FRAMES"]
    program = build(
        write_bundle(tmp_path, small_model(contract)), tmp_path / "drift", MAIN, options
    )
    found = measured(program, given)
    expected = [drift(dequantised(model, window)) for window in windows]
    assert len(found) == len(expected) > 3
    np.testing.assert_allclose([one for one, _ in found], expected, rtol=0, atol=1e-4)
    assert min(expected) < 1 < max(expected)
    assert [unlike for _, unlike in found] == [one > 1 for one in expected]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["share rows", "share rows, half a stride", "each whole"])
def test_a_result_has_the_drift_of_its_window(kind: str, tmp_path: Path) -> None:
    if kind.startswith("share rows"):
        hop = STRIDE // 2 if "half" in kind else STRIDE
        plain, model_of = stream_contract(hop_frames=hop), stream_model
    else:
        plain, model_of = new_contract(("a", "b"), "window", 40).replace(hop_frames=7), small_model
    audio = sounds(plain)
    contract = with_statistics(plain, [golden_pcm(plain)]).replace(drift_limit=1.0)
    data = model_of(contract)
    model = Model(ModelFile("model", data))
    bundle = write_bundle(tmp_path, data)
    rows = build(bundle, tmp_path / "rows", C_FOLDER / "frontend_features.c")
    shape = (-1, contract.window_frames, contract.feature_count)
    windows = np.frombuffer(run(rows, [audio], 512), np.int8).reshape(shape)
    expected = [drift(dequantised(model, window)) for window in windows]
    options = (*SANITIZE, "-DSERNET_MEASURE_DRIFT")
    program = build(bundle, tmp_path / "results", C_FOLDER / "drift_results.c", options)
    lines = [line.split() for line in run(program, [audio, audio]).decode().splitlines()]
    assert len(lines) == 2 * len(expected) > 10
    found = [int(number) / 65536 for number, _ in lines]
    np.testing.assert_allclose(found, expected + expected, rtol=0, atol=1e-4)
    assert min(expected) < 1 < max(expected)
    # In these contracts only the drift makes a result unsure.
    assert contract.unsure_below == 0
    assert [unsure == "1" for _, unsure in lines] == [one > 1 for one in expected + expected]


@pytest.mark.slow
def test_int8_rows_of_real_speech_have_the_drift_of_the_listener(
    shipped_model: Path, emodb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = interpreter.load(shipped_model)
    limit = model.contract.drift_limit
    assert limit > 0
    windows = [
        window
        for audio in utterances(emodb, model.contract, 50)
        for window in windows_of(model, feature_rows(FrontEnd(model.contract), audio))
    ]
    bundle = write_bundle(tmp_path, shipped_model.read_bytes())
    program = build(bundle, tmp_path / "drift", MAIN, FAST)
    found = measured(program, [int8(model, window) for window in windows])
    exact = np.array([drift(window) for window in windows])
    off = np.abs(np.array([one for one, _ in found]) - exact)
    with capsys.disabled():
        print(f"\n{len(exact)} windows: drift off by {off.max():.4f} at most, limit {limit:.3f}")
    assert off.max() < 0.05
    # Only a drift this near to the limit may fall on the other side of it.
    clear = np.abs(exact - limit) > off.max()
    unlike = np.array([is_unlike for _, is_unlike in found])
    assert np.array_equal(unlike[clear], (exact > limit)[clear])
