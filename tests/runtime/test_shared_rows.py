"""A model with shared rows has the scores of whole windows, bit for bit."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stream_graphs import STRIDE, RandomStream, stream_contract, stream_model

from sernet_edge.runtime import Model, ModelFile
from sernet_edge.runtime.interpreter import INTERPRETERS
from sernet_edge.runtime.row_stages import find_stages
from sernet_edge.runtime.shared_rows import SharedRows

SEEDS = range(40)


@pytest.fixture(params=INTERPRETERS)
def package(request: pytest.FixtureRequest) -> str:
    """A package with an interpreter."""
    name = str(request.param)
    pytest.importorskip(name)
    return name


def interpreter(package: str, data: bytes) -> Any:
    module = importlib.import_module(f"{package}.interpreter")
    return module.Interpreter(
        model_content=data,
        num_threads=1,
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )


def whole(package: str, data: bytes, windows: NDArray[np.int8]) -> NDArray[np.int8]:
    """The scores of windows (windows, frames, features, channels), each computed whole."""
    running = interpreter(package, data)
    running.allocate_tensors()
    source, result = running.get_input_details()[0], running.get_output_details()[0]
    outputs = []
    for window in windows:
        running.set_tensor(source["index"], window[None])
        running.invoke()
        outputs.append(running.get_tensor(result["index"])[0])
    return np.stack(outputs)


def test_every_window_of_a_random_network_has_the_scores_of_the_whole_window(package: str) -> None:
    cut = 0
    for seed in SEEDS:
        graph = RandomStream(seed)
        data = graph.build()
        if find_stages(data) is None:
            continue
        cut += 1
        shape = graph.shape(0)[1:]
        rng = np.random.default_rng(seed)
        starts = np.cumsum(graph.stride * np.array([0, *rng.integers(1, 4, 9)]))
        # Windows without a common row, and one that is not at a multiple of the stride.
        starts = np.append(starts, [500, 500 + graph.stride, 501 + graph.stride])
        rows = rng.integers(-128, 128, (starts.max() + shape[0], *shape[1:]), np.int8)
        windows = np.stack([rows[start : start + shape[0]] for start in starts])
        shared = SharedRows(data, lambda model: interpreter(package, model), graph.stride)
        found = np.stack([shared.run(window) for window in windows])
        np.testing.assert_array_equal(found, whole(package, data, windows), f"seed {seed}")
    assert cut > len(SEEDS) // 2


def test_windows_at_any_hop_that_divides_the_stride_have_the_scores_of_whole_ones(
    package: str,
) -> None:
    checked = 0
    for seed in SEEDS:
        graph = RandomStream(seed)
        data = graph.build()
        hops = [hop for hop in range(1, graph.stride) if graph.stride % hop == 0]
        if find_stages(data) is None or not hops:
            continue
        checked += 1
        rng = np.random.default_rng(seed)
        # At the stride, then at finer and finer hops with some left out, and after a gap.
        steps = [graph.stride] * 2
        for hop in (rng.choice(hops), rng.choice(hops)):
            steps += (hop * rng.integers(1, 4, 8)).tolist()
        starts = np.cumsum([0, *steps, 500, *[min(hops)] * 4])
        shape = graph.shape(0)[1:]
        rows = rng.integers(-128, 128, (starts.max() + shape[0], *shape[1:]), np.int8)
        # During digital silence, equal rows could match at any offset.
        rows[starts[8] : starts[8] + 2 * shape[0]] = 5
        windows = np.stack([rows[start : start + shape[0]] for start in starts])
        shared = SharedRows(data, lambda model: interpreter(package, model), graph.stride)
        found = np.stack([shared.run(window) for window in windows])
        np.testing.assert_array_equal(found, whole(package, data, windows), f"seed {seed}")
    assert checked > len(SEEDS) // 4


def counting(computed: list[int]) -> SharedRows:
    """Return shared rows of a model that record how many rows each interpreter gets."""

    class Counting:
        def __init__(self, model: bytes) -> None:
            self.inner = interpreter("tflite_runtime", model)

        def set_tensor(self, index: int, value: NDArray[np.int8]) -> None:
            computed.append(value.shape[1])
            self.inner.set_tensor(index, value)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    pytest.importorskip("tflite_runtime")
    file = ModelFile("model", stream_model(stream_contract()))
    return SharedRows(file.flatbuffer, Counting, STRIDE)


def test_equal_rows_after_a_gap_do_not_make_the_hop_finer() -> None:
    computed: list[int] = []
    shared, frames = counting(computed), stream_contract().window_frames
    rows = np.random.default_rng(2).integers(-128, 128, (2 * frames + STRIDE, 40, 1), np.int8)
    # The last rows of one window, and the first rows of the next, are silence.
    rows[frames - 5 : frames + 5] = 0
    shared.run(rows[:frames])
    shared.run(rows[frames : 2 * frames])
    computed.clear()
    shared.run(rows[frames + STRIDE :])
    assert computed == [STRIDE + 3, 1 + 2, 6]


def test_no_interpreter_is_given_more_rows_than_a_window_has() -> None:
    computed: list[int] = []
    shared, frames = counting(computed), stream_contract().window_frames
    rows = np.random.default_rng(3).integers(-128, 128, (2 * frames, 40, 1), np.int8)
    for begin in range(STRIDE, frames, STRIDE):
        computed.clear()
        shared.run(rows[:frames])
        most = list(computed)
        computed.clear()
        shared.run(rows[begin : begin + frames])
        assert all(
            given <= of_a_window for given, of_a_window in zip(computed, most, strict=True)
        ), begin


def test_a_window_computes_only_rows_that_the_last_one_did_not() -> None:
    computed: list[int] = []
    shared = counting(computed)
    frames = stream_contract().window_frames
    rows = np.random.default_rng(0).integers(-128, 128, (frames + STRIDE, 40, 1), np.int8)
    shared.run(rows[:frames])
    assert computed == [frames, 8, 6]
    computed.clear()
    shared.run(rows[STRIDE:])
    # New rows with those that the kernel needs before them; then all rows of the last map.
    assert computed == [STRIDE + 3, 1 + 2, 6]
    half = STRIDE // 2
    rows = np.random.default_rng(1).integers(-128, 128, (frames + 4 * half, 40, 1), np.int8)
    for window in range(4):
        computed.clear()
        shared.run(rows[window * half :][:frames])
        # A row of each map for a hop, alternating between two phases. All rows are computed at
        # first, and again when the hop is known.
        if window > 1:
            assert computed == [half + 5, 1 + 2, 6]


@pytest.mark.parametrize("hop", [STRIDE, 2 * STRIDE, 7 * STRIDE, STRIDE // 2, 1])
def test_a_model_that_shares_rows_has_the_scores_of_one_that_does_not(hop: int) -> None:
    contract = stream_contract(hop_frames=hop)
    file = ModelFile("model", stream_model(contract))
    plain, sharing = Model(file), Model(file, share_rows=True)
    assert sharing.shares_rows
    assert not plain.shares_rows
    frames = contract.window_frames
    rows = np.random.default_rng(1).normal(size=(frames + 20 * hop, 40)).astype(np.float32)
    for start in range(0, len(rows) - frames + 1, hop):
        window = rows[start : start + frames]
        np.testing.assert_array_equal(sharing.run(window), plain.run(window))


def test_a_network_that_pads_in_time_computes_whole_windows(shipped_model: Any) -> None:
    file = ModelFile.read(shipped_model)
    assert find_stages(file.flatbuffer) is None
    assert not Model(file, share_rows=True).shares_rows


def test_a_damaged_flatbuffer_is_not_cut() -> None:
    data = ModelFile("model", stream_model(stream_contract())).flatbuffer
    rng = np.random.default_rng(2)
    for _ in range(300):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 4):
            broken[at] = rng.integers(256)
        find_stages(bytes(broken[: rng.integers(8, len(data))]))
