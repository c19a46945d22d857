"""The operators of other people's networks have the bits of TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
import tflite
from cores import on_core
from engine_cases import OPERATOR_GRAPHS, tflm_outputs
from graphs import SAME, VALID, Graph, RandomGraph
from operator_graphs import RandomOperators
from random_networks import Graphs, check_on_core, check_on_this_computer, check_reference
from support import quickly

from sernet_edge.firmware_export import elementwise, golden, reference
from sernet_edge.firmware_export.network import Network
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile


def read(data: bytes) -> Network:
    return read_network(ModelFile("model", data))


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_random_graphs_have_the_bits_of_tflm(compiler: str, operator_graphs: Graphs) -> None:
    check_on_this_computer(compiler, operator_graphs)


@pytest.mark.parametrize("core", [on_core("m0plus"), on_core("m4"), on_core("m55")])
def test_cores_have_the_bits_of_tflm(core: str, operator_graphs: Graphs) -> None:
    check_on_core(core, operator_graphs)


def test_the_numpy_reference_has_the_bits_of_tflm(operator_graphs: Graphs) -> None:
    check_reference(operator_graphs)


def test_the_random_graphs_have_enough_of_each_operator() -> None:
    ops: dict[str, int] = {}
    unsigned, dilated, constants = 0, 0, 0
    for seed in OPERATOR_GRAPHS:
        for layer in read(RandomOperators(seed).build()).layers:
            ops[layer.op] = ops.get(layer.op, 0) + 1
            unsigned += layer.output.is_unsigned
            dilated += layer.kernel.dilation != (1, 1)
            constants += layer.constant is not None
    wanted = {*elementwise.ONE_VALUE, *elementwise.BINARY, "SLICE", "PAD", "ARRANGE", "REDUCE_MAX"}
    assert wanted - set(ops) <= {"RELU", "RELU6"}, wanted - set(ops)
    assert unsigned >= 20 and dilated >= 5 and constants >= 5


@pytest.mark.parametrize("name", sorted({*elementwise.ONE_VALUE} - {"RELU6"}))
def test_tables_have_the_bits_of_tflm_for_all_values_and_many_scales(name: str) -> None:
    every = np.arange(-128, 128).astype(np.int8)[None]
    rng = np.random.default_rng(0)
    for number in range(40):
        scale = float(np.float32(10 ** rng.uniform(-3, -0.5)))
        made = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}.get(
            name,
            (float(np.float32(scale * 2 ** rng.uniform(0.5, 3))), int(rng.integers(-128, 128))),
        )
        graph = Graph()
        inputs, options, values = (
            [graph.input((1, 256), scale, int(rng.integers(-128, 128)))],
            "",
            {},
        )
        if name == "LEAKY_RELU":
            options, values = "LeakyReluOptions", {"Alpha": float(rng.uniform(-2, 2))}
        if name == "PRELU":
            slope = np.array([rng.integers(-127, 128)], np.int8)
            inputs.append(graph.constant(slope, [float(np.float32(10 ** rng.uniform(-3, -1)))]))
        data = graph.finish(
            graph.operator(name, inputs, graph.tensor((1, 256), *made), options, values)
        )
        np.testing.assert_array_equal(
            reference.run(read(data), every[0])[None],
            tflm_outputs(data, every),
            err_msg=f"{number}: scale {scale}, made {made}",
        )


def test_a_flat_input_is_pushed_in_the_rows_of_its_network() -> None:
    random = RandomGraph(0)
    flat = random.graph.input((1, 49 * 10), 0.1, 3)
    first = random.requantize(flat)
    last = random.conv(random.reshape(first, (1, 49, 10, 1)), 4, window=(SAME, (3, 3), (1, 1)))
    network = read(random.graph.finish(last))
    assert network.input.shape == (49, 10, 1)
    assert [layer.op for layer in network.layers] == ["INPUT", "QUANTIZE", "CONV_2D"]


def test_a_conv1d_runs_row_by_row() -> None:
    """A Conv1D in the converter's form: (1, time, channels) to (1, 1, time, channels) and back."""
    random = RandomGraph(0)
    last = random.graph.input((1, 400, 8), 0.1, 3)
    last = random.reshape(last, (1, 1, 400, 8))
    for _ in range(3):
        last = random.conv(last, 8, window=(VALID, (1, 5), (1, 1)))
    length = random.shape(last)[2]
    last = random.reshape(last, (1, length, 8))
    network = read(random.graph.finish(random.reshape(last, (1, length * 8))))
    convolutions = [layer for layer in network.layers if layer.op == "CONV_2D"]
    assert [layer.kernel.size for layer in convolutions] == [(5, 1)] * 3
    # Memory for the output and a few rows, not for three maps.
    assert plan_network(network).arena_bytes < length * 8 + 500


def test_an_undefined_dimension_has_its_default_size() -> None:
    random = RandomGraph(4)
    source = random.graph.input((1, 9, 9, 1), 0.1, 0)
    random.graph.entries[source].signature = (-1, 9, 9, 1)
    data = random.graph.finish(random.dense(random.conv(source)))
    windows = golden.adversarial_windows(read(data))
    computed = np.stack([reference.run(read(data), window) for window in windows])
    np.testing.assert_array_equal(computed, tflm_outputs(data, windows))


def test_shapes_that_are_computed_but_fixed_are_read() -> None:
    """SHAPE, STRIDED_SLICE and PACK before a RESHAPE, the converter's form for any batch size."""
    random = RandomGraph(4)
    graph = random.graph
    source = random.conv(graph.input((1, 6, 5, 2), 0.1, 0))
    _, height, width, channels = random.shape(source)
    shape, batch, wanted = (graph.constant(np.zeros(n, np.int32)) for n in (4, 1, 2))
    for tensor, of in ((shape, (4,)), (batch, ()), (wanted, (2,))):
        graph.entries[tensor].data, graph.entries[tensor].shape = b"", of
    graph.operator("SHAPE", [source], shape, "ShapeOptions", {"OutType": tflite.TensorType.INT32})
    bounds = [graph.constant(np.array([n], np.int32)) for n in (0, 1, 1)]
    graph.operator(
        "STRIDED_SLICE", [shape, *bounds], batch, "StridedSliceOptions", {"ShrinkAxisMask": 1}
    )
    size = graph.constant(np.array(height * width * channels, np.int32))
    graph.operator("PACK", [batch, size], wanted, "PackOptions", {"ValuesCount": 2, "Axis": 0})
    entry = graph.entries[source]
    flat = graph.tensor((1, height * width * channels), entry.scales[0], entry.zero_point)
    graph.operator("RESHAPE", [source, wanted], flat, "ReshapeOptions")
    data = graph.finish(random.dense(flat))
    windows = golden.adversarial_windows(read(data))
    computed = np.stack([reference.run(read(data), window) for window in windows])
    np.testing.assert_array_equal(computed, tflm_outputs(data, windows))


def test_golden_outputs_of_uint8_are_bytes() -> None:
    for seed in range(40):
        data = RandomOperators(seed).build()
        network = read(data)
        if not (network.input.is_unsigned or network.output.is_unsigned):
            continue
        windows = golden.adversarial_windows(network)
        np.testing.assert_array_equal(
            golden.golden_outputs(ModelFile("model", data), windows), tflm_outputs(data, windows)
        )
