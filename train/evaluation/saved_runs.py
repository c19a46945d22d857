"""Pools the predictions of a cross-validation's folds into the figures of each protocol."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.evaluation import few_shot, metrics
from sernet_edge.train.evaluation.cross_corpus import by_corpus
from sernet_edge.train.evaluation.protocols import PROTOCOLS
from sernet_edge.train.recipe import recipe_from

_RESAMPLES = 2000

# Members of run.json that are not part of a configuration. The recipe's are compared one by one.
_NO_SETTING = ("seed", "made_with", "skipped", "labels", "recordings", "recipe")

# The protocols of each split: for the last epochs, and for the best epochs on the test data.
_PROTOCOLS_OF = {
    "speakers": ("strict", "test-epoch"),
    "corpora": ("cross-corpus", ""),
    "random": ("", "published"),
}

Ints = NDArray[np.int64]


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a run's file.

    Raises:
        SernetError: The file is missing, unreadable or damaged.
    """
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise SernetError(
            f"{path.parent} is not a cross-validation: it holds no {path.name}",
            "name a folder that `sernet-edge cross-validate` wrote",
        ) from error
    except OSError as error:
        raise SernetError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise SernetError(
            f"{path} is damaged: {error}", "delete the file; cross-validate writes it again"
        ) from error
    if not isinstance(document, dict):
        raise SernetError(f"{path} is not a file of a cross-validation")
    return document


def by_configuration(runs: Iterable[Path]) -> list[tuple[dict[str, Any], list[Path]]]:
    """Group runs of networks that differ in their seeds only.

    Args:
        runs: The runs' folders.

    Returns:
        For each configuration its settings, including the recipe's, and its runs.

    Raises:
        SernetError: See `read_json`.
    """
    groups: dict[str, tuple[dict[str, Any], list[Path]]] = {}
    for run in runs:
        settings = read_json(run / "run.json")
        own = {k: v for k, v in settings.items() if k not in _NO_SETTING and v is not None}
        recipe = recipe_from(settings["recipe"])
        chosen = dataclasses.asdict(recipe) if recipe else settings["recipe"]
        own |= {k: v for k, v in chosen.items() if v != ""}
        groups.setdefault(json.dumps(own, sort_keys=True), (own, []))[1].append(run)
    return list(groups.values())


def finished_folds(run: Path, only: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return the contents of a run's fold files, sorted by name.

    Args:
        run: The run's folder.
        only: Names of folds; empty for all.

    Raises:
        SernetError: A file is damaged, or there are no files.
    """
    paths = sorted(run.glob("fold-*.json"))
    folds = [read_json(path) for path in paths if not path.name.endswith(".epochs.json")]
    if only:
        folds = [fold for fold in folds if fold["fold"] in only]
    if not folds:
        raise SernetError(f"{run} holds no finished fold yet")
    return folds


def pooled_figures(run: Path, only: Collection[str] = ()) -> dict[str, Any]:
    """Return the figures of a run from its folds' files.

    Predictions are pooled over the folds: a speaker may have no recording of disgust, and then has
    no recall of it, but the corpus has one. Intervals are of 95 %, bootstrapped over speakers.

    Args:
        run: The run's folder.
        only: Folds to pool; empty for all.

    Returns:
        JSON-ready: the run's settings; its finished `folds`; `computed_on` in words; and for each
        of the run's protocols and each precision (float, int8) the result of `metrics.summary`,
        with `uar_interval`, `wa_interval` and `caveat`. "cross-corpus" also has `four`, the result
        of `cross_corpus.by_corpus`.

    Raises:
        SernetError: The folder holds no run, or no finished fold.
    """
    settings = read_json(run / "run.json")
    folds = finished_folds(run, only)
    truth = np.concatenate([fold["truth"] for fold in folds])
    speakers = np.concatenate([fold["speakers"] for fold in folds])
    labels = folds[0]["labels"]

    def figures(guess: Ints, protocol: str) -> dict[str, Any]:
        summary = metrics.summary(metrics.confusion_matrix(truth, guess, len(labels)), labels)
        return {
            **summary,
            **_intervals(truth, guess, speakers, len(labels)),
            "caveat": PROTOCOLS[protocol].caveat,
        }

    if any(fold["labels"] != labels for fold in folds):
        raise SernetError(
            f"{run} holds folds with different labels, so they belong to different runs",
            hint="keep the folds of one run",
        )
    final, best = _PROTOCOLS_OF[settings["split"]]
    protocols: dict[str, Any] = {}
    if final:
        protocols[final] = {
            precision: figures(last_guess(folds, precision), final)
            for precision in precisions(folds)
        }
    if final == "cross-corpus":
        corpora = np.concatenate([fold["corpora"] for fold in folds])
        for precision, found in protocols[final].items():
            scores = np.concatenate([fold[f"{precision}_scores"] for fold in folds])
            found["four"] = by_corpus(truth, scores, speakers, corpora, labels)
    if best and all(fold.get("guess_by_epoch") for fold in folds):
        best_on_test = np.concatenate([_best_epoch_guess(fold) for fold in folds])
        protocols[best] = {"float": figures(best_on_test, best)}
    return {
        **settings,
        "folds": [fold["fold"] for fold in folds],
        "computed_on": sorted({computed_on(fold) for fold in folds}),
        "protocols": protocols,
    }


def precisions(folds: Sequence[dict[str, Any]]) -> list[str]:
    """Return the precisions, "float" and "int8", that all `folds` have scores for."""
    return [name for name in ("float", "int8") if all(f"{name}_scores" in f for f in folds)]


def last_guess(folds: Sequence[dict[str, Any]], precision: str) -> Ints:
    """Return the final models' label of each utterance, int64 (utterances,)."""
    guess: Ints = np.concatenate([np.argmax(f[f"{precision}_scores"], axis=1) for f in folds])
    return guess


def computed_on(fold: dict[str, Any]) -> str:
    """Return the packages and the processor that computed a fold, in words."""
    return f"{fold['backend']}, {fold['processor']}"


def _best_epoch_guess(fold: dict[str, Any]) -> Ints:
    """Return the answers of the epoch that is most accurate on the test data itself."""
    guesses = np.asarray(fold["guess_by_epoch"])
    right: Ints = (guesses == np.asarray(fold["truth"])).sum(axis=1)
    best: Ints = guesses[int(right.argmax())]
    return best


def _intervals(
    truth: Ints, guess: Ints, speakers: NDArray[np.str_], classes: int
) -> dict[str, list[float]]:
    rng = np.random.default_rng(0)
    each = [
        metrics.confusion_matrix(truth[speakers == s], guess[speakers == s], classes)
        for s in np.unique(speakers)
    ]
    draws = rng.integers(len(each), size=(_RESAMPLES, len(each)))
    labels = [str(index) for index in range(classes)]
    samples = [metrics.summary(np.sum([each[i] for i in draw], axis=0), labels) for draw in draws]
    return {
        f"{name}_interval": np.percentile([s[name] for s in samples], [2.5, 97.5]).tolist()
        for name in ("uar", "wa")
    }


def as_text(report: dict[str, Any]) -> str:
    """Return the figures as a few lines for a terminal."""
    lines = [f"{len(report['folds'])} folds: {', '.join(report['folds'])}"]
    for protocol, precisions in report["protocols"].items():
        for precision, f in precisions.items():
            low, high = f["uar_interval"]
            lines.append(
                f"{protocol:<10} {precision:<5} UAR {f['uar']:.1%} ({low:.1%} to {high:.1%}), "
                f"WA {f['wa']:.1%}, macro F1 {f['macro_f1']:.1%}"
                + (f"  [{f['caveat']}]" if f["caveat"] else "")
            )
            if four := f.get("four"):
                lines += four_lines(four)
    if across := report.get("calibration"):
        lines += _sure_lines(across)
    if taught := report.get("teach"):
        lines += few_shot.lines(taught)
    return "\n".join(lines)


def _sure_lines(across: dict[str, Any]) -> list[str]:
    """Return the result of `calibration.across_corpora` as a few lines."""
    lines = [
        "chosen on the other corpora: calibration error "
        f"{across['ece_before']:.1%} -> {across['ece_after']:.1%}; right among sure:"
    ]
    for wanted, corpora in across["sure"].items():
        said = [
            f"{name} {found['right']:.1%} of {found['share']:.1%}"
            if found["right"] is not None
            else f"{name} never sure"
            for name, found in corpora.items()
        ]
        lines.append(f"  {wanted} wanted: {', '.join(said)}")
    return lines


def four_lines(four: dict[str, Any]) -> list[str]:
    """Return the result of `cross_corpus.by_corpus`, a line for each corpus.

    If it is known whether the model was trained on a corpus, the line says so.
    """

    def share(figures: dict[str, Any], name: str) -> str:
        if figures[name] is None:
            return "    -"
        low, high = figures[f"{name}_interval"]
        return f"{figures[name]:5.1%} ({low:.1%} to {high:.1%})"

    named = {**four["corpora"], "mean": four["mean"]}
    width = max(map(len, named))
    return ["anger, happiness, neutral, sadness; any other answer is wrong:"] + [
        f"  {name:{width}}  UAR {share(f, 'uar')}, WA {share(f, 'wa')}, arousal "
        f"{share(f, 'arousal')}{heard(f)}"
        for name, f in named.items()
    ]


def heard(figures: dict[str, Any]) -> str:
    """Return whether the model was trained on speakers of a corpus, in words, if that is known."""
    if "heard" not in figures:
        return ""
    count = figures["heard"]
    return f"  [trained on {count} of its speakers]" if count else "  [unheard]"
