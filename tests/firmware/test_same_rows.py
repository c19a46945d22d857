"""The network leaves out equal rows, as in silence, and no score changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from api_results import MAIN, results
from bundle_cases import C_FOLDER, Samples, build, run, with_statistics, write_bundle
from engine_cases import tflm_outputs
from object_files import SANITIZE
from stream_graphs import STRIDE, stream_contract, stream_model
from support import quickly

from sernet_edge.firmware_export.golden_pcm import golden_pcm
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.modelfile import ModelFile

SILENT_FRAMES = 150


def with_silences(contract: Contract) -> Samples:
    """Return a voice with silences that end at every place of a stride."""
    step, voice = contract.frame_step_samples, golden_pcm(contract)
    voice = voice[: len(voice) * 8 // 10]
    parts = [voice]
    for extra in range(STRIDE):
        parts += [np.zeros((SILENT_FRAMES + extra) * step, np.int16), voice[extra * 50 :]]
    # Too short for the network to leave out rows.
    return np.concatenate([*parts, np.zeros(20 * step, np.int16), voice, np.zeros(9000, np.int16)])


@pytest.fixture(scope="module", params=quickly([STRIDE, STRIDE // 2, 1], 1))
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, Path]:
    contract = stream_contract(hop_frames=request.param)
    data = stream_model(with_statistics(contract, [golden_pcm(contract)]))
    return data, write_bundle(tmp_path_factory.mktemp("bundle"), data)


@pytest.mark.parametrize(("chunk", "way"), [(512, "poll"), (0, "work"), (4001, "late")])
def test_windows_with_silence_have_the_scores_of_tflm(
    chunk: int, way: str, exported: tuple[bytes, Path], tmp_path: Path
) -> None:
    data, bundle = exported
    contract = ModelFile("model", data).require_contract()
    audio = with_silences(contract)
    (lines,) = results(build(bundle, tmp_path / "program", MAIN, SANITIZE), [audio], chunk, way)
    features = build(bundle, tmp_path / "features", C_FOLDER / "frontend_features.c")
    windows = np.frombuffer(run(features, [audio], 512), np.int8)
    windows = windows.reshape(-1, contract.window_frames * contract.feature_count)
    assert len(lines) == len(windows)
    assert [line.int8 for line in lines] == [tuple(s) for s in tflm_outputs(data, windows)]
    assert len({line.int8 for line in lines}) > 20


def test_the_network_does_no_work_in_a_long_silence(
    exported: tuple[bytes, Path], tmp_path: Path
) -> None:
    data, bundle = exported
    contract = ModelFile("model", data).require_contract()
    program = build(bundle, tmp_path / "work", C_FOLDER / "work_of_frames.c", SANITIZE)
    audio = with_silences(contract)
    calls = [int(line) for line in run(program, [audio]).split()]
    # After a window, a stride and a frame of silence.
    begins = len(golden_pcm(contract)) * 8 // 10 // contract.frame_step_samples
    still = begins + contract.window_frames + STRIDE + 5
    assert set(calls[still : begins + SILENT_FRAMES - 1]) == {1}
    assert max(calls[begins : begins + contract.window_frames]) > 1
