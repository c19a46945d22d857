"""The accuracies in docs/evidence/accuracy.md and README.md equal those of the saved runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import results
from results import SEARCH, UNTOUCHED

from sernet_edge.train.evaluation.saved_runs import finished_folds, pooled_figures

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "benchmarks" / "runs"
PAGE = ROOT / "docs" / "evidence" / "accuracy.md"

SHIPPED, SHIPPED_HALF = "emodb-seed1", "emodb-half-seed1"

THREE_SEEDS = tuple(f"emodb-light-sernet-bfloat16{seed}" for seed in ("", "-seed2", "-seed3"))
TWO_SEEDS = ("emodb-light-sernet-half", "search/half-seed2")


def strict(run: str, precision: str, only: Sequence[str] = ()) -> dict[str, Any]:
    figures = pooled_figures(RUNS / run, only)["protocols"]["strict"]
    its: dict[str, Any] = figures[precision]
    return its


@pytest.mark.parametrize(
    ("run", "precision"),
    [
        (SHIPPED, "int8"),
        (SHIPPED_HALF, "int8"),
        ("emodb-light-sernet-default", "int8"),
        ("emodb-light-sernet-half", "int8"),
        ("emodb-half-in-noise", "int8"),
        ("emodb-light-sernet-quarter", "int8"),
        ("emodb-opensmile-svm", "float"),
    ],
)
def test_a_systems_figures_match_its_saved_predictions(run: str, precision: str) -> None:
    figures, untouched = (strict(run, precision, only) for only in ((), UNTOUCHED))
    low, high = figures["uar_interval"]
    row = (
        f"| {figures['uar']:.1%} ({low:.1%} to {high:.1%}) | {figures['wa']:.1%} | "
        f"{untouched['uar']:.1%} | "
    )
    if "size" in (fold := finished_folds(RUNS / run)[0]):
        row += f"{fold['size']['flash_bytes']:,} |"
    assert row in PAGE.read_text()


def test_readme_quotes_the_shipped_system() -> None:
    said = f"{strict(SHIPPED, 'int8')['wa']:.0%} of other actors of the same studio"
    assert said in " ".join((ROOT / "README.md").read_text().split())


def test_half_the_channels_need_a_third_of_the_flash_and_macs() -> None:
    whole, half = (finished_folds(RUNS / run)[0]["size"] for run in (SHIPPED, SHIPPED_HALF))
    for figure in ("flash_bytes", "macs"):
        assert half[figure] / whole[figure] == pytest.approx(1 / 3, abs=0.08)


def test_the_page_compares_the_baseline_with_the_networks_correctly() -> None:
    baseline, networks = "emodb-opensmile-svm", ("default", "half", "quarter", "1path")
    for network in networks:
        theirs = strict(f"emodb-light-sernet-{network}", "int8", UNTOUCHED)["uar"]
        assert theirs < strict(baseline, "float", UNTOUCHED)["uar"]
    ours = strict("emodb-light-sernet-default", "int8", SEARCH)["uar"]
    assert ours > strict(baseline, "float", SEARCH)["uar"]


def test_the_page_quotes_the_papers_recipe_correctly_under_each_protocol() -> None:
    figures = pooled_figures(RUNS / "emodb-light-sernet-paper")["protocols"]
    figures |= pooled_figures(RUNS / "emodb-light-sernet-paper-published")["protocols"]
    uars = {protocol: precisions["float"]["uar"] for protocol, precisions in figures.items()}
    text = " ".join(PAGE.read_text().split())
    papers = results.ELSEWHERE[0]
    assert f"for the paper's {papers[1]}%" in text and papers[-1] == "Aftab et al. 2022"
    assert f"a UAR of {uars['published']:.1%} under that protocol" in text
    said = f"a strict UAR of {uars['strict']:.1%}, or {uars['test-epoch']:.1%} when the best epoch"
    assert said in text
    best = pooled_figures(RUNS / "emodb-light-sernet-after-others-published")["protocols"]
    best = best["published"]["float"]
    said = f"reaches a UAR of {best['uar']:.1%} and a WA of {best['wa']:.1%} under that protocol"
    assert said in text


def test_the_page_states_the_spread_of_seeds_correctly() -> None:
    everybody = [strict(run, "int8")["uar"] for run in THREE_SEEDS]
    said = f"have UARs from {min(everybody):.1%} to {max(everybody):.1%} over all ten"
    assert said in " ".join(PAGE.read_text().split())
    seeds = [strict(run, "int8", SEARCH)["uar"] for run in TWO_SEEDS]
    assert f"are {100 * abs(seeds[0] - seeds[1]):.1f} points apart" in PAGE.read_text()
