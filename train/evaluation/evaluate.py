"""Tests a model file on whole utterances of any corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime import interpreter
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError, SettingError
from sernet_edge.runtime.frontend import Float32
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora.choice import CorpusChoice
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation import calibration, metrics
from sernet_edge.train.evaluation.cross_corpus import by_corpus
from sernet_edge.train.evaluation.seen_speakers import seen_speakers
from sernet_edge.train.progress import QUIET, Progress
from sernet_edge.train.read_corpus import tell_doubts, tell_skipped
from sernet_edge.train.recordings import read_recordings
from sernet_edge.train.same_audio import SameAudio
from sernet_edge.train.tensorflow_setup import quietly
from sernet_edge.train.windows import Windows

Scorer = Callable[[Float32], NDArray[Any]]
"""From float32 (windows, window_frames, features) to scores (windows, labels)."""


@dataclass(frozen=True)
class EvaluationSettings:
    """The settings of one evaluation.

    Attributes:
        model: A .tflite or .keras file with its contract.
        corpora: The speech to test on, in the labels of the model.
        speakers: Speakers to test on; None: all.
        skip_bad: Whether to leave out recordings that cannot be read.
    """

    model: Path
    corpora: CorpusChoice
    speakers: tuple[str, ...] | None = None
    skip_bad: bool = False


def evaluate(settings: EvaluationSettings, progress: Progress = QUIET) -> dict[str, Any]:
    """Test a model on whole utterances: the mean of the scores of an utterance's windows.

    Args:
        settings: The model and the speech.
        progress: Receives remarks and the recordings.

    Returns:
        JSON-ready: `model`, `contract_id`, `corpus`, `left_out` (recordings by label),
        `skipped` (a line each), `trained_on_these_speakers`, the figures of `metrics.summary`,
        `calibration_error`, `reliability` and, where the model knows when it is sure, `sure`;
        `four`, the figures of `cross_corpus.by_corpus`, with the number of speakers whom the model
        has heard in each corpus, `heard`.

    Raises:
        SettingError: A speaker is not in the corpus, or a label not in the model.
        SernetError: The model or the corpus cannot be read, or nothing is left to test on.
    """
    contract, scorer = _load(settings.model)
    corpora = settings.corpora
    if unknown := sorted(set(corpora.mapping.values()) - {"", *contract.labels}):
        raise SettingError(
            "map",
            f"the model has no label {', '.join(unknown)}; its labels are "
            f"{', '.join(contract.labels)}",
        )
    utterances, others = corpora.wanted_and_others(progress)
    if settings.speakers is not None:
        utterances, others = _spoken_by(settings.speakers, utterances, others)
    _check_labels(utterances, contract.labels)

    bad: list[str] = []
    windows = Windows(contract)
    truth, means, tested = [], [], []
    same_audio = SameAudio()
    progress.begin("recording", len(utterances))
    for utterance in utterances:
        for recording in read_recordings([utterance], contract, bad if settings.skip_bad else None):
            means.append(scorer(windows.test_windows(recording)).mean(axis=0))
            truth.append(contract.labels.index(utterance.label))
            tested.append(utterance)
            same_audio.add(recording)
        progress.advance()
    tell_skipped(bad, progress)
    tell_doubts(same_audio, progress)
    if not tested:
        raise SernetError("no utterance is left to evaluate on")
    scores, speakers = np.stack(means).astype(np.float64), [u.speaker for u in tested]
    seen = seen_speakers(contract.provenance, corpora.name, speakers)
    return {
        "model": str(settings.model),
        "contract_id": contract.id,
        "corpus": corpora.name,
        "left_out": dict(sorted(Counter(u.label for u in others).items())),
        "skipped": bad,
        "trained_on_these_speakers": seen,
        **_figures(scores, np.array(truth), contract),
        "four": _by_corpus(tested, np.array(truth), scores, contract, corpora.name, seen),
    }


def _by_corpus(
    tested: list[Utterance],
    truth: NDArray[Any],
    scores: NDArray[np.float64],
    contract: Contract,
    only: str,
    seen: Collection[str],
) -> dict[str, Any]:
    """Return the figures of each corpus.

    Args:
        tested: The utterances.
        truth: int64 (utterances,), index of the label.
        scores: float64 (utterances, labels).
        contract: The model's.
        only: The name of the corpus, if there is but one.
        seen: Speakers whom the model was trained on.
    """
    speakers = np.array([u.speaker for u in tested])
    names = np.array([u.corpus or only for u in tested])
    found = by_corpus(truth, scores, speakers, names, contract.labels)
    for name, figures in found["corpora"].items():
        figures["heard"] = len(set(seen) & set(speakers[names == name].tolist()))
    return found


def _load(path: Path) -> tuple[Contract, Scorer]:
    """Return a model's contract and the function that scores windows."""
    if path.suffix != ".keras":
        model = interpreter.load(path)
        return model.contract, lambda windows: np.stack([model.run(w) for w in windows])
    contract = ModelFile.read(path).require_contract()
    from sernet_edge.train.models.saved import load_saved

    with quietly():
        saved = load_saved(path, contract)
    return contract, lambda windows: np.asarray(saved.predict_on_batch(windows[..., None]))


def _spoken_by(speakers: Collection[str], *groups: list[Utterance]) -> tuple[list[Utterance], ...]:
    """Return the utterances of some speakers, of each group."""
    known = {utterance.speaker for group in groups for utterance in group}
    if unknown := sorted(set(speakers) - known):
        raise SettingError("speakers", f"no speaker {', '.join(unknown)} in this corpus")
    return tuple([u for u in group if u.speaker in speakers] for group in groups)


def _check_labels(utterances: list[Utterance], labels: tuple[str, ...]) -> None:
    """Check that the model has all labels of the utterances.

    Raises:
        SernetError: It lacks one, or there is no utterance.
    """
    if strange := sorted({u.label for u in utterances} - set(labels)):
        raise SernetError(
            f"the model has no label {', '.join(strange)}; its labels are {', '.join(labels)}",
            hint="rename a label with --map THEIRS=OURS, leave it out with --map THEIRS=, or name "
            "those to test with --labels",
        )
    if not utterances:
        raise SernetError("no utterance is left to evaluate on")


def _figures(
    scores: NDArray[np.float64], truth: NDArray[Any], contract: Contract
) -> dict[str, Any]:
    """Return the figures of scores (utterances, labels), JSON-ready."""
    matrix = metrics.confusion_matrix(truth, scores.argmax(axis=1), len(contract.labels))
    figures = {
        **metrics.summary(matrix, contract.labels),
        "calibration_error": calibration.expected_calibration_error(scores, truth),
        "reliability": calibration.reliability(scores, truth),
    }
    if contract.unsure_below:
        sure = scores.max(axis=1) >= contract.unsure_below
        right = scores.argmax(axis=1) == truth
        figures["sure"] = {
            "from_score": contract.unsure_below,
            "share": float(sure.mean()),
            "precision": float(right[sure].mean()) if sure.any() else None,
        }
    return figures
