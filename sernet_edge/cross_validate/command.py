"""`sernet-edge cross-validate`: train and test once a fold, and pool what the folds predict."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import numpy as np

from sernet_edge import __version__
from sernet_edge.cross_validate.fold import FoldJob, run_baseline, run_fold
from sernet_edge.cross_validate.pool import Cluster, Pool, Processes, why
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import replacing, write_text
from sernet_edge.train.corpora import CORPORA, labels_of
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation import baseline
from sernet_edge.train.evaluation.protocols import PROTOCOLS, check_labels, folds
from sernet_edge.train.evaluation.saved_runs import as_text, pooled_figures, read_json
from sernet_edge.train.evaluation.seen_speakers import seen_speakers
from sernet_edge.train.initial_weights import InitialWeights
from sernet_edge.train.new_contract import new_contract
from sernet_edge.train.options import (
    Settings,
    list_utterances,
    skip_bad_option,
    tell_doubts,
    tell_skipped,
    training_options,
)
from sernet_edge.train.recordings import read_recordings
from sernet_edge.train.same_audio import SameAudio


@click.command()
@training_options
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of the run; made anew."
)
@click.option(
    "--split",
    type=click.Choice(["speakers", "random"]),
    default="speakers",
    show_default=True,
    help="Leave one speaker out, or ten random folds as in the published figures.",
)
@click.option(
    "--folds", "only", metavar="NAMES", help="Only these folds, with commas.  [default: all]"
)
@click.option(
    "--baseline",
    "classical",
    is_flag=True,
    help="Instead of a network, openSMILE's ComParE functionals and a linear SVM; of the options "
    "of training the seed alone matters.",
)
@skip_bad_option
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Folds to train at a time on this computer.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Spread the folds over the Dask cluster of this scheduler, tcp://HOST:PORT, whose workers "
    "see the corpus and OUT under the same paths.",
)
@click.option(
    "--log-csv", is_flag=True, help="Keep each epoch's figures in OUT/fold-NAME.csv, too."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def cross_validate(
    settings: Settings,
    out: Path,
    split: str,
    only: str | None,
    classical: bool,
    skip_bad: bool,
    jobs: int,
    scheduler: str | None,
    log_csv: bool,
    as_json: bool,
) -> None:
    """Train and test a model once a fold.

    Writes each fold's predictions to OUT/fold-NAME.json as it finishes. The same command goes on
    with a run that was stopped; folds that are there are not trained again. Pooled over the
    folds there, it reports the figures of every protocol that the run can answer for.
    """
    if out.exists() and not out.is_dir():
        raise click.BadParameter(f"{out} is no folder", param_hint="--out")
    # The workers of a cluster have working folders of their own.
    settings = dataclasses.replace(
        settings,
        folder=settings.folder.resolve(),
        init=settings.init.resolve() if settings.init else None,
    )
    utterances = list_utterances(settings.corpus, settings.folder)
    labels = labels_of(CORPORA[settings.corpus], utterances)
    contract = new_contract(labels, settings.level, settings.window_frames)
    usable, audio, unusable = _compared(utterances, contract)
    tell_doubts(audio.remarks())
    bad = unusable if skip_bad else []
    if skip_bad:
        tell_skipped(bad)
        utterances = usable
        labels = labels_of(CORPORA[settings.corpus], utterances)
    splits = folds(
        PROTOCOLS["strict" if split == "speakers" else "published"], utterances, settings.seed
    )
    names = [fold.name for fold in splits]
    wanted = [fold.strip() for fold in only.split(",")] if only else names
    if unknown := [fold for fold in wanted if fold not in names]:
        raise click.BadParameter(
            f"no fold {', '.join(unknown)}, there are {', '.join(names)}", param_hint="--folds"
        )
    chosen = [fold for fold in splits if fold.name in wanted]
    for fold in chosen:
        train, test = ([utterances[i] for i in part] for part in (fold.train, fold.test))
        audio.check_split(train, test, f"fold {fold.name}")
    if classical:
        baseline.check(chosen, utterances)
    for remark in check_labels(chosen, utterances, labels):
        click.echo(remark, err=True)
    initial = _initial_for(settings, {utterances[i].speaker for f in chosen for i in f.test})
    description = {
        "corpus": settings.corpus,
        "split": split,
        "seed": settings.seed,
        "skipped": bad,
        "labels": list(labels),
        "recordings": _digest(utterances),
        "made_with": f"sernet-edge {__version__}",
        **(baseline.DESCRIPTION if classical else _network(settings, initial)),
    }
    out.mkdir(parents=True, exist_ok=True)
    _check_same_run(out / "run.json", description)
    todo = [
        job
        for fold in chosen
        if not (
            job := FoldJob(settings, out.resolve(), tuple(utterances), labels, fold, log_csv)
        ).path.exists()
    ]
    click.echo(f"{len(chosen) - len(todo)} of {len(chosen)} folds are there", err=True)
    if classical:
        cache = out / f"functionals-{description['recordings'][:16]}.npy"
        _run_baseline(todo, utterances, cache)
    elif todo:
        with closing(Cluster(scheduler) if scheduler else Processes(jobs)) as pool:
            _train(todo, pool)
    result = pooled_figures(out)
    write_text(out / "report.json", json.dumps(result, indent=1) + "\n")
    click.echo(json.dumps(result) if as_json else as_text(result))


def _compared(
    utterances: Sequence[Utterance], contract: Contract
) -> tuple[list[Utterance], SameAudio, list[str]]:
    """Read all recordings once, one at a time.

    Returns:
        The utterances that can be used, those that share their audio, and what is wrong with the
        others.
    """
    usable, audio, bad = list[Utterance](), SameAudio(), list[str]()
    for utterance in utterances:
        for recording in read_recordings([utterance], contract, bad):
            usable.append(recording.utterance)
            audio.add(recording)
    return usable, audio, bad


def _digest(utterances: Sequence[Utterance]) -> str:
    """Return what tells these recordings from others: a hash of their names, labels, speakers."""
    rows = [(utterance.path.name, utterance.label, utterance.speaker) for utterance in utterances]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _network(settings: Settings, initial: InitialWeights | None) -> dict[str, Any]:
    """Return what tells a network's run from others."""
    return {
        "architecture": settings.architecture,
        "features": settings.features,
        "initial": initial.provenance if initial else None,
        "recipe": dataclasses.asdict(settings.recipe),
        "level": settings.level,
        "window_frames": settings.window_frames,
    }


def _initial_for(settings: Settings, speakers: set[str]) -> InitialWeights | None:
    """Read what the run starts from; raise SernetError if that has heard one of `speakers`."""
    if settings.init is None:
        return None
    initial = InitialWeights.read(settings.init)
    if known := seen_speakers(initial.provenance, settings.corpus, speakers):
        raise SernetError(
            f"{settings.init} was trained on {', '.join(known)}, whom this run is to test",
            hint="start from a model of another corpus, or one that held these speakers out",
        )
    return initial


def _check_same_run(path: Path, description: dict[str, Any]) -> None:
    """Write the run's settings, or refuse a folder that holds a run of other settings.

    One of which no fold was begun, since it failed before, is begun anew.
    """
    if path.exists() and any(path.parent.glob("fold-*")):
        earlier = read_json(path)
        if differing := sorted(k for k in description if earlier.get(k) != description[k]):
            raise SernetError(
                f"{path.parent} holds a run that differs in its {', '.join(differing)}",
                hint="repeat its settings to go on with it, or name another folder",
            )
    else:
        write_text(path, json.dumps(description, indent=1) + "\n")


def _train(todo: Sequence[FoldJob], pool: Pool) -> None:
    """Run folds in a pool, telling how far they are.

    Raises:
        SernetError: A fold failed. Those under way then are finished, none is begun.
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
                _tell(f"{failed[-1]}; no other fold is begun")
                for waiting in pending:
                    waiting.cancel()
                continue
            finished = len(todo) - len(pending)
            left = (time.monotonic() - started) / finished * len(pending) / 60
            _tell(f"fold {name} done, {left:.0f} minutes left")
        pending = {future for future in pending if not future.cancelled()}
        if pending:
            pool.check()
        if sys.stderr.isatty():
            _tell_epochs([running[future] for future in pending])
    if failed:
        raise SernetError(
            "; ".join(failed),
            hint="the folds that are done stay; once that is mended, the same command goes on",
        )


def _tell(text: str) -> None:
    click.echo(("\r\x1b[K" if sys.stderr.isatty() else "") + text, err=True)


def _tell_epochs(jobs: Sequence[FoldJob]) -> None:
    """Rewrite the terminal's last line: which folds are in which epoch."""
    under_way = []
    for job in jobs:
        try:
            epochs = len(json.loads(job.epochs_path.read_text()))
        except (OSError, ValueError):  # not begun, or finished just now
            continue
        under_way.append(f"fold {job.fold.name}: epoch {epochs} of {job.settings.recipe.epochs}")
    click.echo("\r\x1b[K" + ", ".join(under_way), err=True, nl=False)


def _run_baseline(todo: Sequence[FoldJob], utterances: Sequence[Utterance], cache: Path) -> None:
    """Run folds of the classical baseline; features are kept in `cache` until all are done."""
    if not todo:
        return
    if not cache.exists():
        # openSMILE wants the audio alone: the contract says at which rate.
        contract = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40)
        recordings = read_recordings(utterances, contract)
        with click.progressbar(
            length=len(utterances),
            label="openSMILE",
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
        ) as bar:
            features = baseline.functionals(recordings, contract.sample_rate_hz, bar.update)
        with replacing(cache) as temporary:
            np.save(temporary, features)
    features = np.load(cache)
    for job in todo:
        run_baseline(job, features)
        _tell(f"fold {job.fold.name} done")
    cache.unlink()
