"""Inputs of the fuzzers, and those that once crashed a reader, are read or refused cleanly."""

from __future__ import annotations

from pathlib import Path

import pytest
import readers

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
INPUTS = [path for target in readers.TARGETS for path in sorted((CORPUS / target).iterdir())]


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_reader_reads_an_input_or_refuses_it(path: Path) -> None:
    readers.read(path.parent.name, path.read_bytes())


def test_every_reader_has_an_input() -> None:
    assert {path.parent.name for path in INPUTS} == set(readers.TARGETS)
