"""Trains a model on a corpus and tests it on the speakers that were held out."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sernet_edge import __version__
from sernet_edge.runtime.contract import NONE, Contract
from sernet_edge.runtime.errors import SernetError, SettingError
from sernet_edge.runtime.files import check_outputs, replacing, write_bytes, write_text
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.epochs import epochs_table
from sernet_edge.train.evaluation.seen_speakers import seen_speakers
from sernet_edge.train.initial_weights import InitialWeights
from sernet_edge.train.noise import Noise
from sernet_edge.train.progress import QUIET, Progress
from sernet_edge.train.recordings import CorpusRecordings, Recording, read_corpus
from sernet_edge.train.settings import ModelSettings
from sernet_edge.train.tensorflow_setup import quietly

if TYPE_CHECKING:
    from sernet_edge.train.fit import Fit

# Number of recordings on which the front end is compared with python_speech_features.
_COMPARED_RECORDINGS = 10


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of one training.

    Attributes:
        model: The settings that determine the weights.
        out: The model's file, *.keras; its figures and picture are written beside it.
        holdout: Speakers for the test only; (): none; None: the last two.
        skip_bad: Whether to leave out recordings that cannot be read.
        log_csv: Whether to write a table of the epochs beside the model.
        force: Whether to replace existing files.
    """

    model: ModelSettings
    out: Path
    holdout: tuple[str, ...] | None = None
    skip_bad: bool = False
    log_csv: bool = False
    force: bool = False

    @property
    def metrics_path(self) -> Path:
        """The file of the figures."""
        return self.out.with_suffix(".metrics.json")

    @property
    def picture_path(self) -> Path:
        """The picture of the confusion matrix."""
        return self.out.with_suffix(".confusion.png")


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        model: The `keras.Model`.
        contract: Its contract.
        report: The content of OUT.metrics.json: provenance, figures on the held-out speakers, and
            the history of the epochs.
        files: The written files.
    """

    model: Any
    contract: Contract
    report: dict[str, Any]
    files: tuple[Path, ...]


def train(settings: TrainingSettings, progress: Progress = QUIET) -> Trained:
    """Train a model, test it on the held-out speakers and write it.

    A training that was stopped continues from the checkpoint beside `settings.out`.

    Args:
        settings: The model and the files.
        progress: Receives messages and the epochs.

    Raises:
        SettingError: `settings.out` is not *.keras, or a speaker to hold out is not in the corpus.
        SernetError: An output exists, the corpus cannot be read or used for training, the
            checkpoint belongs to another training, or the training diverges.
    """
    model = settings.model
    _check_out(settings)
    utterances = model.corpora.utterances(progress)
    model.corpora.check_teaches(utterances)
    draft = model.new_contract(model.corpora.labels(utterances))
    held_out = _held_out_speakers(settings.holdout, utterances)
    initial_weights = InitialWeights.read(model.init) if model.init else None
    rate_hz = draft.sample_rate_hz
    noise = Noise.read(model.noise, rate_hz, settings.skip_bad, progress) if model.noise else None
    read = read_corpus(utterances, draft, settings.skip_bad, progress)
    # A label that only unreadable recordings have is not a label of the model.
    usable = [recording.utterance for recording in read.recordings]
    draft = model.new_contract(model.corpora.labels(usable))
    training, testing = _split(read, held_out)
    difference = _check_training_speech(training, draft, progress)
    with quietly():
        from sernet_edge.train.fit import start
    fit = start(
        draft,
        model.recipe,
        training,
        model.seed,
        settings.out.with_suffix(".checkpoint.npz"),
        model.architecture,
        initial_weights,
        noise,
    )
    speakers = {recording.utterance.speaker for recording in training}
    progress.say(
        f"training on {len(training)} recordings of {len(speakers)} speakers, testing on "
        f"{len(testing)} of {', '.join(held_out) or 'none'}; "
        f"{model.architecture}, {fit.model.count_params():,} parameters, {_keras()}"
    )
    if initial_weights:
        _tell_initial_weights(initial_weights, fit, model, held_out, progress)
    _run(fit, settings, progress)
    results, matrix = _test(fit, testing)
    provenance = model.provenance(initial_weights, noise)
    provenance |= _provenance(model, held_out, len(read.skipped), results)
    contract = fit.windows.contract.replace(provenance=provenance)
    report = {"model": settings.out.name, "contract_id": contract.id, **provenance, **results}
    report |= {"history": fit.history, "front_end_difference": difference}
    files = _write(settings, fit.model, contract, report, matrix)
    # The checkpoint is deleted last, so that no training is lost if the disk is full before.
    fit.checkpoint.unlink(missing_ok=True)
    return Trained(fit.model, contract, report, files)


def _check_out(settings: TrainingSettings) -> None:
    if settings.out.suffix != ".keras":
        raise SettingError("out", f"{settings.out} must end in .keras")
    check_outputs((settings.out, settings.metrics_path, settings.picture_path), settings.force)


def _split(
    read: CorpusRecordings, held_out: Collection[str]
) -> tuple[list[Recording], list[Recording]]:
    """Return the training recordings, and those of the speakers `held_out`.

    Raises:
        SernetError: There are no training recordings, or the same audio is in both groups.
    """
    training = [r for r in read.recordings if r.utterance.speaker not in held_out]
    testing = [r for r in read.recordings if r.utterance.speaker in held_out]
    if not training:
        raise SernetError("no recording is left to train on")
    read.same_audio.check_split([r.utterance for r in training], [r.utterance for r in testing])
    return training, testing


def _held_out_speakers(wanted: Sequence[str] | None, utterances: Sequence[Utterance]) -> list[str]:
    """Return the speakers to hold out, sorted.

    Raises:
        SettingError: A speaker is not in the corpus, or no other speaker is.
        SernetError: The corpus does not name its speakers, or has only one speaker.
    """
    if wanted is not None and not wanted:
        return []
    by_corpus: dict[str, set[str]] = {}
    for utterance in utterances:
        by_corpus.setdefault(utterance.corpus, set()).add(utterance.speaker)
    for corpus, names in by_corpus.items():
        if wanted is None or len(by_corpus) == 1 or names & set(wanted):
            _check_speakers(f"the corpus {corpus}".rstrip(), names)
    if wanted is None:
        last = [sorted(names)[-min(2, len(names) - 1) :] for names in by_corpus.values()]
        return sorted(speaker for speakers in last for speaker in speakers)
    speakers = sorted(set[str]().union(*by_corpus.values()))
    if unknown := sorted(set(wanted) - set(speakers)):
        raise SettingError(
            "holdout",
            f"no speaker {', '.join(unknown)} in this corpus, which has {', '.join(speakers)}",
        )
    if set(wanted) == set(speakers):
        raise SettingError("holdout", "no speaker is left to train on")
    return sorted(set(wanted))


def _check_speakers(corpus: str, names: Collection[str]) -> None:
    """Check that the corpus names its speakers and has more than one, before holding one out."""
    if "" in names:
        raise SernetError(
            f"{corpus} does not name the speaker of every recording, so no speaker can be held out",
            "add the column speaker, or train on all recordings with --holdout none",
        )
    if len(names) < 2:
        raise SernetError(
            f"{corpus} has {len(names)} speaker, so none can be held out",
            "add speakers, or train on all recordings with --holdout none",
        )


def _check_training_speech(
    training: Sequence[Recording], contract: Contract, progress: Progress
) -> float:
    """Check the training recordings, and the front end on some of them.

    Returns:
        The largest difference of a feature between the front end and python_speech_features.

    Raises:
        SernetError: The difference is too large.
        SernetError: That difference is too large.
    """
    from sernet_edge.train.frontend_check import check_front_end

    learnt = {recording.utterance.label for recording in training}
    # The label "none" needs no recordings in a corpus.
    if absent := [label for label in contract.labels if label not in {*learnt, NONE}]:
        progress.say(f"warning: no training recording is labelled {' or '.join(absent)}")
    compared = training[:: -(-len(training) // _COMPARED_RECORDINGS)]
    difference = check_front_end(compared, contract)
    progress.say(f"front end: at most {difference:.1e} from python_speech_features")
    return difference


def _keras() -> str:
    """Return the names of Keras and its backend, which are already imported."""
    import keras

    return f"keras {keras.__version__} on {keras.backend.backend()}"


def _tell_initial_weights(
    initial_weights: InitialWeights,
    fit: Fit,
    settings: ModelSettings,
    held_out: Sequence[str],
    progress: Progress,
) -> None:
    """Report which layers start from another model's weights, and whether that affects the test."""
    progress.say(
        f"{len(fit.taken)} layers start from {initial_weights.path}: {', '.join(fit.taken)}; "
        f"from random weights: {', '.join(fit.not_taken) or 'none'}"
    )
    if known := seen_speakers(initial_weights.provenance, settings.corpora.name, held_out):
        progress.say(
            f"warning: {initial_weights.path} was trained on the held-out {', '.join(known)}: "
            "the figures will be optimistic"
        )


def _run(fit: Fit, settings: TrainingSettings, progress: Progress) -> None:
    """Train the remaining epochs, and set the model's final weights."""
    if fit.history:
        progress.say(f"continuing after epoch {len(fit.history)}, from the checkpoint")
    progress.begin("epoch", settings.model.recipe.epochs, len(fit.history), line_every=10)

    def after_epoch(epoch: int, entry: dict[str, float]) -> None:
        progress.advance(
            f"loss {entry['loss']:.3f}, accuracy {entry['accuracy']:.1%} (on augmented windows)"
        )
        if settings.log_csv:
            write_text(settings.out.with_suffix(".epochs.csv"), epochs_table(fit.history))

    fit.run(after_epoch)
    fit.finish()


def _test(fit: Fit, testing: Sequence[Recording]) -> tuple[dict[str, Any], Any]:
    """Return the figures on the held-out recordings, and the confusion matrix or None."""
    from sernet_edge.train.evaluation import metrics
    from sernet_edge.train.fit import predict

    contract = fit.windows.contract
    results: dict[str, Any] = {}
    if not testing:
        return results, None
    truth = [contract.labels.index(recording.utterance.label) for recording in testing]
    cut = [fit.windows.test_windows(recording) for recording in testing]
    guess = predict(fit.model, cut).argmax(axis=1).tolist()
    matrix = metrics.confusion_matrix(truth, guess, len(contract.labels))
    return metrics.summary(matrix, contract.labels), matrix


def _provenance(
    model: ModelSettings, held_out: list[str], skipped: int, results: dict[str, Any]
) -> dict[str, Any]:
    """Return the contract's provenance, about the speech and this training."""
    return {
        "corpus": model.corpora.name,
        **({"map": dict(model.corpora.mapping)} if model.corpora.mapping else {}),
        "protocol": "single speaker-disjoint split" if results else "all speakers",
        "holdout_speakers": held_out,
        "skipped_recordings": skipped,
        "trained_with": f"sernet-edge {__version__}, {_keras()}",
        "metrics": {k: results[k] for k in ("utterances", "wa", "uar", "macro_f1") if results},
    }


def _write(
    settings: TrainingSettings, model: Any, contract: Contract, report: dict[str, Any], matrix: Any
) -> tuple[Path, ...]:
    """Write the model, its figures and the picture of its confusion matrix; return their paths."""
    from sernet_edge.train.evaluation import pictures

    with replacing(settings.out) as temporary:
        model.save(temporary)
        whole = ModelFile.read(temporary).with_contract(contract).data
        Path(temporary).write_bytes(whole)
    write_text(settings.metrics_path, json.dumps(report, indent=1) + "\n")
    if matrix is None:
        return settings.out, settings.metrics_path
    title = (
        f"{settings.model.corpora.name}, held-out speakers "
        f"{', '.join(report['holdout_speakers'])}: "
        f"UAR {report['uar']:.1%}, WA {report['wa']:.1%}"
    )
    write_bytes(settings.picture_path, pictures.confusion(matrix, contract.labels, title))
    return settings.out, settings.metrics_path, settings.picture_path
