"""What the tests of several files compile: made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundle_cases import write_bundle
from engine_cases import Case, random_cases, write_cases
from graphs import RandomGraph
from operator_graphs import RandomOperators

_GRAPHS = 240
_OPERATOR_GRAPHS = 120


@pytest.fixture(scope="session")
def bundle(shipped_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model's bundle, to which programs may be added."""
    return write_bundle(tmp_path_factory.mktemp("bundle"), shipped_model.read_bytes())


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path], list[Case]]:
    """A folder with the engine and the tables of random graphs, the C files, and the graphs."""
    folder = tmp_path_factory.mktemp("graphs")
    cases = random_cases(RandomGraph, _GRAPHS)
    return folder, write_cases(folder, cases), cases


@pytest.fixture(scope="session")
def operator_graphs(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, list[Path], list[Case]]:
    """The same with the operators of other people's networks."""
    folder = tmp_path_factory.mktemp("operator_graphs")
    cases = random_cases(RandomOperators, _OPERATOR_GRAPHS)
    return folder, write_cases(folder, cases), cases
