"""`sernet-edge cross-validate`: train and test once a fold, and pool what the folds predict."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import click
from numpy.typing import NDArray

from sernet_edge import __version__
from sernet_edge.runtime.errors import ModelError, SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.train.backend import quietly
from sernet_edge.train.corpora import CORPORA, labels_of
from sernet_edge.train.options import Settings, training_options
from sernet_edge.train.protocols import PROTOCOLS, folds
from sernet_edge.train.report import as_text, read_json, report


@dataclasses.dataclass(frozen=True)
class Job:
    """One fold of one run; everything a worker process needs, and nothing that cannot travel."""

    settings: Settings
    run: Path
    fold: str
    protocol: str


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
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def cross_validate(
    settings: Settings, out: Path, split: str, only: str | None, jobs: int, as_json: bool
) -> None:
    """Train and test LIGHT-SERNET once a fold.

    Writes each fold's predictions to OUT/fold-NAME.json as it finishes. The same command goes on
    with a run that was stopped; folds that are there are not trained again. Pooled over the
    folds there, it reports the figures of every protocol that the run can answer for.
    """
    if out.exists() and not out.is_dir():
        raise click.BadParameter(f"{out} is no folder", param_hint="--out")
    protocol = "strict" if split == "speakers" else "published"
    utterances = CORPORA[settings.corpus].read(settings.folder)
    splits = folds(PROTOCOLS[protocol], utterances, settings.seed)
    names = [fold.name for fold in splits]
    wanted = [fold.strip() for fold in only.split(",")] if only else names
    if unknown := [fold for fold in wanted if fold not in names]:
        raise click.BadParameter(
            f"no fold {', '.join(unknown)}, there are {', '.join(names)}", param_hint="--folds"
        )
    description = {
        "corpus": settings.corpus,
        "split": split,
        "architecture": "light_sernet",
        "recipe": dataclasses.asdict(settings.recipe),
        "level": settings.level,
        "window_frames": settings.window_frames,
        "seed": settings.seed,
        "made_with": f"sernet-edge {__version__}",
    }
    out.mkdir(parents=True, exist_ok=True)
    _check_same_run(out / "run.json", description)
    todo = [
        Job(settings, out, fold, protocol) for fold in wanted if not _fold_file(out, fold).exists()
    ]
    click.echo(f"{len(wanted) - len(todo)} of {len(wanted)} folds are there", err=True)
    started = time.monotonic()
    # Each fold in a process of its own: TensorFlow gives no memory back.
    with ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        running = {pool.submit(run_fold, job): job.fold for job in todo}
        for done, future in enumerate(as_completed(running), 1):
            future.result()
            left = (time.monotonic() - started) / done * (len(todo) - done) / 60
            click.echo(f"fold {running[future]} done, {left:.0f} minutes left", err=True)
    result = report(out)
    write_text(out / "report.json", json.dumps(result, indent=1) + "\n")
    click.echo(json.dumps(result) if as_json else as_text(result))


def _fold_file(run: Path, fold: str) -> Path:
    return run / f"fold-{fold}.json"


def _check_same_run(path: Path, description: dict[str, Any]) -> None:
    """Write the run's settings, or refuse a folder that holds a run of other settings."""
    if path.exists():
        earlier = read_json(path)
        differing = sorted(k for k in description if earlier.get(k) != description[k])
        if differing:
            raise SernetError(
                f"{path.parent} holds a run with another {', '.join(differing)}",
                hint="repeat its settings to go on with it, or name another folder",
            )
    else:
        write_text(path, json.dumps(description, indent=1) + "\n")


def run_fold(job: Job) -> None:
    """Train, convert and test one fold; write its predictions."""
    with quietly():
        from sernet_edge.convert import quantize
    import numpy as np

    from sernet_edge.convert.calibrate import calibration_windows
    from sernet_edge.runtime import modelfile
    from sernet_edge.runtime.interpreter import Model
    from sernet_edge.train import dataset
    from sernet_edge.train.backend import backend_and_processor
    from sernet_edge.train.fit import predict, score_windows, start

    settings = job.settings
    corpus = CORPORA[settings.corpus]
    utterances = corpus.read(settings.folder)
    splits = folds(PROTOCOLS[job.protocol], utterances, settings.seed)
    fold = next(fold for fold in splits if fold.name == job.fold)
    labels = labels_of(corpus, utterances)
    contract = dataset.new_contract(labels, settings.level, settings.window_frames)
    recordings = dataset.read_recordings(utterances, contract)
    training = [recordings[i] for i in fold.train]
    testing = [recordings[i] for i in fold.test]
    checkpoint = job.run / f"fold-{job.fold}.checkpoint.npz"
    fit = start(contract, settings.recipe, training, settings.seed, checkpoint)
    model, windows, contract = fit.model, fit.windows, fit.windows.contract
    # What each epoch's weights say of the test data: logged, never used in training.
    epochs_log = job.run / f"fold-{job.fold}.epochs.json"
    by_epoch = json.loads(epochs_log.read_text()) if epochs_log.exists() else []
    del by_epoch[len(fit.history) :]

    def log() -> None:
        by_epoch.append(predict(model, windows, testing).argmax(axis=1).tolist())
        write_text(epochs_log, json.dumps(by_epoch))

    if len(by_epoch) < len(fit.history):
        log()  # The run was stopped between the checkpoint and this.
    fit.run(lambda epoch, entry: log())
    fit.finish()
    cut = [windows.test_windows(recording) for recording in testing]
    float_scores = score_windows(model, cut)
    samples, _ = calibration_windows(contract, training, 200, settings.seed)
    flatbuffer = quantize.convert_model(model, "int8", samples)
    int8 = Model(modelfile.with_contract(flatbuffer, contract), f"fold {job.fold}")
    int8_scores = np.stack([int8.run(window) for window in np.concatenate(cut)])
    write_text(
        _fold_file(job.run, job.fold),
        json.dumps(
            {
                "fold": job.fold,
                **backend_and_processor(),
                "files": [recording.utterance.path.name for recording in testing],
                "speakers": [recording.utterance.speaker for recording in testing],
                "truth": [contract.labels.index(r.utterance.label) for r in testing],
                "labels": contract.labels,
                "float_scores": _rounded(dataset.mean_by_recording(float_scores, cut)),
                "int8_scores": _rounded(dataset.mean_by_recording(int8_scores, cut)),
                # Of each window, for the temperature: logits but for a constant are their logs.
                "windows": [len(some) for some in cut],
                "float_window_scores": _rounded(float_scores),
                "size": _size(flatbuffer),
                "guess_by_epoch": by_epoch,
                "history": fit.history,
            }
        )
        + "\n",
    )
    for scratch in (epochs_log, fit.checkpoint):
        scratch.unlink(missing_ok=True)


def _rounded(scores: NDArray[Any]) -> list[list[float]]:
    """Return scores as JSON numbers that keep what float32 knows, however small."""
    return [[float(f"{score:.7g}") for score in row] for row in scores]


def _size(flatbuffer: bytes) -> dict[str, int]:
    """Return what an int8 model takes: `flash_bytes` of its file, and, where the native engine
    runs it, `ram_bytes` of that engine's arena and `macs`, its products, for one window.
    """
    from sernet_edge.firmware_export.measure import multiplications
    from sernet_edge.firmware_export.plan import plan_network
    from sernet_edge.firmware_export.reader import read_network

    size = {"flash_bytes": len(flatbuffer)}
    try:
        network = read_network(flatbuffer, "the fold's model")
    except ModelError:  # an op that only TensorFlow Lite Micro has
        return size
    ram_bytes = plan_network(network).arena_bytes
    return {**size, "ram_bytes": ram_bytes, "macs": multiplications(network)}
