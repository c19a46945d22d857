"""The page of architectures has the generator's text. Its figures need TensorFlow."""

from __future__ import annotations

from pathlib import Path

from architectures import page

from sernet_edge.train.models import ARCHITECTURES

PAGE = Path(__file__).parents[2] / "docs" / "evidence" / "architectures.md"


def test_nobody_edited_the_page_by_hand() -> None:
    before, after = page([]).split("|---|---|---|---|---|---|---|---|\n")
    text = PAGE.read_text()
    assert text.startswith(before) and text.endswith(after.lstrip("\n"))


def test_every_architecture_has_a_row() -> None:
    text = PAGE.read_text()
    for name in ARCHITECTURES:
        assert f"\n| {name} | " in text
