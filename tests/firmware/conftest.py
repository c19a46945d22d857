"""Fixtures that several test files share; each compiles once in a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attention_graphs import RandomAttention
from bundle_cases import write_bundle
from engine_cases import (
    ATTENTION_GRAPHS,
    GRAPHS,
    OPERATOR_GRAPHS,
    STATE_GRAPHS,
    STREAM_GRAPHS,
    Case,
    StreamCase,
    random_cases,
    state_cases,
    stream_cases,
    write_cases,
)
from graphs import RandomGraph
from operator_graphs import RandomDepthwise, RandomOperators


@pytest.fixture(scope="session")
def bundle(shipped_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model's bundle; tests may add programs to it."""
    return write_bundle(tmp_path_factory.mktemp("bundle"), shipped_model.read_bytes())


def _family(
    name: str, seeds: range, quick: int, make: Callable[[range], list[Case] | list[StreamCase]]
) -> Any:
    """Return a fixture: (folder of the engine and the networks' tables, its C files, the networks).

    Args:
        name: The fixture's name.
        seeds: One seed a network.
        quick: The number of networks that are not marked slow.
        make: Makes the networks of the given seeds.
    """
    parts = [
        pytest.param(seeds[:quick], id="first graphs"),
        pytest.param(seeds[quick:], id="other graphs", marks=pytest.mark.slow),
    ]

    @pytest.fixture(scope="session", params=parts, name=name)
    def written(
        request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Path, list[Path], list[Case] | list[StreamCase]]:
        folder = tmp_path_factory.mktemp(name)
        cases = make(request.param)
        return folder, write_cases(folder, cases), cases

    return written


def _operators(seeds: range) -> list[Case]:
    return random_cases(RandomOperators, seeds) + random_cases(RandomDepthwise, seeds[::2])


graphs = _family("graphs", GRAPHS, 40, lambda seeds: random_cases(RandomGraph, seeds))
operator_graphs = _family("operator_graphs", OPERATOR_GRAPHS, 30, _operators)
attention_graphs = _family(
    "attention_graphs", ATTENTION_GRAPHS, 20, lambda seeds: random_cases(RandomAttention, seeds)
)
# Networks with a state, with twelve windows one after the other.
state_graphs = _family("state_graphs", STATE_GRAPHS, 30, state_cases)
# Networks with shared rows, with streams of many windows.
streams = _family("streams", STREAM_GRAPHS, 10, stream_cases)
