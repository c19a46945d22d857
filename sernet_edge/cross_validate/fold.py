"""One fold of a cross-validation: trains, converts and tests, and writes what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.frontend import Float32
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.epochs import epochs_table
from sernet_edge.train.evaluation import baseline
from sernet_edge.train.evaluation.protocols import Fold
from sernet_edge.train.hardware import backend_and_processor, processor
from sernet_edge.train.initial_weights import InitialWeights
from sernet_edge.train.options import Settings
from sernet_edge.train.tensorflow_setup import quietly


@dataclass(frozen=True)
class FoldJob:
    """One fold of one run; everything a worker process needs, and nothing that cannot travel.

    Attributes:
        settings: How to train.
        run: The run's folder.
        utterances: Of the whole corpus, without what was skipped.
        labels: In the order of the scores.
        fold: Which of the utterances are for what.
        log_csv: Whether to write a table of the epochs, too.
    """

    settings: Settings
    run: Path
    utterances: tuple[Utterance, ...]
    labels: tuple[str, ...]
    fold: Fold
    log_csv: bool

    @property
    def path(self) -> Path:
        """The file that the fold's predictions go to; what is there is finished."""
        # A speaker may be called A/B.
        return self.run / f"fold-{quote(self.fold.name, safe=' ')}.json"

    @property
    def epochs_path(self) -> Path:
        """The file that has an entry for each epoch done, while the fold is being trained."""
        return self.path.with_suffix(".epochs.json")


def run_fold(job: FoldJob) -> None:
    """Train, convert and test one fold; write its predictions.

    Raises:
        SernetError: A recording cannot be read, or training or conversion fails.
    """
    with quietly():
        from sernet_edge.convert import quantize
    import keras

    from sernet_edge.convert.calibrate import calibration_windows
    from sernet_edge.runtime.interpreter import Model
    from sernet_edge.train.fit import predict, start
    from sernet_edge.train.new_contract import new_contract
    from sernet_edge.train.recordings import read_recordings
    from sernet_edge.train.windows import mean_by_recording

    # A cluster's worker may have trained another fold before.
    keras.backend.clear_session()
    settings = job.settings
    contract = new_contract(job.labels, settings.level, settings.window_frames, settings.features)
    recordings = read_recordings(job.utterances, contract)
    training = [recordings[i] for i in job.fold.train]
    testing = [recordings[i] for i in job.fold.test]
    fit = start(
        contract,
        settings.recipe,
        training,
        settings.seed,
        job.path.with_suffix(".checkpoint.npz"),
        settings.architecture,
        InitialWeights.read(settings.init) if settings.init else None,
    )
    model, windows, contract = fit.model, fit.windows, fit.windows.contract
    truth = [contract.labels.index(r.utterance.label) for r in testing]
    cut = [windows.test_windows(recording) for recording in testing]
    # What each epoch's weights say of the test data: logged, never used in training.
    by_epoch = json.loads(job.epochs_path.read_text()) if job.epochs_path.exists() else []
    del by_epoch[len(fit.history) :]

    def log() -> None:
        by_epoch.append(predict(model, cut).argmax(axis=1).tolist())
        write_text(job.epochs_path, json.dumps(by_epoch))
        if job.log_csv:
            rows = [
                {**entry, "test_accuracy": float(np.mean(np.equal(guess, truth)))}
                for entry, guess in zip(fit.history, by_epoch, strict=True)
            ]
            write_text(job.path.with_suffix(".csv"), epochs_table(rows))

    if len(by_epoch) < len(fit.history):
        log()  # The run was stopped between the checkpoint and this.
    fit.run(lambda epoch, entry: log())
    fit.finish()

    samples, _ = calibration_windows(contract, training, 200, settings.seed)
    name = f"fold {job.fold.name}"
    made = {
        "float": ModelFile(name, quantize.convert_model(model, "float32", samples)),
        "int8": ModelFile(name, quantize.convert_model(model, "int8", samples)),
    }
    scores: dict[str, NDArray[Any]] = {}
    for precision, file in made.items():
        converted = Model(file.with_contract(contract))
        scores[precision] = np.stack([converted.run(window) for window in np.concatenate(cut)])
    _write(
        job,
        backend_and_processor(),
        {p: mean_by_recording(values, cut) for p, values in scores.items()},
        {
            # Of each window, for the temperature: logits but for a constant are their logs.
            "windows": [len(some) for some in cut],
            "float_window_scores": _rounded(scores["float"]),
            "size": _size(made["int8"]),
            "guess_by_epoch": by_epoch,
            "history": fit.history,
        },
    )
    for scratch in (job.epochs_path, fit.checkpoint):
        scratch.unlink(missing_ok=True)


def run_baseline(job: FoldJob, features: Float32) -> None:
    """Train and test the classical baseline on one fold; write its predictions.

    Args:
        job: Which; of its settings the seed alone matters.
        features: float32 (utterances, features) from `baseline.functionals`.
    """
    fold = job.fold
    scores, complexity = baseline.train_and_score(
        features, job.utterances, job.labels, fold.train, fold.test, job.settings.seed
    )
    computed = {"backend": baseline.versions(), "processor": processor()}
    _write(job, computed, {"float": scores}, {"complexity": complexity})


def _write(
    job: FoldJob,
    computed: Mapping[str, str],
    scores: Mapping[str, NDArray[Any]],
    more: Mapping[str, Any],
) -> None:
    """Write the fold's file.

    Args:
        job: The fold.
        computed: With what, and on what.
        scores: By precision, of each test utterance and label.
        more: What else to keep.
    """
    testing = [job.utterances[i] for i in job.fold.test]
    document = {
        "fold": job.fold.name,
        **computed,
        "files": [utterance.path.name for utterance in testing],
        "speakers": [utterance.speaker for utterance in testing],
        "truth": [job.labels.index(utterance.label) for utterance in testing],
        "labels": job.labels,
        **{f"{precision}_scores": _rounded(values) for precision, values in scores.items()},
        **more,
    }
    write_text(job.path, json.dumps(document) + "\n")


def _rounded(scores: NDArray[Any]) -> list[list[float]]:
    """Return scores as JSON numbers that keep what float32 knows, however small."""
    return [[float(f"{score:.7g}") for score in row] for row in scores]


def _size(file: ModelFile) -> dict[str, int]:
    """Return what an int8 model takes: `flash_bytes` of its file, and, where the native engine
    runs it, `ram_bytes` of that engine's arena and `macs`, for one window.
    """
    from sernet_edge.firmware_export.plan import plan_network
    from sernet_edge.firmware_export.reader import read_network

    size = {"flash_bytes": len(file.flatbuffer)}
    try:
        network = read_network(file)
    except ModelError:  # an op that only TensorFlow Lite Micro has
        return size
    ram_bytes = plan_network(network).arena_bytes
    return {**size, "ram_bytes": ram_bytes, "macs": network.macs}
