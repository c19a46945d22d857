"""The page about hours of listening."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import soak_page

ROOT = Path(__file__).parents[2]


@pytest.fixture
def soaks() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((ROOT / "benchmarks/soak").iterdir())]


def test_the_page_is_the_one_of_the_saved_runs(soaks: list[dict[str, Any]]) -> None:
    assert soak_page.page(soaks) == (ROOT / "docs/evidence/soak.md").read_text()


def test_a_run_that_grew_has_failed(soaks: list[dict[str, Any]]) -> None:
    text = soak_page.page([{**soaks[0], "passed": False, "growth_mb": 3.9}])
    assert "| growth, MB | +3.90 |" in text
    assert "| verdict | FAILED |" in text
