"""Networks with attention have the bits of TensorFlow Lite Micro, row by row."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from attention_graphs import RandomAttention
from cores import on_core
from engine_cases import ATTENTION_GRAPHS, tflm_outputs
from graphs import SAME, VALID
from random_networks import Graphs, check_on_core, check_on_this_computer, check_reference
from support import quickly

from sernet_edge.firmware_export import fixed_point, reference
from sernet_edge.firmware_export.network import Network
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile


def read(data: bytes) -> Network:
    return read_network(ModelFile("model", data))


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_random_graphs_have_the_bits_of_tflm(compiler: str, attention_graphs: Graphs) -> None:
    check_on_this_computer(compiler, attention_graphs)


@pytest.mark.parametrize("core", [on_core("m0plus"), on_core("m4"), on_core("m55")])
def test_cores_have_the_bits_of_tflm(core: str, attention_graphs: Graphs) -> None:
    check_on_core(core, attention_graphs)


def test_the_numpy_reference_has_the_bits_of_tflm(attention_graphs: Graphs) -> None:
    check_reference(attention_graphs)


def test_the_random_graphs_have_enough_of_each_operator() -> None:
    ops: Counter[str] = Counter()
    whole = transposed = 0
    for seed in ATTENTION_GRAPHS:
        layers = read(RandomAttention(seed).build()).layers
        ops.update(layer.op for layer in layers)
        for layer in layers:
            if layer.op == "BATCH_MATMUL":
                transposed += layer.strides[0] == 1 != layer.strides[1]
                whole += layers[layer.inputs[1]].output.height < layer.output.height
    assert min(ops["BATCH_MATMUL"], ops["LOG_SOFTMAX"], ops["SOFTMAX"], ops["MEAN"]) >= 20
    assert transposed >= 20 and whole >= 10


@pytest.mark.parametrize("scale", [2.0**-12, 0.004, 0.05, 0.3, 2.0, 30.0])
def test_log_softmax_has_the_bits_of_tflm_at_any_scale(scale: float) -> None:
    random = RandomAttention(0)
    source = random.graph.input((1, 40, 9), scale, 3)
    made = random.graph.tensor((1, 40, 9), 1 / 16, 127)
    data = random.graph.finish(
        random.graph.operator("LOG_SOFTMAX", [source], made, "LogSoftmaxOptions")
    )
    windows = np.random.default_rng(0).integers(-128, 128, (40, 360)).astype(np.int8)
    network = read(data)
    computed = np.stack([reference.run(network, window) for window in windows])
    np.testing.assert_array_equal(computed, tflm_outputs(data, windows))


def test_the_fixed_point_logarithm_is_close_to_the_real_one() -> None:
    values = np.unique(np.geomspace(1 << 19, (1 << 31) - 1, 5000).astype(np.int64))
    real = np.log(values / (1 << 19))
    np.testing.assert_allclose(fixed_point.log(values) / (1 << 26), real, atol=2e-7)


def test_a_first_input_that_is_transposed_is_refused_by_name() -> None:
    random = RandomAttention(0)
    first = random.graph.input((1, 4, 6), 0.1, 0)
    made = random.graph.tensor((1, 6, 6), 0.1, 0, "product")
    options = {"AdjX": True, "AdjY": False}
    random.graph.operator("BATCH_MATMUL", [first, first], made, "BatchMatMulOptions", options)
    with pytest.raises(ModelError, match=r"BATCH_MATMUL\) that makes tensor 'product'.*transposed"):
        read(random.graph.finish(made))


def test_attention_over_all_positions_keeps_no_map() -> None:
    """Attention like in this project's attention network: within each time, then over the times."""
    random = RandomAttention(0)
    source = random.graph.input((1, 60, 8, 3), 0.1, 0)
    last = random.conv(source, 16, window=(VALID, (3, 3), (1, 1)))
    _, times, width, channels = random.shape(last)
    energies = random.reshape(
        random.conv(last, 1, window=(SAME, (1, 1), (1, 1))), (1, times, 1, width)
    )
    sums = random.reshape(random.matmul(random.softmax(energies), last), (1, times, channels))
    of_times = random.mean(random.reshape(energies, (1, times, width)), (2,), keep_dims=False)
    shares = random.softmax(random.reshape(of_times, (1, 1, times)))
    network = read(random.graph.finish(random.matmul(shares, sums)))
    # The sums of all times, which the last product reads at once, and a few rows of the map.
    sums_bytes = times * channels
    assert sums_bytes < plan_network(network).arena_bytes < 2 * sums_bytes + 4 * width * channels
