"""The reader reads a `.tflite` completely, or refuses it with an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tflite
from graphs import SAME, VALID, Graph, RandomGraph
from support import quickly

from sernet_edge.firmware_export import emit
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile

CONV = {
    "Padding": SAME,
    "StrideH": 1,
    "StrideW": 1,
    "DilationHFactor": 1,
    "DilationWFactor": 1,
}


def conv_graph(**changes: int) -> bytes:
    """Return a graph of one 3 x 3 convolution from 2 to 4 channels."""
    graph = Graph()
    source = graph.input((1, 8, 6, 2), 0.1, 3)
    weights = graph.constant(np.ones((4, 3, 3, 2), np.int8), [0.01, 0.02, 0.03, 0.04])
    bias = graph.constant(np.arange(4, dtype=np.int32), [0.001])
    output = graph.tensor((1, 8, 6, 4), 0.2, -5, "sums")
    values = {**CONV, **changes}
    graph.operator("CONV_2D", [source, weights, bias], output, "Conv2DOptions", values)
    return graph.finish(output)


def test_the_shipped_model_is_read_completely(shipped_model: Path) -> None:
    network = read_network(ModelFile.read(shipped_model))
    assert network.input.row_bytes == 40
    ops = [layer.op for layer in network.layers]
    assert ops.count("CONV_2D") == 8 and ops.count("AVERAGE_POOL_2D") == 7
    assert ops[-3:] == ["MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    kernels = {layer.kernel.size for layer in network.layers if layer.op == "CONV_2D"}
    assert kernels == {(11, 1), (1, 9), (3, 3), (1, 1)}


def test_a_convolution_is_read_with_its_numbers() -> None:
    layer = read_network(ModelFile("model", conv_graph())).layers[1]
    assert layer.weights.shape == (4, 3, 3, 2) and layer.bias.tolist() == [0, 1, 2, 3]
    assert layer.kernel.padding == (1, 1)
    assert (layer.output.name, layer.output.zero_point) == ("sums", -5)
    np.testing.assert_allclose(layer.weight_scales, [0.01, 0.02, 0.03, 0.04])


def test_layers_that_the_output_does_not_need_are_left_out() -> None:
    builder = RandomGraph(0)
    source = builder.graph.input((1, 9, 9, 1), 0.1, 0)
    builder.conv(source)
    wanted = builder.conv(source)
    assert len(read_network(ModelFile("model", builder.graph.finish(wanted))).layers) == 2


def one_operator(name: str, options: str = "", **values: object) -> bytes:
    graph = Graph()
    source = graph.input((1, 8, 6, 2), 0.1, 3)
    output = graph.tensor((1, 8, 6, 2), 0.1, 3, "made")
    graph.operator(name, [source], output, options, dict(values))
    return graph.finish(output)


def unequal_concatenation() -> bytes:
    graph = Graph()
    source = graph.input((1, 8, 6, 2), 0.1, 3)
    other = graph.tensor((1, 8, 6, 2), 0.2, 3, "other")
    graph.operator("QUANTIZE", [source], other, "QuantizeOptions")
    output = graph.tensor((1, 8, 6, 4), 0.1, 3, "joined")
    graph.operator("CONCATENATION", [source, other], output, "ConcatenationOptions", {"Axis": 3})
    return graph.finish(output)


def float_input() -> bytes:
    graph = Graph()
    source = graph.input((1, 8, 6, 2), 0.1, 3)
    graph.entries[source].kind = tflite.TensorType.FLOAT32
    output = graph.tensor((1, 8, 6, 2), 0.1, 3)
    graph.operator("QUANTIZE", [source], output, "QuantizeOptions")
    return graph.finish(output)


def groups_beyond_the_engine() -> bytes:
    graph = Graph()
    source = graph.input((1, 8, 6, 34), 0.1, 3)
    weights = graph.constant(np.ones((34, 3, 3, 2), np.int8), [0.01])
    output = graph.tensor((1, 8, 6, 34), 0.2, 0)
    graph.operator("CONV_2D", [source, weights], output, "Conv2DOptions", CONV)
    return graph.finish(output)


def batch_of_two() -> bytes:
    graph = Graph()
    source = graph.input((2, 8, 6, 2), 0.1, 3)
    output = graph.tensor((2, 8, 6, 2), 0.1, 3)
    graph.operator("QUANTIZE", [source], output, "QuantizeOptions")
    return graph.finish(output)


def reshape_beyond_the_engine() -> bytes:
    builder = RandomGraph(0)
    source = builder.graph.input((1, 200, 64, 3), 0.1, 3)
    source = builder.conv(source, 4, window=(SAME, (1, 1), (1, 1)))
    _, height, width, channels = builder.shape(source)
    last = builder.reshape(source, (1, width, height, channels))
    return builder.graph.finish(builder.conv(last))


def huge_tensor() -> bytes:
    graph = Graph()
    source = graph.input((1, 40_000, 6, 2), 0.1, 3)
    output = graph.tensor((1, 40_000, 6, 2), 0.1, 3)
    graph.operator("QUANTIZE", [source], output, "QuantizeOptions")
    return graph.finish(output)


@pytest.mark.parametrize(
    ("build", "parts"),
    [
        (lambda: one_operator("SVDF"), ["SVDF", "'made'", "--engine tflm"]),
        (
            lambda: one_operator("UNIDIRECTIONAL_SEQUENCE_LSTM"),
            ["UNIDIRECTIONAL_SEQUENCE_LSTM", "'made'", "--engine tflm"],
        ),
        (lambda: one_operator("TANH"), ["TANH", "'made'", "scale 1/128"]),
        (lambda: one_operator("LOGISTIC"), ["LOGISTIC", "'made'", "scale 1/256"]),
        (lambda: conv_graph(DilationHFactor=200), ["CONV_2D", "'sums'", "(401, 3)", "255"]),
        (
            lambda: conv_graph(FusedActivationFunction=tflite.ActivationFunctionType.TANH),
            ["CONV_2D", "'sums'", "TANH", "--engine tflm"],
        ),
        (unequal_concatenation, ["CONCATENATION", "'other'", "'joined'", "another scale"]),
        (float_input, ["'input'", "FLOAT32", "sernet-edge convert"]),
        (groups_beyond_the_engine, ["CONV_2D", "17 groups", "--engine tflm"]),
        (batch_of_two, ["'input'", "[2, 8, 6, 2]"]),
        (reshape_beyond_the_engine, ["CONV_2D", "rows of", "32767", "--engine tflm"]),
        (huge_tensor, ["'input'", "40000", "32767"]),
    ],
)
def test_everything_that_the_engine_does_not_support_is_refused_by_name(
    build: Callable[[], bytes], parts: list[str]
) -> None:
    with pytest.raises(ModelError) as caught:
        read_network(ModelFile("some.tflite", build()))
    for part in ["some.tflite", *parts]:
        assert part in str(caught.value)


def test_a_kernel_that_disagrees_with_the_output_is_refused() -> None:
    with pytest.raises(ModelError, match="size 8 where its kernel gives 6"):
        read_network(ModelFile("model", conv_graph(Padding=VALID)))


def test_a_file_that_is_not_a_model_is_refused() -> None:
    with pytest.raises(ModelError, match="not a TensorFlow Lite model"):
        read_network(ModelFile("model", b"RIFF....WAVE"))


def export(data: bytes) -> None:
    """Do all steps of an export that depend on the content of the file."""
    network = read_network(ModelFile("model", data))
    plan = plan_network(network)
    emit.model_header(network, plan, "sernet_model")
    emit.model_source(plan, "sernet_model")


def test_a_truncated_model_is_refused() -> None:
    data = conv_graph()
    for length in range(8, len(data), 7):
        try:
            export(data[:length])
        except ModelError:
            continue
        # A cut through unused bytes, such as padding at the end, is harmless.
        assert length > 0.9 * len(data)


@pytest.mark.parametrize("seed", quickly(range(8), 2))
def test_a_damaged_model_is_read_or_refused_without_a_crash(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = conv_graph() if seed % 2 else RandomGraph(seed).build()
    refused = 0
    for _ in range(250):
        damaged = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(8, len(damaged)))
            damaged[at] = int(rng.choice([0, 0xFF, 0x7F, 0x80, rng.integers(256)]))
        try:
            export(bytes(damaged))
        except ModelError:
            refused += 1
    assert refused > 25


def test_scales_that_no_interpreter_could_use_are_refused() -> None:
    for scale in (1e-38, 1e38):
        graph = Graph()
        source = graph.input((1, 8, 6, 2), 1.0, 3)
        output = graph.tensor((1, 8, 6, 2), scale, 3)
        weights = graph.constant(np.ones((2, 1, 1, 2), np.int8), [scale**-0.5])
        values = {**CONV, "FusedActivationFunction": tflite.ActivationFunctionType.RELU6}
        graph.operator("CONV_2D", [source, weights], output, "Conv2DOptions", values)
        if scale < 1:
            with pytest.raises(ModelError, match="scales differ"):
                export(graph.finish(output))
        else:
            export(graph.finish(output))  # rounds all values to zero


def test_a_sum_that_can_leave_32_bits_is_refused() -> None:
    graph = Graph()
    source = graph.input((1, 8, 6, 2), 0.1, 3)
    weights = graph.constant(np.ones((1, 1, 1, 2), np.int8), [0.01])
    bias = graph.constant(np.array([2**31 - 1], np.int32), [0.001])
    output = graph.tensor((1, 8, 6, 1), 0.2, -5, "sums")
    graph.operator("CONV_2D", [source, weights, bias], output, "Conv2DOptions", CONV)
    with pytest.raises(ModelError, match=r"'sums'.* 32 bits"):
        export(graph.finish(output))
