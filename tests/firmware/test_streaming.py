"""Networks with shared rows have TensorFlow Lite Micro's scores in every window."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from engine_cases import C_FOLDER, tflm_outputs, varied_rows
from graphs import SAME, VALID, RandomGraph
from numpy.typing import NDArray
from object_files import SANITIZE, STRICT, compiler_output, object_file
from stream_graphs import RandomStream
from support import quickly

from sernet_edge.firmware_export import emit_stream, golden, reference
from sernet_edge.firmware_export.bundle import NATIVE_SOURCES
from sernet_edge.firmware_export.csource import engine_file
from sernet_edge.firmware_export.plan import External
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.firmware_export.streaming import NotStreamable, _repeating, plan_stream
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile

SEEDS = range(40)


def strided(seeds: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield (seed, hop): every hop below a network's stride that divides it."""
    for seed in seeds:
        graph = RandomStream(seed)
        graph.build()
        for hop in range(1, graph.stride):
            if graph.stride % hop == 0:
                yield seed, hop


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the engine's source."""
    folder = tmp_path_factory.mktemp("engine")
    for name in NATIVE_SOURCES:
        (folder / name).write_text(engine_file(name))
    return folder


def stream_program(
    data: bytes,
    engine: Path,
    folder: Path,
    hop: int | None = None,
    external: External | None = None,
) -> tuple[Path, int, int]:
    """Compile a network for streams; return the program, the window and the stride in frames."""
    network = read_network(ModelFile("graph", data))
    stream = plan_stream(network, external=external, hop_frames=hop)
    (folder / "model.h").write_text(emit_stream.stream_header(network, stream, "model"))
    (folder / "model.c").write_text(emit_stream.stream_source(stream, "model"))
    sources = [*engine.glob("*.c"), *engine.glob("*.S")]
    sources += [folder / "model.c", C_FOLDER / "stream_outputs.c"]
    command = ["gcc", *STRICT, *SANITIZE, f"-I{folder}", f"-I{engine}"]
    program = folder / "stream_outputs"
    objects = [str(object_file(command, source)) for source in sources]
    compiler_output([*command, *objects, "-o", str(program)])
    return program, stream.window_frames, stream.stride_frames


def run(
    program: Path, first: int, hop: int, rows: NDArray[np.int8], width: int
) -> NDArray[np.int8]:
    """Return the outputs of a stream, int8 (windows, width)."""
    command = [str(program), str(first), str(hop)]
    done = subprocess.run(command, input=rows.tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return np.frombuffer(done.stdout, np.int8).reshape(-1, width)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "hop"), [(1, 1), *list(strided(SEEDS))[:2]])
def test_row_counters_never_overflow_16_bits(
    seed: int, hop: int, engine: Path, tmp_path: Path
) -> None:
    data = RandomStream(seed).build()
    network = read_network(ModelFile("graph", data))
    program, window, _ = stream_program(data, engine, tmp_path, hop)
    # 18 minutes of frames of 16 ms.
    hops = 66_000 // hop
    rows = varied_rows(1, window + hops * hop, network.input.row_bytes, window)
    outputs = run(program, window, hop, rows, network.output.row_bytes)
    assert len(outputs) == hops + 1
    late = range(hops - 200, hops + 1)
    windows = np.stack([rows[n * hop :][:window].ravel() for n in late])
    np.testing.assert_array_equal(outputs[-len(late) :], tflm_outputs(data, windows))


@pytest.mark.parametrize(("seed", "hop"), quickly(strided(SEEDS), 8))
def test_windows_closer_than_the_stride_have_the_scores_of_tflm(
    seed: int, hop: int, engine: Path, tmp_path: Path
) -> None:
    graph = RandomStream(seed)
    data = graph.build()
    network = read_network(ModelFile("graph", data))
    program, window, stride = stream_program(data, engine, tmp_path, hop)
    assert stride == graph.stride
    windows = 40
    rows = varied_rows(seed, window + (windows - 1) * hop, network.input.row_bytes, window)
    expected = tflm_outputs(data, golden.stream_windows(rows, window, hop))
    outputs = run(program, window, hop, rows, network.output.row_bytes)
    np.testing.assert_array_equal(outputs, expected)
    # Longer hops use the same rows.
    outputs = run(program, window, stride, rows, network.output.row_bytes)
    np.testing.assert_array_equal(outputs, expected[:: stride // hop])


@pytest.mark.parametrize(("seed", "hop"), quickly(list(strided(SEEDS))[:6], 1))
def test_windows_closer_than_the_stride_have_the_scores_of_tflm_with_copied_weights(
    seed: int, hop: int, engine: Path, tmp_path: Path
) -> None:
    data = RandomStream(seed).build()
    network = read_network(ModelFile("graph", data))
    program, window, _ = stream_program(data, engine, tmp_path, hop, External())
    rows = varied_rows(seed, window + 19 * hop, network.input.row_bytes, window)
    outputs = run(program, window, hop, rows, network.output.row_bytes)
    expected = tflm_outputs(data, golden.stream_windows(rows, window, hop))
    np.testing.assert_array_equal(outputs, expected)


def test_after_a_period_every_ring_is_at_its_first_place() -> None:
    for seed, hop in strided(SEEDS):
        stream = plan_stream(
            read_network(ModelFile("graph", RandomStream(seed).build())), hop_frames=hop
        )
        for steps, stage in zip(stream.period_steps, stream.body.stages, strict=True):
            assert steps % (stage.ring_rows * stage.join) == 0
            assert 2 * steps + stream.window_frames < 65_535
        frames = stream.period_steps[0]
        assert frames == hop * stream.period_steps[-1]


@pytest.mark.parametrize(
    ("rows", "per_stride"), [([3, 3, 5, 7], [4, 2, 1, 1]), ([9, 17, 33], [1, 1, 1])]
)
def test_rings_grow_by_the_fewest_bytes(rows: list[int], per_stride: list[int]) -> None:
    row_bytes = [100, 50, 30, 10][: len(rows)]
    found = _repeating(rows, per_stride, row_bytes)
    fitting = [
        [
            next(n for n in range(r, k * c + 1) if k * c % n == 0)
            for r, c in zip(*sizes, strict=True)
        ]
        for k in range(1, 600)
        for sizes in [(rows, per_stride)]
        if all(k * c >= r for r, c in zip(rows, per_stride, strict=True))
    ]
    least = min(sum(n * b for n, b in zip(rings, row_bytes, strict=True)) for rings in fitting)
    assert found is not None
    assert sum(n * b for n, b in zip(found, row_bytes, strict=True)) <= least


def test_a_network_without_a_stride_is_planned_at_once() -> None:
    # For these rings a search through all sizes would take minutes.
    rings = [7, 3, 200, 11, 13, 17, 19, 5, 23]
    assert _repeating(rings, [1] * 9, [10] * 9) == [7, 3, 200, 12, 14, 18, 20, 5, 24]


def test_a_hop_at_which_a_kernel_spans_too_many_rows_is_refused_with_the_layer() -> None:
    graph = RandomStream(5)
    last = graph.conv(
        graph.graph.input((1, 8 * 32 + 32, 4, 2), 0.1, 3), 4, window=(VALID, (32, 3), (32, 1))
    )
    data = scored(graph, graph.conv(last, 4, window=(VALID, (9, 1), (1, 1))))
    network = read_network(ModelFile("graph", data))
    assert plan_stream(network, hop_frames=2).finer_hops == [2, 4, 8, 16]
    with pytest.raises(ModelError, match="at a hop of 1 frame layer 2, CONV_2D .* spans 257 rows"):
        plan_stream(network, hop_frames=1)


def test_the_scores_of_the_random_networks_vary() -> None:
    varied = 0
    for seed in SEEDS:
        data = RandomStream(seed).build()
        source = read_network(ModelFile("graph", data)).input
        rows = varied_rows(seed, 8 * source.height, source.row_bytes, source.height)
        outputs = tflm_outputs(data, rows.reshape(8, -1))
        varied += len({tuple(output) for output in outputs}) > 1
    assert varied > len(SEEDS) // 2


def scored(graph: RandomGraph, last: int) -> bytes:
    """Return the file of a graph that ends in a mean over time, a dense layer and a softmax."""
    return graph.graph.finish(
        graph.softmax(graph.dense(graph.mean(last, (1, 2), keep_dims=False), 3))
    )


def padded_before(graph: RandomStream, last: int) -> bytes:
    return scored(graph, graph.conv(last, window=(SAME, (3, 3), (1, 1))))


def padded_after(graph: RandomStream, last: int) -> bytes:
    return scored(graph, graph.pool(last, window=(SAME, (2, 1), (2, 1))))


def padded_by_an_operator(graph: RandomStream, last: int) -> bytes:
    padded = graph.pad(last, (2, 0), (0, 0))
    return scored(graph, graph.conv(padded, window=(VALID, (3, 1), (1, 1))))


def without_a_mean(graph: RandomStream, last: int) -> bytes:
    return graph.graph.finish(graph.softmax(graph.dense(last, 3)))


def ending_in_its_mean(graph: RandomStream, last: int) -> bytes:
    return graph.graph.finish(graph.mean(last, (1, 2), keep_dims=False))


def with_newest_frames_unused(graph: RandomStream, last: int) -> bytes:
    return scored(graph, graph.cut(last, 0, 3))


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (padded_before, r"CONV_2D that makes '\w+': it puts 1 row of padding before a window"),
        (padded_by_an_operator, "CONV_2D .* it puts 2 rows of padding before a window"),
        (padded_after, "AVERAGE_POOL_2D|MAX_POOL_2D .* it puts 1 row of padding after a window"),
        (without_a_mean, "the network has no MEAN over time"),
        (ending_in_its_mean, "no layer follows this MEAN"),
        (with_newest_frames_unused, "it leaves the last 3 frames of a window unused"),
    ],
)
def test_a_network_whose_rows_depend_on_the_window_is_refused_with_the_layer(
    build: Callable[[RandomStream, int], bytes], reason: str
) -> None:
    graph = RandomStream(5)
    data = build(graph, graph.graph.input((1, 9, 4, 2), 0.1, 3))
    network = read_network(ModelFile("graph", data))
    with pytest.raises(NotStreamable, match=f"windows cannot share rows: .*({reason})"):
        plan_stream(network)


@pytest.mark.parametrize("seed", range(0, 40, 3))
def test_a_whole_window_has_the_scores_of_the_reference(seed: int) -> None:
    data = RandomStream(seed).build()
    file = ModelFile("graph", data)
    network = read_network(file)
    windows = golden.adversarial_windows(network, seed)
    expected = tflm_outputs(data, windows)
    for window, scores in zip(windows, expected, strict=True):
        np.testing.assert_array_equal(reference.run(network, window), scores)
