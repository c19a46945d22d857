"""What README.md claims is what the saved runs say."""

from __future__ import annotations

from pathlib import Path

import pytest

from sernet_edge.train.report import report
from sernet_edge.train.results import UNTOUCHED

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("run", "precision"),
    [
        ("emodb-light-sernet-default", "int8"),
        ("emodb-light-sernet-half", "int8"),
        ("emodb-light-sernet-quarter", "int8"),
        ("emodb-opensmile-svm", "float"),
    ],
)
def test_the_figures_of_a_system_are_those_of_its_saved_predictions(
    run: str, precision: str
) -> None:
    figures = report(ROOT / "docs" / "runs" / run)["protocols"]["strict"][precision]
    low, high = figures["uar_interval"]
    row = f"| {figures['uar']:.1%} ({low:.1%} to {high:.1%}) | {figures['wa']:.1%} | "
    assert row in (ROOT / "README.md").read_text()


def test_the_figure_of_speakers_that_nothing_was_chosen_on_is_theirs() -> None:
    run = ROOT / "docs" / "runs" / "emodb-light-sernet-default"
    figures = report(run, UNTOUCHED)["protocols"]["strict"]["int8"]
    assert f"has a UAR of {figures['uar']:.1%}." in (ROOT / "README.md").read_text()
