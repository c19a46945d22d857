"""The schema's own reader and TensorFlow Lite Micro read models with a taught head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine_cases import tflm_outputs
from graphs import RandomGraph
from numpy.typing import NDArray

from sernet_edge.firmware_export.graph import read_graph
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.teach.embeddings import Embedder
from sernet_edge.runtime.teach.flatbuffer import find_dense
from sernet_edge.runtime.teach.head import HeadPlace


def test_the_schemas_own_reader_finds_the_same_head(shipped_model: Path) -> None:
    file = ModelFile.read(shipped_model)
    dense = next(op for op in read_graph(file).operators if op.name == "FULLY_CONNECTED")
    embedding, weights, bias = dense.tensors
    found = HeadPlace(file)
    assert found.embedding_index == embedding.index
    assert find_dense(file.flatbuffer, file.name).logits.index == dense.outputs[0].index
    assert found.embedding_scale == np.float32(embedding.scales[0])
    assert found.embedding_zero_point == embedding.zero_points[0]
    head = found.quantised
    assert np.array_equal(head.weights.ravel(), weights.data.view(np.int8))
    assert np.array_equal(head.bias, bias.data.view("<i4"))
    assert head.weight_scale == np.float32(weights.scales[0])
    assert (head.logit_scale, head.logit_zero_point) == (
        np.float32(dense.outputs[0].scales[0]),
        dense.outputs[0].zero_points[0],
    )


def test_only_the_last_layer_differs(taught: Path, shipped_model: Path) -> None:
    old, new = (read_graph(ModelFile.read(path)) for path in (shipped_model, taught))
    dense = next(op for op in old.operators if op.name == "FULLY_CONNECTED")
    own = {tensor.index for tensor in (*dense.tensors[1:], *dense.outputs)}
    for before, after in zip(old.tensors, new.tensors, strict=True):
        if before.index not in own:
            assert np.array_equal(before.data, after.data) and before.scales == after.scales


def test_tensorflow_lite_micro_computes_the_same_bits(
    taught: Path, speech: NDArray[np.int16]
) -> None:
    file = ModelFile.read(taught)
    embedder = Embedder(file)
    windows = [
        embedder.model.quantise(embedder.front_end.window_features(rows))
        for rows in embedder.windows(speech)[::4]
    ]
    expected = [embedder.model.run_int8(window) for window in windows]
    got = tflm_outputs(file.flatbuffer, np.stack([window.ravel() for window in windows]))
    assert np.array_equal(got, np.stack(expected))


@pytest.mark.parametrize("seed", range(40))
def test_a_graph_without_a_dense_layer_before_softmax_is_refused_by_name(seed: int) -> None:
    file = ModelFile("odd.tflite", RandomGraph(seed).build())
    last = [op.name for op in read_graph(file).operators][-2:]
    try:
        HeadPlace(file)
    except ModelError as error:
        assert str(error).startswith("odd.tflite cannot be taught: ")
        if last[-1] != "SOFTMAX":
            assert last[-1] in str(error) or "operator" in str(error)
    else:
        assert last == ["FULLY_CONNECTED", "SOFTMAX"]
