"""The examples in docs/guides/library.md and in the listener's docstring run unchanged."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

from sernet_edge.runtime import stream

_DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.clone
def test_the_examples_in_the_docs_run() -> None:
    result = doctest.testfile(str(_DOCS / "guides" / "library.md"), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0


def test_the_listener_s_example_runs() -> None:
    result = doctest.testmod(stream, extraglobs={"np": np})
    assert result.attempted >= 4
    assert result.failed == 0
