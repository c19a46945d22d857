"""`teach` works for networks with shared rows, whose head follows the mean over the rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from engine_cases import tflm_outputs
from numpy.typing import NDArray
from support import write_wav
from untrained_models import untrained

from sernet_edge.firmware_export.graph import read_graph
from sernet_edge.runtime import Listener
from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.records import Result
from sernet_edge.runtime.teach.clips import find_clips, read_clips
from sernet_edge.runtime.teach.embeddings import Embedder
from sernet_edge.runtime.teach.teaching import Taught, teach

SPEECH = Path(__file__).parents[2] / "docs/demo/two_moods.wav"

pytestmark = [
    pytest.mark.slow,
    # The converter's own warnings, which the command line hides.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def speech() -> NDArray[np.int16]:
    return read_recording(SPEECH, 16_000)


@pytest.fixture(scope="module")
def base() -> ModelFile:
    return untrained("light-sernet-stream-quarter")


@pytest.fixture(scope="module")
def taught(
    base: ModelFile, speech: NDArray[np.int16], tmp_path_factory: pytest.TempPathFactory
) -> Taught:
    """A model taught with three clips of each of the demo's voices."""
    folder, half = tmp_path_factory.mktemp("clips"), len(speech) // 2
    for label, part in (("anger", speech[:half]), ("fear", speech[half:])):
        (folder / label).mkdir()
        for number in range(3):
            write_wav(folder / label / f"{number}.wav", part[number * 20_000 :][:60_000])
    clips = read_clips(find_clips(folder), base.require_contract(), print)
    return teach(base, clips, print)


def windows(embedder: Embedder, speech: NDArray[np.int16]) -> Iterator[NDArray[np.int8]]:
    for rows in embedder.windows(speech)[::3]:
        yield embedder.model.quantise(embedder.front_end.window_features(rows))


def test_only_the_last_layer_differs(base: ModelFile, taught: Taught) -> None:
    old, new = read_graph(base), read_graph(taught.file)
    dense = next(op for op in old.operators if op.name == "FULLY_CONNECTED")
    own = {tensor.index for tensor in (*dense.tensors[1:], *dense.outputs)}
    changed = {
        before.index
        for before, after in zip(old.tensors, new.tensors, strict=True)
        if not np.array_equal(before.data, after.data) or before.scales != after.scales
    }
    assert changed and changed <= own
    contract, before = taught.file.require_contract(), base.require_contract()
    assert contract.stride_frames == before.stride_frames and contract.id != before.id


def test_tensorflow_lite_micro_computes_the_same_bits(
    taught: Taught, speech: NDArray[np.int16]
) -> None:
    embedder = Embedder(taught.file)
    cut = list(windows(embedder, speech))
    assert len(cut) > 3
    got = tflm_outputs(taught.file.flatbuffer, np.stack([window.ravel() for window in cut]))
    assert np.array_equal(got, np.stack([embedder.model.run_int8(window) for window in cut]))


def test_the_embedding_is_the_mean_over_the_rows(
    base: ModelFile, speech: NDArray[np.int16]
) -> None:
    embedder = Embedder(base)
    *_, mean = (op for op in read_graph(base).operators if op.name in ("MEAN", "AVERAGE_POOL_2D"))
    assert embedder.place.head.weights.shape[1] == mean.outputs[0].shape[-1]
    rows = embedder.windows(speech)[0]
    found = embedder.of_window(rows)
    before = mean.tensors[0]
    values = embedder.model.tensor(before.index).astype(float)
    real = (values - before.zero_points[0]) * before.scales[0]
    # Half a step of the embedding, and the rounding of int8 arithmetic.
    scale, zero_point = float(embedder.place.embedding_scale), embedder.place.embedding_zero_point
    wanted = real.reshape(-1, real.shape[-1]).mean(axis=0)
    wanted = wanted.clip((-128 - zero_point) * scale, (127 - zero_point) * scale)
    assert np.abs(found - wanted).max() <= 1.01 * scale


def test_a_taught_stream_recognises_its_clips_and_listens(
    taught: Taught, speech: NDArray[np.int16]
) -> None:
    assert {label: count for label, count in taught.counts.items() if count} == {
        "anger": 3,
        "fear": 3,
    }
    listener = Listener(Model(taught.file), smoothing=0.0)
    half = len(speech) / 32_000
    results = [r for r in listener.push(speech) if isinstance(r, Result)]
    assert results
    found = [r.label for r in results if 3.5 < r.time_s < half]
    assert found and np.mean([label == "anger" for label in found]) > 0.5
