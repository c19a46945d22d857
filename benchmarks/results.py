"""Writes docs/evidence/results.md from the saved predictions of cross-validation runs.

    python benchmarks/results.py benchmarks/runs --out docs/evidence/results.md

Every figure is computed from the predictions, except other authors' published figures, which name
their sources. Pictures go to a folder `pictures` beside the page.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from page_command import run_page_command
from runs_archive import all_runs

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_bytes, write_text
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.choice import names_in
from sernet_edge.train.evaluation import pictures
from sernet_edge.train.evaluation.html_pages import run_pictures, size_point
from sernet_edge.train.evaluation.protocols import PROTOCOLS
from sernet_edge.train.evaluation.saved_runs import (
    by_configuration,
    finished_folds,
    last_guess,
    pooled_figures,
    precisions,
)
from sernet_edge.train.models import ARCHITECTURES
from sernet_edge.train.recipe import Recipe

_RERUN = "a later re-run that calls its folds speakers; see below"

# system, UAR, WA, macro F1, source; on EMO-DB, 7 classes, all of them `published`.
ELSEWHERE = (
    ("LIGHT-SERNET, cross-entropy, 3 s", 94.15, 94.21, None, "Aftab et al. 2022"),
    ("LIGHT-SERNET, focal, 3 s", 92.88, 93.08, None, "Aftab et al. 2022"),
    ("LIGHT-SERNET, cross-entropy, 3 s", 94.04, 94.02, 93.98, _RERUN),
    ("LIGHT-SERNET, focal, 3 s", 93.71, 94.02, 93.84, _RERUN),
)

_ELSEWHERE_NOTE = """
## Test data of the published figures

LIGHT-SERNET's authors make folds from the speaker's number at the start of each file name. But
their code (github.com/AryaAftab/LIGHT-SERNET, commit 95022a0) changes these names first: after
cutting the recordings, `cleaning_directory_filename` in `utils/segment/utils.py` shuffles the names
among the recordings of each emotion. Few recordings keep a name of their own speaker, so each fold
has the size of one speaker but the voices of all ten. This is a random split. The authors also
chose the best epoch on the test data. A later re-run with this code calls its folds speakers, but
they are random, too.

Compare these rows with the protocol `published`. Our `test-epoch` rows test speakers who were left
out of training. The training differs, too: the authors train for 300 epochs on the features of
another front end ([training.md](../guides/training.md) lists the differences). The rows `published`
on this page name their recipe.
"""

SEARCH = ("03", "08", "09", "10", "11")
"""Speakers of EMO-DB that choices may use; see `levels.SPLITS`."""

UNTOUCHED = ("12", "13", "14", "15", "16")
"""The other speakers: no choice may use them."""

_SPEAKERS = len(CORPORA["emodb"].speakers)

# Settings that an architecture sets itself, and `precision`, which changes only the training time.
_ARCHITECTURES_OWN = {"center_loss", "reconstruction", "precision"}

_HEAD = """\
# Results on EMO-DB

<!-- Made by python benchmarks/results.py benchmarks/runs; do not edit. -->

The figures cover seven emotions and whole utterances, with predictions pooled over all folds. Under
`strict`, the model that tests a speaker was trained on the other nine for a fixed number of epochs.
Expect this figure for a new speaker.

All choices used only the speakers 03, 08, 09, 10 and 11, and never the speakers 12 to 16. To
compare a network with the baseline, use the rows of 12 to 16. (The temperature and threshold of the
shipped model `emodb` were fitted on all ten speakers, but they change no label.)

Each row is one seed. Another seed changes a figure by several points; the intervals (95 %,
bootstrapped over speakers) do not include this. Optimistic figures are here only for comparison,
and say why they are optimistic. Float and int8 are the same weights before and after conversion.

| system | protocol | precision | UAR (interval) | WA | macro F1 | | source |
|---|---|---|---|---|---|---|---|
"""


@click.command()
@click.argument("runs", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(runs: Path, out: Path) -> None:
    """Write a table of the runs in RUNS and in its archive that test more than the search."""
    with all_runs(runs) as folder:
        write_page(folder, out)


def write_page(runs: Path, out: Path) -> None:
    """Write the page of the runs in a folder, and its pictures beside it.

    Raises:
        SernetError: No run tests more speakers than the search does, or a run is damaged.
    """
    folders = {path.parent.name: path.parent for path in sorted(runs.glob("*/run.json"))}
    reports = {name: pooled_figures(folder) for name, folder in folders.items()}
    reports = {name: run for name, run in reports.items() if not set(run["folds"]) <= set(SEARCH)}
    if not reports:
        raise SernetError("there is no run that tests more speakers than the search does")
    rows = [row for name, run in reports.items() for row in _rows(name, run)]
    untouched = {
        name: pooled_figures(folders[name], UNTOUCHED)["protocols"]["strict"]
        for name, run in reports.items()
        if run["split"] == "speakers" and set(UNTOUCHED) <= set(run["folds"])
    }
    for name, strict in untouched.items():
        whole = {**reports[name], "protocols": {"strict": strict}}
        rows += _rows(name, whole, ", speakers 12 to 16")
    rows += [
        f"| {system} | published | float | {uar:.2f} | {wa:.2f} | {f'{f1:.2f}' if f1 else ''} "
        f"| {PROTOCOLS['published'].caveat} | {source} |"
        for system, uar, wa, f1, source in ELSEWHERE
    ]
    drawn = {}
    everybody = [
        folders[name]
        for name, run in reports.items()
        if name in untouched and "level" in run and not _is_part(run)
    ]
    sections = _seeds(everybody, reports, untouched)
    compared = [name for name, run in reports.items() if _is_of_the_curve(run)]
    points = [point for name in compared if (point := size_point(name, folders[name])) is not None]
    if points:
        drawn["accuracy-against-size"] = pictures.accuracy_against_size(points)
        sections += _curve(points)
    sections += _cost_of_int8(
        {name: folders[name] for name, run in reports.items() if "strict" in run["protocols"]}
    )
    for name, run in reports.items():
        # The page has the confusion matrix as a table.
        own = run_pictures(folders[name], run)
        del own["confusion"]
        drawn |= {f"{name}-{kind}": png for kind, png in own.items()}
        sections += [*_section(name, run), *(_picture(f"{name}-{kind}") for kind in own)]
    (out.parent / "pictures").mkdir(exist_ok=True)
    for name, png in drawn.items():
        write_bytes(out.parent / "pictures" / f"{name}.png", png)
    write_text(out, _HEAD + "\n".join([*rows, _ELSEWHERE_NOTE.rstrip("\n"), *sections]) + "\n")


def _system(run: Mapping[str, Any]) -> str:
    """Return the trained system and its seed, in words."""
    return f"{_trained(run)}, seed {run['seed']}"


def _trained(run: Mapping[str, Any]) -> str:
    """Return the trained system in words: its architecture and main settings."""
    recipe = run["recipe"]
    parts = [run["architecture"], recipe.get("loss")]
    parts += [f"{recipe['epochs']} epochs"] if "epochs" in recipe else []
    parts += ["tested on middles alone"] if recipe.get("test_segments") == "middle" else []
    if (seconds := _unusual_window_s(run)) is not None:
        parts += [f"windows of {seconds:.1f} s"]
    if recipe.get("segments") == "random" and not recipe["mixup"]:
        parts += ["without mixup"]
    parts += [recipe["precision"]] if recipe.get("precision", "float32") != "float32" else []
    parts += ["with none"] if recipe.get("none_share") else []
    parts += ["in noise"] if recipe.get("noise_share") else []
    initial = run.get("initial")
    parts += [f"after {' and '.join(names_in(initial['corpus']))}"] if initial else []
    parts += [f"{len(run['folds'])} of {_SPEAKERS} speakers"] if _is_part(run) else []
    return ", ".join(filter(None, parts))


def _unusual_window_s(run: Mapping[str, Any]) -> float | None:
    """Return the length of a run's windows; None if it is the architecture's own."""
    architecture = ARCHITECTURES.get(run.get("architecture", ""))
    frames = run.get("window_frames")
    if architecture is None or frames in (None, architecture.window_frames):
        return None
    contract = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40, window_frames=frames)
    return contract.window_s


def _is_part(run: Mapping[str, Any]) -> bool:
    """Whether the run left out some speakers that a complete run would test."""
    return run["split"] == "speakers" and len(run["folds"]) < _SPEAKERS


def _is_of_the_curve(run: Mapping[str, Any]) -> bool:
    """Whether a complete run differs from others in its architecture, and not in its recipe."""
    if "level" not in run or _is_part(run):  # the classical baseline has no recipe
        return False
    # A setting that is newer than the run was off then.
    own = dataclasses.asdict(Recipe(**run["recipe"]))
    changed = {k for k, v in dataclasses.asdict(Recipe()).items() if own[k] != v}
    return changed <= _ARCHITECTURES_OWN


def _rows(name: str, run: Mapping[str, Any], whose: str = "") -> list[str]:
    return [
        f"| {_system(run)} | {protocol}{whose} | {precision} | {figures['uar'] * 100:.2f} "
        f"({figures['uar_interval'][0] * 100:.1f} to {figures['uar_interval'][1] * 100:.1f}) | "
        f"{figures['wa'] * 100:.2f} | {figures['macro_f1'] * 100:.2f} | {figures['caveat']} "
        f"| runs/{name} |"
        for protocol, precisions in run["protocols"].items()
        for precision, figures in precisions.items()
    ]


def _seeds(
    everybody: Sequence[Path],
    reports: Mapping[str, Mapping[str, Any]],
    untouched: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Return the section about systems that were trained on all speakers with several seeds.

    Args:
        everybody: Folders of the networks' runs that test all speakers.
        reports: Reports of all runs, by name.
        untouched: Their strict figures on the speakers 12 to 16, by name.
    """
    rows = []
    for _, runs in by_configuration(everybody):
        if len(runs) < 2:
            continue
        names = [run.name for run in runs]
        whole = [reports[name]["protocols"]["strict"]["int8"] for name in names]
        cells = (
            [figures["uar"] for figures in whole],
            [untouched[name]["int8"]["uar"] for name in names],
            [figures["wa"] for figures in whole],
        )
        rows.append(
            f"| {_trained(reports[names[0]])} | {len(names)} | "
            + " | ".join(
                f"{100 * np.mean(cell):.2f} ({100 * min(cell):.1f} to {100 * max(cell):.1f})"
                for cell in cells
            )
            + " |"
        )
    if not rows:
        return []
    return [
        "",
        "## From seed to seed",
        "",
        "Runs that differ only in their seed: strict, int8, mean and range.",
        "",
        "| system | seeds | UAR | UAR, speakers 12 to 16 | WA |",
        "|---|---|---|---|---|",
        *rows,
    ]


def _curve(points: list[dict[str, Any]]) -> list[str]:
    """Return the section about accuracy and size."""

    def thousands(value: int | None) -> str:
        return "" if value is None else f"{value:,}"

    return [
        "",
        "## Accuracy against size",
        "",
        "Strict, int8, the default recipe. Flash is the `.tflite` without its contract, RAM the "
        "network's in the native engine. MACs are per window.",
        "",
        "| run | UAR | flash, bytes | RAM, bytes | MACs |",
        "|---|---|---|---|---|",
        *(
            f"| {point['name']} | {point['uar'] * 100:.2f} | "
            + " | ".join(thousands(point.get(key)) for key in ("flash_bytes", "ram_bytes", "macs"))
            + " |"
            for point in sorted(points, key=lambda point: point["flash_bytes"])
        ),
        _picture("accuracy-against-size"),
    ]


def _cost_of_int8(folders: Mapping[str, Path]) -> list[str]:
    """Return the section about the effect of conversion, utterance by utterance."""
    counts = {}
    for name, folder in folders.items():
        folds = finished_folds(folder)
        if "int8" in precisions(folds):
            counts[name] = _changes(folds)
    if not counts:
        return []
    counts["all"] = np.sum(list(counts.values()), axis=0)
    return [
        "",
        "## Cost of int8",
        "",
        "The strict runs before and after conversion of the same weights: how many utterances get "
        "another label, and how many were right only before (lost) or only after it (won).",
        "",
        "| run | utterances | other label | lost | won | WA, points |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {total} | {changed} | {lost} | {won} | {100 * (won - lost) / total:+.2f} |"
            for name, (total, changed, lost, won) in counts.items()
        ),
    ]


def _changes(folds: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    """Count the utterances of `folds`, and those with a changed, a lost and a won label."""
    truth = np.concatenate([fold["truth"] for fold in folds])
    before, after = last_guess(folds, "float"), last_guess(folds, "int8")
    lost, won = (before == truth) & (after != truth), (before != truth) & (after == truth)
    return np.array([len(truth), (before != after).sum(), lost.sum(), won.sum()])


def _picture(name: str) -> str:
    return f"\n![{name}](pictures/{name}.png)"


def _section(name: str, run: Mapping[str, Any]) -> list[str]:
    """Return a section with the confusion matrix of the run's first protocol, int8 if possible."""
    protocol, precisions = next(iter(run["protocols"].items()))
    precision = "int8" if "int8" in precisions else "float"
    figures = precisions[precision]
    labels = list(figures["classes"])
    caveat = f" ({figures['caveat']})" if figures["caveat"] else ""
    lines = [
        "",
        f"## {name}",
        "",
        f"{len(run['folds'])} folds ({', '.join(run['folds'])}), {figures['utterances']} "
        f"utterances, {protocol}{caveat}, {precision}. Seed {run['seed']}; {run['made_with']}; "
        f"computed with {'; '.join(run['computed_on'])}.",
        "",
        "| spoken \\ recognised | " + " | ".join(labels) + " | recall |",
        "|---|" + "---|" * (len(labels) + 1),
    ]
    for label, row in zip(labels, figures["confusion"], strict=True):
        recall = figures["classes"][label]["recall"]
        share = "" if recall is None else f"{recall:.1%}"
        lines.append(f"| {label} | " + " | ".join(map(str, row)) + f" | {share} |")
    return lines


if __name__ == "__main__":
    run_page_command(main)
