"""Writes docs/results.md from the saved predictions of cross-validation runs.

    python -m sernet_edge.train.results docs/runs --out docs/results.md

Every figure is computed anew from the predictions; none is typed in, but those that others
published, which say where they are from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.train.report import report

# system, protocol, UAR, WA, macro F1, source; on EMO-DB, 7 classes.
_ELSEWHERE = (
    ("LIGHT-SERNET, cross-entropy, 3 s", "published", 94.15, 94.21, None, "Aftab et al. 2022"),
    ("LIGHT-SERNET, focal, 3 s", "published", 92.88, 93.08, None, "Aftab et al. 2022"),
    ("LIGHT-SERNET, cross-entropy, 3 s", "test-epoch", 94.04, 94.02, 93.98, "a later re-run"),
    ("LIGHT-SERNET, focal, 3 s", "test-epoch", 93.71, 94.02, 93.84, "a later re-run"),
)

# Of EMO-DB; see `compare_levels.SPLITS` for the others.
_UNTOUCHED = ("12", "13", "14", "15", "16")

_HEAD = """\
# Results on EMO-DB

<!-- Made by python -m sernet_edge.train.results from docs/runs; do not edit. -->

Seven emotions, whole utterances, predictions pooled over all folds. Under `strict` each speaker is
tested by a model that was trained on the other nine, for a fixed number of epochs: it says what to
expect of a new speaker. What was chosen at all, one of three levels (levels.md), was chosen on
the speakers 03, 08, 09, 10 and 11; 12 to 16 had no part in any choice and have rows of their
own. `test-epoch` and `published` are optimistic and stand here for comparison only: in both the
epoch was chosen on the test data itself, and in `published` the test speakers were trained on
as well.

| system | protocol | precision | UAR (95 % interval over speakers) | WA | macro F1 | source |
|---|---|---|---|---|---|---|
"""


@click.command()
@click.argument("runs", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(runs: Path, out: Path) -> None:
    """Tabulate every run in the folder RUNS."""
    reports = {path.parent.name: report(path.parent) for path in sorted(runs.glob("*/run.json"))}
    if not reports:
        raise SernetError(f"{runs} holds no run")
    rows = [row for name, run in reports.items() for row in _rows(name, run)]
    for name, run in reports.items():
        if run["split"] == "speakers" and set(_UNTOUCHED) <= set(run["folds"]):
            part = report(runs / name, _UNTOUCHED)
            rows += _rows(
                name, {**part, "protocols": {"strict": part["protocols"]["strict"]}}, True
            )
    rows += [
        f"| {system} | {protocol} | float | {uar:.2f} | {wa:.2f} | {f'{f1:.2f}' if f1 else ''} "
        f"| {source} |"
        for system, protocol, uar, wa, f1, source in _ELSEWHERE
    ]
    recalls = [part for name, run in reports.items() for part in _recalls(name, run)]
    write_text(out, _HEAD + "\n".join(rows) + "\n" + "\n".join(recalls))


def _rows(name: str, run: dict[str, Any], untouched: bool = False) -> list[str]:
    whose = ", speakers 12 to 16" if untouched else ""
    return [
        f"| {run['architecture']}, {run['recipe']['loss']}, {run['recipe']['epochs']} epochs | "
        f"{protocol}{whose} | {precision} | {figures['uar'] * 100:.2f} "
        f"({figures['uar_interval'][0] * 100:.1f} to {figures['uar_interval'][1] * 100:.1f}) | "
        f"{figures['wa'] * 100:.2f} | {figures['macro_f1'] * 100:.2f} | runs/{name} |"
        for protocol, precisions in run["protocols"].items()
        for precision, figures in precisions.items()
    ]


def _recalls(name: str, run: dict[str, Any]) -> list[str]:
    """Return a section with the confusion matrix of the run's first protocol, int8 if it has it."""
    protocol, precisions = next(iter(run["protocols"].items()))
    precision = "int8" if "int8" in precisions else "float"
    figures = precisions[precision]
    labels = list(figures["classes"])
    lines = [
        "",
        f"## {name}",
        "",
        f"{len(run['folds'])} folds ({', '.join(run['folds'])}), {figures['utterances']} "
        f"utterances, {protocol}, {precision}. Seed {run['seed']}; {run['made_with']}.",
        "",
        "| spoken \\ recognised | " + " | ".join(labels) + " | recall |",
        "|---|" + "---|" * (len(labels) + 1),
    ]
    for label, row in zip(labels, figures["confusion"], strict=True):
        recall = figures["classes"][label]["recall"]
        share = "" if recall is None else f"{recall:.1%}"
        lines.append(f"| {label} | " + " | ".join(map(str, row)) + f" | {share} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
