"""Writes docs/evidence/strangers.md: how well models do on corpora they were not trained on.

    python benchmarks/strangers.py benchmarks/strangers --out docs/evidence/strangers.md

Each folder there is a run of `cross-validate --split corpora`. `make models` trains the models, and
`make strangers` measures the rest. Every figure is computed from saved predictions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from page_command import run_page_command
from runs_archive import all_runs

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.train.evaluation.calibration import across_corpora
from sernet_edge.train.evaluation.conditions import CONDITIONS
from sernet_edge.train.evaluation.cross_corpus import FOUR
from sernet_edge.train.evaluation.saved_runs import finished_folds, pooled_figures, read_json

_HEAD = """\
# Strangers

<!-- Made by python benchmarks/strangers.py benchmarks/strangers; do not edit. -->

The model that tests a corpus was trained on the other corpora, with other speakers, another
language, other rooms and microphones (protocol `cross-corpus`). The test uses whole utterances of
anger, happiness, neutral and sadness. Recordings of fear are left out, so these figures say nothing
about fear. The models have more outputs, and any other answer is wrong. A guess among four outputs
would reach 25 %; a guess of the arousal, 50 %.

UAR is the mean recall, WA the share of right answers. Arousal is the balanced accuracy of agitated
(anger, happiness) against calm (neutral, sadness). RAVDESS's calm counts as neutral. Of nEMO's
4,481 recordings, only 1,904 were available. The training's settings were chosen among eight
configurations, by single runs on these same folds. A new corpus may therefore get slightly worse
figures. `voices` has half the channels of `voices-full`; the settings are the same.

"""

_SURE = """
## Sure results

A result is sure if its score reaches a threshold. For each corpus, threshold and temperature are
fitted on the predictions for the two other corpora, so that the wanted share of sure results is
right there. The models that made those predictions were trained on the tested corpus, too. A dash
means that no threshold reaches the wanted share, so no result is sure. Here recordings of fear
count, too; the models rarely answer fear, so they are mostly wrong on these.

"""

_SUREST = """
## The surest results

This table shows how many of a corpus's surest results are right, of the four emotions without fear:
the fifth of its recordings with the highest scores, and the tenth in brackets. It ranks results
within a corpus, and uses no label for it. A device has one threshold for all speech, so the table
above says what to expect there.

"""

_CONDITIONS = """
## Cost of noise, rooms and telephone lines

The table shows the points of UAR that each condition costs an int8 model that was not trained on
the corpus; negative points are a gain. `sernet-edge evaluate --condition` measures this.

"""

_NOISE = """
## Noise

Here `listen` runs without a voice gate on clips without speech, which were not used for training.
"In C" is the exported model on a computer, with its own decisions and drift. The clips last
{minutes:.0f} minutes, which cannot show a rare event: a model without an event there may still
start up to {most:.0f} events an hour (95 % confidence, as if events were random).

| model | hours | windows that are sure of an emotion | events | events an hour |
|---|---|---|---|---|
"""


def page(folder: Path) -> str:
    """Return the page, Markdown, of the runs in a folder.

    Raises:
        SernetError: There is no run, or a run is damaged.
    """
    runs = sorted(path.parent for path in folder.glob("*/run.json"))
    if not runs:
        raise SernetError(f"{folder} holds no run of cross-validate")
    reports = {run: pooled_figures(run) for run in runs}
    sections = [_HEAD, _figures(reports), _SURE, _sure(runs), _SUREST, _surest(runs)]
    if conditions := _conditions(runs):
        sections += [_CONDITIONS, conditions]
    heard = sorted(folder.glob("noise-*.json"), key=lambda path: path.stem)
    if heard:
        hours = min(read_json(path)["noise"]["hours"] for path in heard)
        # No event in this time has a probability of 5 % at a rate of -ln(0.05) events in it.
        sections.append(_NOISE.format(minutes=60 * hours, most=-math.log(0.05) / hours))
        sections += map(_noise, heard)
    return "".join(sections)


def _figures(reports: dict[Path, dict[str, Any]]) -> str:
    corpora = sorted({name for report in reports.values() for name in report["folds"]})
    head = ["run", "precision", "figure", *corpora, "mean"]
    rows = []
    for run, report in reports.items():
        for precision, figures in report["protocols"]["cross-corpus"].items():
            four = figures["four"]
            for figure in ("uar", "wa", "arousal"):
                own = [four["corpora"].get(name) for name in corpora]
                cells = [_with_interval(found, figure) for found in [*own, four["mean"]]]
                rows.append([run.name, precision, _NAMES[figure], *cells])
    rows += _means_of_seeds(reports, corpora)
    return _table(head, rows)


_NAMES = {"uar": "UAR", "wa": "WA", "arousal": "arousal"}


def _means_of_seeds(reports: dict[Path, dict[str, Any]], corpora: Sequence[str]) -> list[list[str]]:
    """Return rows of the mean over runs of one name that differ only in their seed."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for run, report in reports.items():
        name = run.name.rpartition("-seed")[0]
        if name and set(corpora) <= set(report["folds"]):
            by_name.setdefault(name, []).append(report["protocols"]["cross-corpus"]["int8"]["four"])
    rows = []
    for name, some in by_name.items():
        if len(some) < 2:
            continue
        for figure, called in _NAMES.items():
            cells = [
                _range([four["corpora"][corpus][figure] for four in some]) for corpus in corpora
            ]
            cells.append(_range([four["mean"][figure] for four in some]))
            rows.append([f"{name}, {len(some)} seeds (range)", "int8", called, *cells])
    return rows


def _sure(runs: Iterable[Path]) -> str:
    rows, corpora = [], set[str]()
    for run in runs:
        for wanted, by_corpus in across_corpora(run)["sure"].items():
            rows.append((run.name, wanted, by_corpus))
            corpora |= set(by_corpus)
    head = ["run", "wanted", *(f"{name}: right (share sure)" for name in sorted(corpora))]
    return _table(
        head,
        [
            [run, wanted, *(_sure_cell(by.get(c)) for c in sorted(corpora))]
            for run, wanted, by in rows
        ],
    )


def _sure_cell(found: dict[str, float | None] | None) -> str:
    if not found or found["right"] is None or found["share"] is None:
        return "–"
    return _two_shares(found["right"], found["share"])


def _two_shares(first: float, second: float) -> str:
    return f"{100 * first:.0f} % ({100 * second:.0f} %)"


def _surest(runs: Iterable[Path]) -> str:
    """Return a table of how often the surest results of each corpus are right."""
    shares: dict[str, dict[str, tuple[float, ...]]] = {}
    for run in runs:
        shares[run.name] = {fold["fold"]: _right_among_surest(fold) for fold in finished_folds(run)}
    corpora = sorted({name for by_corpus in shares.values() for name in by_corpus})
    rows = []
    for run_name, by_corpus in shares.items():
        mean = np.mean(list(by_corpus.values()), axis=0) if len(by_corpus) > 1 else None
        cells = [*(by_corpus.get(name) for name in corpora), mean]
        rows.append([run_name, *("–" if cell is None else _two_shares(*cell) for cell in cells)])
    return _table(["run", *corpora, "mean"], rows)


def _right_among_surest(fold: dict[str, Any]) -> tuple[float, ...]:
    """Return the share of right results of a fold's `_SUREST_SHARES`, of four emotions."""
    truth = np.asarray(fold["truth"])
    scores = np.asarray(fold.get("int8_scores", fold["float_scores"]))
    is_one_of_four = np.isin(truth, [i for i, name in enumerate(fold["labels"]) if name in FOUR])
    truth, scores = truth[is_one_of_four], scores[is_one_of_four]
    right, top = scores.argmax(axis=1) == truth, scores.max(axis=1)
    # int8 scores tie often, so slightly more than the share may be as sure.
    return tuple(
        float(right[top >= np.quantile(top, 1 - share, method="lower")].mean())
        for share in _SUREST_SHARES
    )


_SUREST_SHARES = (0.2, 0.1)


def _conditions(runs: Iterable[Path]) -> str:
    rows = []
    for run in runs:
        for path in sorted(run.glob("conditions-*.json")):
            report = read_json(path)
            lost = [100 * report["conditions"][name]["four_uar_lost"] for name in CONDITIONS]
            corpus = path.stem.removeprefix("conditions-")
            rows.append([run.name, corpus, *(f"{points:.1f}" for points in lost)])
    return _table(["run", "corpus", *CONDITIONS], rows) if rows else ""


def _noise(path: Path) -> str:
    noise = read_json(path)["noise"]
    name = path.stem.removeprefix("noise-").replace("-in-c", ", in C")
    return (
        f"| {name} | {noise['hours']:.2f} | {100 * noise['sure']:.1f} % | {noise['events']} "
        f"| {noise['events_per_hour']:.1f} |\n"
    )


def _with_interval(found: dict[str, Any] | None, figure: str) -> str:
    if not found or found[figure] is None:
        return "–"
    low, high = found[f"{figure}_interval"]
    return f"{100 * found[figure]:.1f} ({100 * low:.0f} to {100 * high:.0f})"


def _range(values: Sequence[float]) -> str:
    mean = 100 * float(np.mean(values))
    return f"{mean:.1f} ({100 * min(values):.1f} to {100 * max(values):.1f})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(folder: Path, out: Path) -> None:
    """Write tables of the runs in FOLDER, and in the archive beside it."""
    with all_runs(folder) as runs:
        write_text(out, page(runs))


if __name__ == "__main__":
    run_page_command(main)
