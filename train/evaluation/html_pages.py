"""Reports as HTML: one file with its pictures inside, which loads nothing else."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge.train.evaluation import calibration, pictures
from sernet_edge.train.evaluation.conditions import CONDITIONS
from sernet_edge.train.evaluation.saved_runs import (
    finished_folds,
    heard,
    last_guess,
    pooled_figures,
    precisions,
)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem;
       color: #1a1a1a; background: #fff }
h1 { font-size: 1.6rem } h2 { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left }
img { max-width: 100%; height: auto; display: block; margin: 1rem 0 }
.caveat { background: #fff3cd; border-left: 4px solid #d55e00; padding: .4rem .8rem }
.fine { color: #555; font-size: .9rem }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole HTML document."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


def _image(png: bytes, description: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<img alt="{escape(description)}" src="data:image/png;base64,{data}">'


def _paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _classes(figures: Mapping[str, Any]) -> str:
    """Return the table of each label's figures."""
    return _table(
        ("label", "precision", "recall", "F1", "support"),
        [
            (label, _share(f["precision"]), _share(f["recall"]), _share(f["f1"]), f["support"])
            for label, f in figures["classes"].items()
        ],
    )


def evaluation_page(evaluation: Mapping[str, Any]) -> str:
    """Return the page of one model on one corpus.

    Args:
        evaluation: The report that `sernet-edge evaluate --json` prints.
    """
    title = f"{Path(evaluation['model']).name} on {evaluation['corpus']}"
    labels = list(evaluation["classes"])
    parts = [
        _paragraph(
            f"{evaluation['utterances']} utterances: UAR {evaluation['uar']:.1%}, "
            f"WA {evaluation['wa']:.1%}, macro F1 {evaluation['macro_f1']:.1%}."
        )
    ]
    if seen := evaluation["trained_on_these_speakers"]:
        parts.append(
            _paragraph(
                f"Optimistic: the model was trained on the speakers {', '.join(seen)}.", "caveat"
            )
        )
    parts.append(_classes(evaluation))
    if "four" in evaluation and len(evaluation["four"]["corpora"]) > 1:
        parts += _corpora(evaluation["four"])
    matrix = np.array(evaluation["confusion"])
    parts.append(_image(pictures.confusion(matrix, labels, title), "confusion matrix"))
    error = f"expected calibration error {evaluation['calibration_error']:.1%}"
    parts.append(
        _image(pictures.reliability({error: evaluation["reliability"]}), "reliability diagram")
    )
    if sure := evaluation.get("sure"):
        right = "none" if sure["precision"] is None else f"{sure['precision']:.1%}"
        parts.append(
            _paragraph(
                f"{sure['share']:.1%} of the utterances have a top score of {sure['from_score']} "
                f"or more and count as sure; of these {right} are right."
            )
        )
    if conditions := evaluation.get("conditions"):
        parts += [
            "<h2>The same recordings under other conditions</h2>",
            _table(
                ("condition", "UAR", "points lost"),
                [
                    (CONDITIONS[name], _share(found["uar"]), f"{100 * found['uar_lost']:.1f}")
                    for name, found in conditions.items()
                ],
            ),
        ]
    if noise := evaluation.get("noise"):
        parts.append(
            _paragraph(
                f"In {60 * noise['hours']:.1f} min of noise a listener without a gate finds "
                f"{noise['events']} events, {noise['events_per_hour']:.1f} an hour; "
                f"{noise['sure']:.1%} of the windows have a sure emotion."
            )
        )
    parts += _left_out(evaluation)
    parts.append(_paragraph(f"Contract {evaluation['contract_id']}.", "fine"))
    return page(title, parts)


def _left_out(evaluation: Mapping[str, Any]) -> list[str]:
    """Return the paragraphs about recordings that were not tested."""
    parts = []
    if evaluation["left_out"]:
        counts = ", ".join(f"{n} of {label}" for label, n in evaluation["left_out"].items())
        parts.append(_paragraph(f"Left out: {counts}."))
    if evaluation["skipped"]:
        parts.append(_paragraph(f"{len(evaluation['skipped'])} recordings were skipped:"))
        parts += [_paragraph(problem, "fine") for problem in evaluation["skipped"]]
    return parts


def _corpora(four: Mapping[str, Any]) -> list[str]:
    """Return the result of `cross_corpus.by_corpus` as a table."""
    shares = ("uar", "wa", "arousal")
    rows = [
        (name, *map(_with_interval, [f] * len(shares), shares), heard(f).strip(" []"))
        for name, f in {**four["corpora"], "mean": four["mean"]}.items()
    ]
    said = "Anger, happiness, neutral and sadness in each corpus; any other answer is wrong:"
    return [_paragraph(said), _table(("corpus", "UAR", "WA", "arousal", ""), rows)]


def _with_interval(figures: Mapping[str, Any], name: str) -> str:
    """Return a figure of `cross_corpus.by_corpus` with its interval."""
    if figures[name] is None:
        return ""
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:.1%} ({low:.1%} to {high:.1%})"


def runs_page(runs: Sequence[Path]) -> tuple[str, dict[str, bytes]]:
    """Return the page of cross-validation runs, and its pictures by name.

    Args:
        runs: The runs' folders.

    Raises:
        SernetError: See `pooled_figures`.
    """
    reports = {run.resolve().name: pooled_figures(run) for run in runs}
    parts = [_overview(reports)]
    drawn: dict[str, bytes] = {}
    points = sorted(
        (
            point
            for name, run in zip(reports, runs, strict=True)
            if (point := size_point(name, run))
        ),
        key=lambda point: point["flash_bytes"],
    )
    if points:
        drawn["accuracy-against-size"] = pictures.accuracy_against_size(points)
        parts += [
            "<h2>Accuracy against size</h2>",
            _sizes(points),
            _image(drawn["accuracy-against-size"], "UAR against flash, RAM and MACs"),
        ]
    for name, run in zip(reports, runs, strict=True):
        figures = run_pictures(run, reports[name])
        drawn |= {f"{name}-{kind}": png for kind, png in figures.items()}
        parts += _run(name, reports[name], figures)
    return page("Cross-validation", parts), drawn


def _overview(reports: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, run in reports.items():
        for protocol, by_precision in run["protocols"].items():
            for precision, f in by_precision.items():
                low, high = f["uar_interval"]
                rows.append(
                    (
                        name,
                        protocol,
                        precision,
                        f"{f['uar']:.1%} ({low:.1%} to {high:.1%})",
                        _share(f["wa"]),
                        _share(f["macro_f1"]),
                        f["caveat"],
                    )
                )
    header = ("run", "protocol", "precision", "UAR (95 % interval)", "WA", "macro F1", "")
    return _table(header, rows)


def _sizes(points: Iterable[Mapping[str, Any]]) -> str:
    def thousands(value: float | None) -> str:
        return "" if value is None else f"{value:,.0f}"

    return _table(
        ("system", "strict UAR, int8", "flash, bytes", "RAM, bytes", "MACs per window"),
        [
            (
                point["name"],
                _share(point["uar"]),
                *(thousands(point.get(key)) for key in ("flash_bytes", "ram_bytes", "macs")),
            )
            for point in points
        ],
    )


def size_point(name: str, run: Path) -> dict[str, Any] | None:
    """Return a run's point on the curve of accuracy against size; None if it has none.

    Returns:
        `name`, strict int8 `uar` and `uar_interval`, and the `size` in its fold files.
    """
    folds = finished_folds(run)
    strict = pooled_figures(run)["protocols"].get("strict", {})
    if "int8" not in strict or "size" not in folds[0]:
        return None
    figures = {key: strict["int8"][key] for key in ("uar", "uar_interval")}
    return {"name": name, **figures, **folds[0]["size"]}


def _run(name: str, run: Mapping[str, Any], figures: Mapping[str, bytes]) -> list[str]:
    protocol, by_precision = next(iter(run["protocols"].items()))
    precision, shown = list(by_precision.items())[-1]
    parts = [
        f"<h2>{escape(name)}</h2>",
        _paragraph(
            f"{run['architecture']} on {run['corpus']}; {len(run['folds'])} folds: "
            f"{', '.join(run['folds'])}. Seed {run['seed']}, {run['made_with']}; computed with "
            f"{'; '.join(run['computed_on'])}."
        ),
        _paragraph(", ".join(f"{k} {v}" for k, v in run["recipe"].items()), "fine"),
    ]
    if run["skipped"]:
        parts.append(_paragraph(f"Recordings that were skipped: {len(run['skipped'])}.", "caveat"))
    if shown["caveat"]:
        parts.append(_paragraph(f"{protocol}, {shown['caveat']}.", "caveat"))
    parts += [_paragraph(f"Each label under {protocol}, {precision}:"), _classes(shown)]
    if "four" in shown:
        parts += _corpora(shown["four"])
    if "learning-curves" in figures and "test-epoch" in run["protocols"]:
        caveat = run["protocols"]["test-epoch"]["float"]["caveat"]
        figures_text = f"test-epoch, whose figures choose a point on each orange line, is {caveat}."
        parts.append(_paragraph(figures_text, "fine"))
    return parts + [_image(png, f"{name}: {kind}") for kind, png in figures.items()]


def run_pictures(run: Path, figures: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw the pictures of a run.

    Args:
        run: Its folder.
        figures: Its `pooled_figures`.

    Returns:
        Pictures by kind: "confusion", "speakers", "reliability" and "learning-curves", as far as
        the run's protocol and files allow.
    """
    folds = finished_folds(run)
    protocol, by_precision = next(iter(figures["protocols"].items()))
    precision, shown = list(by_precision.items())[-1]
    labels = list(shown["classes"])
    title = f"{run.resolve().name}\n{protocol}, {precision}: UAR {shown['uar']:.1%}"
    if shown["caveat"]:
        title += " (optimistic)"
    drawn = {"confusion": pictures.confusion(np.array(shown["confusion"]), labels, title)}
    if protocol == "strict":
        truth = np.concatenate([fold["truth"] for fold in folds])
        spoken_by = np.concatenate([fold["speakers"] for fold in folds])
        names = sorted(set(spoken_by.tolist()))
        right = {name: last_guess(folds, name) == truth for name in precisions(folds)}
        drawn["speakers"] = pictures.speakers(
            names,
            [int((spoken_by == name).sum()) for name in names],
            {
                kind: [float(hits[spoken_by == name].mean()) for name in names]
                for kind, hits in right.items()
            },
        )
        drawn["reliability"] = _reliability(run)
    if all(fold.get("history") and fold.get("guess_by_epoch") for fold in folds):
        drawn["learning-curves"] = pictures.learning_curves(
            [fold["history"] for fold in folds],
            [
                (np.asarray(fold["guess_by_epoch"]) == np.asarray(fold["truth"])).mean(axis=1)
                for fold in folds
            ],
        )
    return drawn


def _reliability(run: Path) -> bytes:
    data = calibration.read_out_of_fold(run)
    as_trained, others = data.scores(1.0), calibration.calibrated_by_others(data)
    panels = {}
    for text, scores in (("as trained", as_trained), ("temperature of other speakers", others)):
        error = calibration.expected_calibration_error(scores, data.truth)
        panels[f"{text}: calibration error {error:.1%}"] = calibration.reliability(
            scores, data.truth
        )
    return pictures.reliability(panels)
