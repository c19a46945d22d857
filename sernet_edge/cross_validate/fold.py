"""One fold of a cross-validation: trains, converts and tests a model, and writes its scores."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from sernet_edge.convert.precision import Precision
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.files import write_bytes, write_text
from sernet_edge.runtime.frontend import Float32
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora.choice import JOINT
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.epochs import epochs_table
from sernet_edge.train.evaluation import baseline
from sernet_edge.train.evaluation.protocols import Fold
from sernet_edge.train.hardware import backend_and_processor, processor
from sernet_edge.train.initial_weights import InitialWeights
from sernet_edge.train.noise import Noise
from sernet_edge.train.recordings import Recording, read_recordings
from sernet_edge.train.settings import ModelSettings
from sernet_edge.train.tensorflow_setup import quietly
from sernet_edge.train.windows import mean_by_recording

if TYPE_CHECKING:
    from sernet_edge.train.fit import Fit


@dataclass(frozen=True)
class FoldJob:
    """One fold of one run: everything that a worker process needs, all of it picklable.

    Attributes:
        settings: What decides the weights.
        contract: Of the fold's model to be. Its labels are those that the training recordings have,
            and "none" where the recipe teaches it.
        initial_weights: What the training starts from; None: random weights.
        run: The run's folder.
        utterances: Of the whole corpus, without those that were skipped.
        labels: Of the run, in the order of the scores. Those that the model lacks always score 0.
        fold: Which utterances to train on and which to test on.
        log_csv: Whether to write a table of the epochs.
        keep_model: Whether to write the int8 model.
    """

    settings: ModelSettings
    contract: Contract
    initial_weights: InitialWeights | None
    run: Path
    utterances: tuple[Utterance, ...]
    labels: tuple[str, ...]
    fold: Fold
    log_csv: bool
    keep_model: bool = False

    @property
    def path(self) -> Path:
        """The file of the fold's predictions; a fold whose file exists is finished."""
        # A speaker may be called A/B, or by a folder whose name is not UTF-8.
        return self.run / f"fold-{quote(os.fsencode(self.fold.name), safe=' ')}.json"

    @property
    def model_path(self) -> Path:
        """The file of the fold's int8 model."""
        return self.path.with_suffix(".tflite")

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
        from sernet_edge.convert import quantize  # noqa: F401 - first, see there
    import keras

    from sernet_edge.train.fit import start

    # A cluster's worker may have trained another fold before.
    keras.backend.clear_session()
    settings = job.settings
    rate_hz = job.contract.sample_rate_hz
    recordings = read_recordings(job.utterances, job.contract)
    # Files that cannot be read are named before the first fold.
    noise = Noise.read(settings.noise, rate_hz, True) if settings.noise else None
    training = [recordings[i] for i in job.fold.train]
    testing = [recordings[i] for i in job.fold.test]
    fit = start(
        job.contract,
        settings.recipe,
        training,
        settings.seed,
        job.path.with_suffix(".checkpoint.npz"),
        settings.architecture,
        job.initial_weights,
        noise,
    )
    cut = [fit.windows.test_windows(recording) for recording in testing]
    guess_by_epoch = _train(job, fit, cut)
    converted = _converted(job, fit, training)
    if job.keep_model:
        write_bytes(job.model_path, _with_provenance(converted["int8"], job, noise).data)
    scores = {precision: _window_scores(file, cut) for precision, file in converted.items()}
    _write(
        job,
        backend_and_processor(),
        {
            precision: _in_all_labels(mean_by_recording(values, cut), job)
            for precision, values in scores.items()
        },
        {
            # Of each window, for the temperature: their logs are logits but for a constant.
            "windows": [len(some) for some in cut],
            "float_window_scores": _rounded(_in_all_labels(scores["float"], job)),
            "size": _size(converted["int8"]),
            "guess_by_epoch": guess_by_epoch,
            "history": fit.history,
        },
    )
    for scratch in (job.epochs_path, fit.checkpoint):
        scratch.unlink(missing_ok=True)


def _train(job: FoldJob, fit: Fit, cut: Sequence[Float32]) -> list[list[int]]:
    """Train the epochs that remain; log each epoch's labels of the test recordings.

    Args:
        job: The fold.
        fit: Its training.
        cut: The windows of each test recording. They have no part in the training.

    Returns:
        For each epoch the index of the label of each test recording; none of them where the fold
        leaves a corpus out, of which no protocol chooses an epoch.
    """
    truth = [job.labels.index(job.utterances[i].label) for i in job.fold.test]
    is_unheard = job.fold.name in {job.utterances[i].corpus for i in job.fold.test}
    by_epoch = json.loads(job.epochs_path.read_text()) if job.epochs_path.exists() else []
    del by_epoch[len(fit.history) :]

    def log() -> None:
        guess = [] if is_unheard else _guess(job, fit, cut)
        by_epoch.append(guess)
        write_text(job.epochs_path, json.dumps(by_epoch))
        if job.log_csv:
            rows = [
                {**entry, "test_accuracy": float(np.mean(np.equal(guess, truth)))}
                if guess
                else entry
                for entry, guess in zip(fit.history, by_epoch, strict=True)
            ]
            write_text(job.path.with_suffix(".csv"), epochs_table(rows))

    if len(by_epoch) < len(fit.history):
        log()  # The run was stopped between the checkpoint and this.
    fit.run(lambda epoch, entry: log())
    fit.finish()
    return [] if is_unheard else by_epoch


def _guess(job: FoldJob, fit: Fit, cut: Sequence[Float32]) -> list[int]:
    """Return the index of the label that the model gives each test recording."""
    from sernet_edge.train.fit import predict

    scores = _in_all_labels(predict(fit.model, cut), job)
    guess: list[int] = scores.argmax(axis=1).tolist()
    return guess


def _converted(job: FoldJob, fit: Fit, training: Sequence[Recording]) -> dict[str, ModelFile]:
    """Return the trained model as `.tflite` with its contract, "float" and "int8"."""
    from sernet_edge.convert import quantize
    from sernet_edge.convert.calibrate import calibration_windows

    contract = fit.windows.contract
    samples, _ = calibration_windows(
        contract, training, 200, job.settings.seed, job.settings.recipe
    )
    precisions: dict[str, Precision] = {"float": "float32", "int8": "int8"}
    converted = {
        name: ModelFile(
            f"fold {job.fold.name}", quantize.convert_model(fit.model, precision, samples)
        )
        for name, precision in precisions.items()
    }
    return {name: file.with_contract(contract) for name, file in converted.items()}


def _with_provenance(file: ModelFile, job: FoldJob, noise: Noise | None) -> ModelFile:
    """Return a fold's model with a contract that says what it has heard, and what not."""
    heard, tested = ([job.utterances[i] for i in part] for part in (job.fold.train, job.fold.test))
    speakers = {utterance.speaker for utterance in heard}
    corpora = {u.corpus for u in heard if u.corpus} or {job.settings.corpora.name}
    contract = file.require_contract()
    provenance = {
        **job.settings.provenance(job.initial_weights, noise),
        "corpus": JOINT.join(sorted(corpora)),
        "protocol": f"fold {job.fold.name} of a cross-validation",
        "holdout_speakers": sorted({u.speaker for u in tested} - speakers),
    }
    return file.with_contract(contract.replace(provenance=provenance))


def _window_scores(file: ModelFile, cut: Sequence[Float32]) -> NDArray[Any]:
    """Return a converted model's scores (windows of all recordings, labels)."""
    model = Model(file)
    return np.stack([model.run(window) for window in np.concatenate(cut)])


def _in_all_labels(scores: NDArray[Any], job: FoldJob) -> NDArray[Any]:
    """Return the scores of the fold's model in the labels of the run: 0 for those it lacks."""
    own = job.contract.labels
    if own == job.labels:
        return scores
    everything = np.zeros((len(scores), len(job.labels)), scores.dtype)
    everything[:, [job.labels.index(label) for label in own]] = scores
    return everything


def run_baseline(job: FoldJob, features: Float32) -> None:
    """Train and test the classical baseline on one fold; write its predictions.

    Args:
        job: The fold; of its settings only the seed is used.
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
        computed: The packages and the processor that computed it.
        scores: By precision, (test utterances, labels).
        more: Further members of the file.
    """
    testing = [job.utterances[i] for i in job.fold.test]
    document = {
        "fold": job.fold.name,
        **computed,
        "files": [utterance.path.name for utterance in testing],
        "speakers": [utterance.speaker for utterance in testing],
        **({"corpora": [u.corpus for u in testing]} if job.settings.corpora.is_several else {}),
        "truth": [job.labels.index(utterance.label) for utterance in testing],
        "labels": job.labels,
        **{f"{precision}_scores": _rounded(values) for precision, values in scores.items()},
        **more,
    }
    write_text(job.path, json.dumps(document) + "\n")


def _rounded(scores: NDArray[Any]) -> list[list[float]]:
    """Return scores as JSON numbers with the precision of float32."""
    return [[float(f"{score:.7g}") for score in row] for row in scores]


def _size(file: ModelFile) -> dict[str, int]:
    """Return the size of an int8 model: `flash_bytes` of its flatbuffer and, where the native
    engine runs it, `ram_bytes` of the engine's arena and `macs`, its multiply-accumulates for one
    window.
    """
    from sernet_edge.firmware_export.planned import PlannedModel

    size = {"flash_bytes": len(file.flatbuffer)}
    try:
        planned = PlannedModel.read(file)
    except ModelError:  # an op that only TensorFlow Lite Micro has
        return size
    return {**size, "ram_bytes": planned.plan.arena_bytes, "macs": planned.network.macs}
