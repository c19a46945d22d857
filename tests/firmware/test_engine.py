"""The native engine computes TensorFlow Lite Micro's bits, compiled for the PC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine_cases import (
    GRAPHS,
    Case,
    StreamCase,
    real_window_count,
    real_windows,
    tflm_outputs,
    write_cases,
)
from graphs import SAME, RandomGraph
from host_engine import compiled, replay
from support import quickly

from sernet_edge.firmware_export import golden, reference
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.quantisation import conv_scales
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_random_graphs_have_the_bits_of_tflm(
    compiler: str, graphs: tuple[Path, list[Path], list[Case]]
) -> None:
    folder, sources, cases = graphs
    output = replay(compiled(compiler, folder, sources, compiler))
    assert f"cases {len(cases)}\nwindows {3 * len(cases)}\nfailures 0" in output


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_streams_have_the_bits_of_tflm_in_every_window(
    compiler: str, streams: tuple[Path, list[Path], list[StreamCase]]
) -> None:
    folder, sources, cases = streams
    output = replay(compiled(compiler, folder, sources, f"{compiler}-streams"))
    assert f"cases {len(cases)}\nwindows {21 * len(cases)}\nfailures 0" in output


def test_the_numpy_reference_has_the_bits_of_tflm(
    graphs: tuple[Path, list[Path], list[Case]], shipped_model: Path
) -> None:
    data = shipped_model.read_bytes()
    shipped = Case(
        "shipped", data, golden.adversarial_windows(read_network(ModelFile("model", data)))
    )
    for case in [*graphs[2], shipped]:
        network = read_network(ModelFile(case.name, case.data))
        computed = np.stack([reference.run(network, window) for window in case.inputs])
        expected = tflm_outputs(case.data, case.inputs)
        np.testing.assert_array_equal(computed, expected, err_msg=case.name)


@pytest.mark.parametrize("interpreter", ["tflite_runtime", "ai_edge_litert"])
def test_golden_outputs_have_the_bits_of_tflm_with_either_interpreter(
    interpreter: str, graphs: tuple[Path, list[Path], list[Case]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(interpreter)
    monkeypatch.setenv("SERNET_EDGE_INTERPRETER", interpreter)
    for case in graphs[2]:
        np.testing.assert_array_equal(
            golden.golden_outputs(ModelFile(case.name, case.data), case.inputs),
            tflm_outputs(case.data, case.inputs),
            err_msg=case.name,
        )


def test_the_random_graphs_have_enough_of_each_operator() -> None:
    ops: dict[str, int] = {}
    kernels, strides, shifts, odd_padding, one_channel = set(), set(), set(), 0, 0
    for seed in GRAPHS:
        network = read_network(ModelFile("graph", RandomGraph(seed).build()))
        for layer in network.layers:
            ops[layer.op] = ops.get(layer.op, 0) + 1
            kernels.update(layer.kernel.size)
            strides.update(layer.kernel.stride)
            if layer.weights.size:
                source = network.layers[layer.inputs[0]].output
                shifts.update(np.sign([s for _, s in conv_scales(layer, source)]).tolist())
                total = (
                    (layer.output.height - 1) * layer.kernel.stride[0]
                    + layer.kernel.size[0]
                    - source.height
                )
                odd_padding += total > 0 and total % 2
                one_channel += source.channels == 1
    assert min(ops.values()) >= 5 and len(ops) == 14, ops
    assert kernels >= set(range(1, 12)) and strides >= {1, 2, 3}
    assert shifts == {-1, 0, 1} and odd_padding >= 20 and one_channel >= 20


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_the_shipped_model_has_the_bits_of_tflm_on_noise_and_extremes(
    compiler: str, shipped_model: Path, tmp_path: Path
) -> None:
    data = shipped_model.read_bytes()
    inputs = golden.adversarial_windows(read_network(ModelFile("model", data)))
    sources = write_cases(tmp_path, [Case("shipped", data, inputs)])
    assert "failures 0" in replay(compiled(compiler, tmp_path, sources, compiler))


@pytest.mark.slow
@pytest.mark.timeout(3600)  # for 500 windows
def test_the_shipped_model_has_the_bits_of_tflm_on_real_speech(
    emodb: Path, shipped_model: Path, tmp_path: Path
) -> None:
    data = shipped_model.read_bytes()
    inputs = real_windows(emodb, shipped_model, real_window_count(60))
    sources = write_cases(tmp_path, [Case("shipped", data, inputs)])
    output = replay(compiled("gcc", tmp_path, sources, "gcc"))
    assert f"windows {len(inputs)}\nfailures 0" in output


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_wrong_use_is_an_error_code(compiler: str, tmp_path: Path) -> None:
    data = light_sernet_like(50)
    inputs = golden.adversarial_windows(read_network(ModelFile("model", data)))[2:]
    sources = write_cases(tmp_path, [Case("tested", data, inputs)])
    replay(compiled(compiler, tmp_path, sources, compiler, "engine_misuse.c"))


def test_a_longer_window_needs_no_more_memory(tmp_path: Path) -> None:
    short, long = (
        plan_network(read_network(ModelFile("model", light_sernet_like(frames))))
        for frames in (184, 434)
    )
    assert long.arena_bytes == short.arena_bytes


def light_sernet_like(frames: int) -> bytes:
    """Return a small graph like LIGHT-SERNET: three branches, pools, a global mean."""
    builder = RandomGraph(1)
    source = builder.graph.input((1, frames, 40, 1), 0.1, 0)
    scale, zero_point = 0.05, -128

    def pooled(tensor: int, size: tuple[int, int]) -> int:
        _, height, width, channels = builder.shape(tensor)
        shape = (1, -(-height // size[0]), -(-width // size[1]), channels)
        entry = builder.graph.entries[tensor]
        output = builder.graph.tensor(shape, entry.scales[0], entry.zero_point)
        values = dict(
            zip(
                ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth"),
                (SAME, *size, *size),
                strict=True,
            )
        )
        return builder.graph.operator("AVERAGE_POOL_2D", [tensor], output, "Pool2DOptions", values)

    branches = []
    for kernel in ((11, 1), (1, 9), (3, 3)):
        window = (SAME, kernel, (1, 1))
        branch = builder.conv(source, 8, window=window, scale=scale, zero_point=zero_point)
        branches.append(pooled(branch, (2, 2)))
    shape = (*builder.shape(branches[0])[:3], 24)
    output = builder.graph.tensor(shape, scale, zero_point)
    last = builder.graph.operator(
        "CONCATENATION", branches, output, "ConcatenationOptions", {"Axis": 3}
    )
    for channels, size in ((16, (2, 2)), (24, (2, 2)), (32, (2, 1)), (40, (2, 1))):
        last = pooled(builder.conv(last, channels, window=(SAME, (3, 3), (1, 1))), size)
    last = builder.mean(builder.conv(last, 48, window=(SAME, (1, 1), (1, 1))), (1, 2), False)
    return builder.graph.finish(builder.softmax(builder.dense(last)))
