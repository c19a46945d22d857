"""Writes docs/evidence/ablations.md from the saved predictions of a search for a recipe.

    python benchmarks/ablations.py benchmarks/runs --base NAME --out docs/evidence/ablations.md

A row is a configuration; runs that differ only in their seed share one. The page shows every
configuration that was tried and saved, even failures. If a run differs in something that is not a
setting, such as the code, the entry `remark` of its run.json says so and makes it another
configuration.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from page_command import run_page_command
from results import SEARCH
from runs_archive import all_runs

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.train.evaluation.saved_runs import (
    by_configuration,
    finished_folds,
    pooled_figures,
    read_json,
)

_HEAD = """\
# Ablations

<!-- Made by python benchmarks/ablations.py benchmarks/runs --base {base}; do not edit. -->

This page compares {count} configurations. Each one is trained several times, each time without one
speaker of EMO-DB. The figures use only the speakers {speakers}: {utterances} utterances,
strict, pooled. {stopped} of the configurations were stopped before they had tested all these
speakers, and have no figures. The search did not use the speakers 12 to 16.

Small differences say little: one utterance is {step:.2f} points of WA, and the 95 % interval over
speakers of the base's UAR is {low:.1f} to {high:.1f}. The best of so many configurations looks
better here than it will be elsewhere. For a configuration with several seeds, the table shows the
mean, and the range of int8. A configuration without an int8 model is compared in float.
[levels.md](levels.md) compares three levels on the same speakers.

The column "changed" lists the differences from the base, `{base}`:
{settings}.

| changed | epochs | seeds | UAR float | UAR int8 | difference | WA | runs |
|---|---|---|---|---|---|---|---|
"""


@click.command()
@click.argument("runs", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--base", required=True, metavar="NAME", help="Run that others are compared with.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(runs: Path, base: str, out: Path) -> None:
    """Write a table of every network's configuration in RUNS and in the archive beside it."""
    with all_runs(runs) as folder:
        write_page(folder, base, out)


def write_page(runs: Path, base: str, out: Path) -> None:
    """Write the page of the runs in a folder, at any depth.

    Raises:
        SernetError: There is no run `base`, or it was not tested on the search's speakers.
    """
    settings = {path.parent: read_json(path) for path in sorted(runs.rglob("run.json"))}
    # Runs that were first trained on other corpora were not part of the search for a recipe.
    networks = [
        run
        for run, its in settings.items()
        if its["split"] == "speakers" and "level" in its and not its.get("initial")
    ]
    bases = [run for run in networks if run.name == base]
    if not bases:
        raise SernetError(
            f"there is no run {base!r}", f"there are {', '.join(run.name for run in networks)}"
        )
    configurations = by_configuration(networks)
    origin, seeds = next(its for its in configurations if bases[0] in its[1])
    reference = _mean(seeds)
    if reference is None:
        raise SernetError(f"the base {base} has not been tested on {', '.join(SEARCH)}")
    rows = []
    for its, group in configurations:
        mean = _mean(group)
        changed = "; ".join(filter(None, [_changed(origin, its), its.get("remark")]))
        better = -np.inf if mean is None else mean[_judged_by(mean)]["uar"]
        rows.append((better, _row(changed, group, its, mean, reference)))
    figures = pooled_figures(bases[0], SEARCH)["protocols"]["strict"]["int8"]
    low, high = figures["uar_interval"]
    head = _HEAD.format(
        count=len(configurations),
        stopped=sum(not np.isfinite(better) for better, _ in rows),
        speakers=", ".join(SEARCH),
        utterances=figures["utterances"],
        base=base,
        settings=textwrap.fill(", ".join(f"{k} {v}" for k, v in origin.items()), 99),
        step=100 / figures["utterances"],
        low=low * 100,
        high=high * 100,
    )
    rows.sort(key=lambda row: -row[0])
    write_text(out, head + "\n".join(row for _, row in rows) + "\n")


def _changed(base: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return the settings that differ from the base, in words."""
    changes = [
        f"{name} {base[name]} → {other[name]}"
        for name in sorted(other)
        if name in base and name != "remark" and base[name] != other[name]
    ]
    return ", ".join(changes) or "nothing: the base"


def _mean(group: list[Path]) -> dict[str, Any] | None:
    """Return the mean figures of runs over the search's speakers; None if no run has all of them.

    Returns:
        By precision, the means `uar` and `wa`, and `uars` of each run; int8 only of converted runs.
    """
    tested = [
        pooled_figures(run, SEARCH)["protocols"]["strict"]
        for run in group
        if set(SEARCH) <= _folds(run)
    ]
    if not tested:
        return None
    return {
        precision: {
            "uar": float(np.mean([run[precision]["uar"] for run in tested])),
            "wa": float(np.mean([run[precision]["wa"] for run in tested])),
            "uars": [run[precision]["uar"] for run in tested],
        }
        for precision in ("float", "int8")
        if all(precision in run for run in tested)
    }


def _judged_by(mean: Mapping[str, Any]) -> str:
    """Return the precision whose figures are compared."""
    return "int8" if "int8" in mean else "float"


def _folds(run: Path) -> set[str]:
    try:
        return {fold["fold"] for fold in finished_folds(run)}
    except SernetError:  # no fold is finished
        return set()


def _row(
    changed: str,
    group: list[Path],
    settings: Mapping[str, Any],
    mean: Mapping[str, Any] | None,
    reference: Mapping[str, Any],
) -> str:
    names = ", ".join(run.name for run in group)
    start = f"| {changed} | {settings['epochs']} | "
    if mean is None:
        there = sorted(set().union(*map(_folds, group))) or ["none"]
        return f"{start}0 | no result: finished folds {', '.join(there)} | | | | {names} |"
    precision = _judged_by(mean)
    figures = mean[precision]
    difference = figures["uar"] - reference[precision]["uar"]
    int8 = "not converted"
    if precision == "int8":
        int8 = f"{figures['uar'] * 100:.2f}"
        if len(figures["uars"]) > 1:
            int8 += f" ({min(figures['uars']) * 100:.1f} to {max(figures['uars']) * 100:.1f})"
    return (
        f"{start}{len(figures['uars'])} | {mean['float']['uar'] * 100:.2f} | {int8} | "
        f"{difference * 100:+.2f} | {figures['wa'] * 100:.2f} | {names} |"
    )


if __name__ == "__main__":
    run_page_command(main)
