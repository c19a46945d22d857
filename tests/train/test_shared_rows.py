"""Networks whose windows share rows: their architectures state the rows correctly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sernet_edge.runtime.contract import Contract
from sernet_edge.train.models import ARCHITECTURES, build_for_measuring

STREAMING = [name for name, its in ARCHITECTURES.items() if its.stride_frames]
WINDOW = 198


@pytest.fixture(scope="module", params=STREAMING)
def body(request: pytest.FixtureRequest) -> Any:
    """A network up to its last feature map, and the rows that its architecture states."""
    import keras

    its = ARCHITECTURES[request.param]
    contract = Contract(
        labels=("a", "b"),
        mean=(0.0,),
        std=(1.0,),
        level="none",
        window_frames=WINDOW,
        **its.rows,
    )
    model = build_for_measuring(request.param, contract, seed=1)
    return keras.Model(model.input, model.get_layer("mix_relu").output), its


def rows(network: Any, windows: Any) -> Any:
    """Rows of the last map, scaled to 1: random weights make them small beside their biases."""
    found = np.asarray(network(1e6 * np.asarray(windows, np.float32)[..., None]))
    return found / found.max()


def test_a_window_has_one_row_and_one_more_for_each_stride(body: Any) -> None:
    network, its = body
    heights = network.output.shape[1]
    assert heights == 1 + (WINDOW - its.receptive_frames) / its.stride_frames


def test_windows_a_stride_apart_share_their_rows(body: Any) -> None:
    network, its = body
    stream = np.random.default_rng(2).normal(size=(WINDOW + 2 * its.stride_frames, 40))
    windows = [stream[n * its.stride_frames :][:WINDOW] for n in range(3)]
    first, second, third = rows(network, windows)
    np.testing.assert_allclose(first[2:], third[:-2], rtol=0, atol=1e-5)
    np.testing.assert_allclose(second[1:], third[:-1], rtol=0, atol=1e-5)
    assert np.abs(first - second).max() > 0.01


def test_a_row_depends_on_its_own_frames_up_to_both_ends(body: Any) -> None:
    network, its = body
    stride, receptive = its.stride_frames, its.receptive_frames
    window = np.random.default_rng(3).normal(size=(WINDOW, 40))
    first, last = stride, stride + receptive - 1  # of the second row
    windows = [window]
    for frame in (first - 1, first, last, last + 1):
        changed = window.copy()
        changed[frame] += 100
        windows.append(changed)
    before, *after = rows(network, windows)
    differences = [np.abs(row[1] - before[1]).max() for row in after]
    assert [bool(difference > 1e-5) for difference in differences] == [False, True, True, False]
