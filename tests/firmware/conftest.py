"""What the tests of several files compile: made once."""

from __future__ import annotations

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


def _parts(seeds: range, quick: int) -> list[Any]:
    """Return a fixture's parameters: the first seeds, and the others, which are slow."""
    return [
        pytest.param(seeds[:quick], id="first graphs"),
        pytest.param(seeds[quick:], id="other graphs", marks=pytest.mark.slow),
    ]


@pytest.fixture(scope="session")
def bundle(shipped_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model's bundle, to which programs may be added."""
    return write_bundle(tmp_path_factory.mktemp("bundle"), shipped_model.read_bytes())


@pytest.fixture(scope="session", params=_parts(GRAPHS, 40))
def graphs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Path], list[Case]]:
    """A folder with the engine and the tables of random graphs, the C files, and the graphs."""
    folder = tmp_path_factory.mktemp("graphs")
    cases = random_cases(RandomGraph, request.param)
    return folder, write_cases(folder, cases), cases


@pytest.fixture(scope="session", params=_parts(OPERATOR_GRAPHS, 30))
def operator_graphs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Path], list[Case]]:
    """The same with the operators of other people's networks."""
    folder = tmp_path_factory.mktemp("operator_graphs")
    cases = random_cases(RandomOperators, request.param)
    cases += random_cases(RandomDepthwise, request.param[::2])
    return folder, write_cases(folder, cases), cases


@pytest.fixture(scope="session", params=_parts(STATE_GRAPHS, 30))
def state_graphs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Path], list[Case]]:
    """The same of graphs that keep a state, with twelve windows one after the other."""
    folder = tmp_path_factory.mktemp("state_graphs")
    cases = state_cases(request.param)
    return folder, write_cases(folder, cases), cases


@pytest.fixture(scope="session", params=_parts(ATTENTION_GRAPHS, 20))
def attention_graphs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Path], list[Case]]:
    """The same with what attention is made of."""
    folder = tmp_path_factory.mktemp("attention_graphs")
    cases = random_cases(RandomAttention, request.param)
    return folder, write_cases(folder, cases), cases


@pytest.fixture(scope="session", params=_parts(STREAM_GRAPHS, 10))
def streams(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Path], list[StreamCase]]:
    """The same of graphs whose windows share rows, with streams of many windows."""
    folder = tmp_path_factory.mktemp("streams")
    cases = stream_cases(request.param)
    return folder, write_cases(folder, cases), cases
