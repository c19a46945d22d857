"""Trains and tests a model once a fold, and pools the predictions of the folds."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge import __version__
from sernet_edge.cross_validate.fold import FoldJob, run_baseline, run_fold
from sernet_edge.cross_validate.pool import Cluster, Pool, Processes, why
from sernet_edge.cross_validate.teaching import taught_figures
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError, SettingError
from sernet_edge.runtime.files import make_folder, replacing, write_text
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation import baseline
from sernet_edge.train.evaluation.calibration import across_corpora
from sernet_edge.train.evaluation.protocols import Fold, Split, check_labels, folds
from sernet_edge.train.evaluation.saved_runs import pooled_figures, read_json
from sernet_edge.train.evaluation.seen_speakers import seen_speakers
from sernet_edge.train.initial_weights import InitialWeights
from sernet_edge.train.noise import Noise
from sernet_edge.train.progress import QUIET, Progress
from sernet_edge.train.recipe import recipe_from
from sernet_edge.train.recordings import check_corpus, read_recordings, tell_skipped
from sernet_edge.train.settings import ModelSettings


@dataclass(frozen=True)
class CrossValidationSettings:
    """The settings of one cross-validation.

    Attributes:
        model: What decides the weights; the baseline uses its corpus and seed alone.
        out: Folder of the run. A run in it with the same settings is continued.
        split: "speakers" leaves one speaker out, "corpora" one corpus; "random" makes ten random
            folds.
        test_corpus: With the split "speakers", the only corpus whose speakers are tested; the
            others are in the training of every fold. None: the speakers of all corpora are.
        folds: Names of the folds to train; None: all.
        baseline: Whether to train openSMILE's functionals and a linear SVM instead of a network.
        skip_bad: Whether to leave out recordings that cannot be read.
        jobs: Folds to train at a time on this computer.
        scheduler: Address of the Dask scheduler whose cluster trains the folds; None: this
            computer.
        log_csv: Whether to write a table of each fold's epochs.
        keep_models: Whether to write each fold's int8 model, OUT/fold-NAME.tflite.
        teach: How many clips of each emotion every test speaker teaches its fold's model with; the
            models are kept then. None: nothing is taught.
    """

    model: ModelSettings
    out: Path
    split: Split = "speakers"
    test_corpus: str | None = None
    folds: tuple[str, ...] | None = None
    baseline: bool = False
    skip_bad: bool = False
    jobs: int = 1
    scheduler: str | None = None
    log_csv: bool = False
    keep_models: bool = False
    teach: int | None = None


def cross_validate(settings: CrossValidationSettings, progress: Progress = QUIET) -> dict[str, Any]:
    """Train and test a model once a fold; continue a run that was stopped.

    Args:
        settings: What to train and where to write it.
        progress: Receives remarks and the folds.

    Returns:
        The figures of the folds that are there; see `saved_runs.pooled_figures`. Where each fold
        leaves a corpus out, `calibration`, see `calibration.across_corpora`. OUT/report.json holds
        the same, OUT/fold-NAME.json the predictions of a fold.

    Raises:
        SettingError: `settings.out` is not a folder, or a fold does not exist.
        SernetError: The corpus cannot be read or split, the folder's run is another, a fold failed.
    """
    _check(settings)
    model = _with_whole_paths(settings.model)
    utterances = model.corpora.utterances(progress)
    model.corpora.check_teaches(utterances)
    labels = model.corpora.labels(utterances)
    usable, bad, same_audio = check_corpus(utterances, model.new_contract(labels), progress)
    if settings.skip_bad:
        tell_skipped(bad, progress)
        utterances, labels = usable, model.corpora.labels(usable)
    chosen = _chosen_folds(settings, utterances)
    for remark in check_labels(chosen, utterances, labels):
        progress.say(remark)
    for fold in chosen:
        train, test = ([utterances[i] for i in part] for part in (fold.train, fold.test))
        same_audio.check_split(train, test, f"fold {fold.name}")
    if settings.baseline:
        baseline.check(chosen, utterances)
    else:
        labels = model.new_contract(labels).labels  # with "none", where the recipe teaches it
    tested = {utterances[i].speaker for fold in chosen for i in fold.test}
    initial_weights = _initial_weights(model, tested)
    description = {
        "corpus": model.corpora.name,
        "map": dict(model.corpora.mapping) or None,
        "split": settings.split,
        "test_corpus": settings.test_corpus,
        "seed": model.seed,
        "skipped": bad if settings.skip_bad else [],
        "labels": list(labels),
        "recordings": _digest(utterances),
        "made_with": f"sernet-edge {__version__}",
        **_system(settings, model, initial_weights, progress),
    }
    _begin_or_continue(settings.out, description)
    jobs = _jobs(settings, model, initial_weights, tuple(utterances), labels, chosen)
    todo = [job for job in jobs if not job.path.exists()]
    progress.say(f"{len(jobs) - len(todo)} of {len(jobs)} folds are finished")
    if todo and settings.baseline:
        _run_baseline(todo, progress)
    elif todo:
        scheduler = settings.scheduler
        with closing(Cluster(scheduler) if scheduler else Processes(settings.jobs)) as pool:
            _train(todo, pool, progress)
    return _report(settings, jobs, progress)


def _report(
    settings: CrossValidationSettings, jobs: Sequence[FoldJob], progress: Progress
) -> dict[str, Any]:
    """Pool the folds that are finished, write OUT/report.json, and return what it holds."""
    figures = pooled_figures(settings.out)
    if settings.split == "corpora" and len(figures["folds"]) > 1:
        figures["calibration"] = across_corpora(settings.out)
    if settings.teach is not None:
        figures["teach"] = taught_figures(jobs, settings.teach, progress)
    write_text(settings.out / "report.json", json.dumps(figures, indent=1) + "\n")
    return figures


def _with_whole_paths(model: ModelSettings) -> ModelSettings:
    """Return settings whose paths are absolute: a cluster's workers have their own folders."""
    return dataclasses.replace(
        model,
        corpora=model.corpora.resolved(),
        init=model.init.resolve() if model.init else None,
        noise=model.noise.resolve() if model.noise else None,
    )


def _check(settings: CrossValidationSettings) -> None:
    """Refuse settings that contradict each other, before anything is read."""
    if settings.out.exists() and not settings.out.is_dir():
        raise SettingError("out", f"{settings.out} is not a folder")
    _check_test_corpus(settings)
    _check_teach(settings)


def _check_test_corpus(settings: CrossValidationSettings) -> None:
    """Refuse a test corpus that is not one of several, or has no part in the split."""
    names = [folder.name for folder in settings.model.corpora.folders]
    if settings.test_corpus is None:
        return
    if settings.split != "speakers":
        raise SettingError("test-corpus", f"the split {settings.split} tests all corpora")
    if settings.test_corpus not in names or len(names) < 2:
        raise SettingError(
            "test-corpus",
            f"{settings.test_corpus} is not one of several corpora; given are {', '.join(names)}",
        )


def _check_teach(settings: CrossValidationSettings) -> None:
    """Refuse to teach what cannot be taught, or speakers that the model has heard."""
    if settings.teach is None:
        return
    if settings.baseline:
        raise SettingError("teach", "the baseline has no last layer to teach")
    if settings.split == "random":
        raise SettingError("teach", "the split random trains on the speakers that it tests")
    if settings.model.level == "clip":
        raise SettingError(
            "teach",
            "a model that normalises by a whole recording cannot be taught",
            "choose another --level",
        )


def _chosen_folds(settings: CrossValidationSettings, utterances: Sequence[Utterance]) -> list[Fold]:
    """Return the folds to train.

    Raises:
        SettingError: A fold does not exist.
        SernetError: See `folds`.
    """
    splits = folds(settings.split, utterances, settings.model.seed, settings.test_corpus)
    if settings.folds is None:
        return splits
    names = [fold.name for fold in splits]
    if unknown := [name for name in settings.folds if name not in names]:
        raise SettingError("folds", f"no fold {', '.join(unknown)}, there are {', '.join(names)}")
    return [fold for fold in splits if fold.name in settings.folds]


def _digest(utterances: Sequence[Utterance]) -> str:
    """Return a hash of the names, labels and speakers of recordings."""
    rows = [(utterance.path.name, utterance.label, utterance.speaker) for utterance in utterances]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _system(
    settings: CrossValidationSettings,
    model: ModelSettings,
    initial_weights: InitialWeights | None,
    progress: Progress,
) -> dict[str, Any]:
    """Return what is trained, for run.json: the baseline, or a network and how."""
    if settings.baseline:
        return baseline.DESCRIPTION
    trained = {
        "architecture": model.architecture,
        "features": model.features,
        "initial": initial_weights.provenance if initial_weights else None,
        "recipe": dataclasses.asdict(model.recipe),
        "level": model.level,
        "window_frames": model.window_frames,
    }
    if model.noise:
        rate_hz = model.new_contract(("a", "b")).sample_rate_hz
        noise = Noise.read(model.noise, rate_hz, settings.skip_bad, progress)
        trained["noise"] = noise.provenance
    return trained


def _jobs(
    settings: CrossValidationSettings,
    model: ModelSettings,
    initial_weights: InitialWeights | None,
    utterances: tuple[Utterance, ...],
    labels: tuple[str, ...],
    chosen: Sequence[Fold],
) -> list[FoldJob]:
    """Return a job for each fold, whose model has the labels of its training recordings."""
    jobs = []
    for fold in chosen:
        trained = {utterances[i].label for i in fold.train}
        jobs.append(
            FoldJob(
                model,
                model.new_contract(tuple(label for label in labels if label in trained)),
                initial_weights,
                settings.out.resolve(),
                utterances,
                labels,
                fold,
                settings.log_csv,
                settings.keep_models or settings.teach is not None,
            )
        )
    return jobs


def _initial_weights(model: ModelSettings, speakers: set[str]) -> InitialWeights | None:
    """Read the model that the weights start from.

    Raises:
        SernetError: It was trained on one of the `speakers` to test.
    """
    if model.init is None:
        return None
    initial_weights = InitialWeights.read(model.init)
    if known := seen_speakers(initial_weights.provenance, model.corpora.name, speakers):
        raise SernetError(
            f"{model.init} was trained on test speakers of this run: {', '.join(known)}",
            hint="start from a model of another corpus, or one that held these speakers out",
        )
    return initial_weights


def _begin_or_continue(out: Path, description: dict[str, Any]) -> None:
    """Write the run's settings, or refuse a folder that holds a run with other settings.

    A run that failed before its first fold began is replaced.
    """
    make_folder(out)
    path = out / "run.json"
    if path.exists() and any(out.glob("fold-*")):
        earlier = read_json(path)
        if differing := sorted(k for k in description if _differs(k, earlier, description)):
            raise SernetError(
                f"{out} holds a run that differs in its {', '.join(differing)}",
                hint="repeat its settings to continue it, or name another folder",
            )
    else:
        write_text(path, json.dumps(description, indent=1) + "\n")


def _differs(name: str, earlier: dict[str, Any], description: dict[str, Any]) -> bool:
    ours, theirs = description[name], earlier.get(name)
    if name == "recipe":
        return recipe_from(ours) != recipe_from(theirs)
    return bool(ours != theirs)


def _train(todo: Sequence[FoldJob], pool: Pool, progress: Progress) -> None:
    """Run folds in a pool.

    Raises:
        SernetError: A fold failed. Folds under way are finished, no other one begins.
    """
    started, failed = time.monotonic(), list[str]()
    running = {pool.submit(run_fold, job): job for job in todo}
    pending = set(running)
    while pending:
        done, pending = wait(pending, timeout=2, return_when=FIRST_COMPLETED)
        for future in done:
            if future.cancelled():
                continue
            name = running[future].fold.name
            if error := future.exception():
                if (reason := why(error)) is None:
                    raise error
                failed.append(f"fold {name}: {reason}")
                progress.say(f"{failed[-1]}; no other fold will begin")
                for waiting in pending:
                    waiting.cancel()
                continue
            finished = len(todo) - len(pending)
            left = (time.monotonic() - started) / finished * len(pending) / 60
            progress.say(f"fold {name} done, {left:.0f} minutes left")
        pending = {future for future in pending if not future.cancelled()}
        if pending:
            pool.check()
        _show_epochs([running[future] for future in pending], progress)
    if failed:
        raise SernetError(
            "; ".join(failed),
            hint="finished folds stay; remove the cause and repeat the command to continue the run",
        )


def _show_epochs(jobs: Sequence[FoldJob], progress: Progress) -> None:
    """Show which folds are in which epoch."""
    under_way = []
    for job in jobs:
        try:
            epochs = len(json.loads(job.epochs_path.read_text()))
        except (OSError, ValueError):  # not begun, or finished just now
            continue
        under_way.append(f"fold {job.fold.name}: epoch {epochs} of {job.settings.recipe.epochs}")
    progress.show(", ".join(under_way))


def _run_baseline(todo: Sequence[FoldJob], progress: Progress) -> None:
    """Run folds of the classical baseline; a file keeps the features until all are done."""
    utterances = todo[0].utterances
    cache = todo[0].run / f"functionals-{_digest(utterances)[:16]}.npy"
    if not cache.exists():
        # openSMILE needs the audio alone, at the rate of any contract.
        contract = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40)
        recordings = read_recordings(utterances, contract)
        features = baseline.functionals(recordings, contract.sample_rate_hz, progress)
        with replacing(cache) as temporary:
            np.save(temporary, features)
    features = np.load(cache)
    for job in todo:
        run_baseline(job, features)
        progress.say(f"fold {job.fold.name} done")
    cache.unlink()
