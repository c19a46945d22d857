"""Tests a model file on whole utterances of any corpus."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
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
from sernet_edge.train.evaluation.conditions import Conditions
from sernet_edge.train.evaluation.cross_corpus import by_corpus
from sernet_edge.train.evaluation.false_events import false_events
from sernet_edge.train.evaluation.seen_speakers import seen_speakers
from sernet_edge.train.noise import Noise, NoiseClip
from sernet_edge.train.progress import QUIET, Progress
from sernet_edge.train.recordings import SameAudio, read_recordings, tell_doubts, tell_skipped
from sernet_edge.train.tensorflow_setup import quietly
from sernet_edge.train.windows import Windows

Scorer = Callable[[Float32], NDArray[Any]]
"""A function from float32 (windows, window_frames, features) to scores (windows, labels)."""


@dataclass(frozen=True)
class EvaluationSettings:
    """The settings of one evaluation.

    Attributes:
        model: A .tflite or .keras file with its contract.
        corpora: The speech to test on, in the labels of the model; without a folder only noise is
            tested.
        speakers: Speakers to test on; None: all.
        skip_bad: Whether to leave out recordings that cannot be read.
        conditions: Names in `conditions.CONDITIONS` under which to test the same recordings, too.
        noise: Folder of sounds without speech. A listener gets them, and its events are counted;
            the condition "noise" uses them. Of the noise that a model was trained with, only the
            clips that were kept out of its training are used.
        seed: Seed of the noise that is added to each recording.
    """

    model: Path
    corpora: CorpusChoice
    speakers: tuple[str, ...] | None = None
    skip_bad: bool = False
    conditions: tuple[str, ...] = ()
    noise: Path | None = None
    seed: int = 1


def evaluate(settings: EvaluationSettings, progress: Progress = QUIET) -> dict[str, Any]:
    """Test a model on whole utterances. An utterance's scores are the mean over its windows.

    Args:
        settings: The model and the speech.
        progress: Receives messages, and a step for each recording.

    Returns:
        JSON-ready: `model` and `contract_id`. Of speech: `corpus`, `left_out` (recordings by
        label), `skipped` (a line each), `trained_on_these_speakers`, the figures of
        `metrics.summary`, `calibration_error`, `reliability` and, if the model has a threshold,
        `sure`; `four`, the figures of `cross_corpus.by_corpus`, with `heard`, the number of
        speakers of each corpus that the model was trained on; and `conditions`, see `_under`. Of
        noise: `noise`, the figures of `false_events.false_events`.

    Raises:
        SettingError: A speaker is not in the corpus, or a label not in the model; or there is
            nothing to test on.
        SernetError: The model, the corpus or the noise cannot be read, or nothing is left to test
            on.
    """
    contract, scorer = _load(settings.model)
    if not settings.corpora.folders and settings.noise is None:
        raise SettingError("corpus", "name a corpus to test on, or a folder with --noise")
    if settings.conditions and not settings.corpora.folders:
        raise SettingError("condition", "conditions change speech: name a corpus")
    report: dict[str, Any] = {"model": str(settings.model), "contract_id": contract.id}
    clips = _clips(settings, contract, progress)
    if settings.corpora.folders:
        report |= _on_speech(settings, contract, scorer, clips, progress)
    if clips:
        report["noise"] = false_events(_Scoring(contract, scorer), clips, progress)
    return report


def _clips(
    settings: EvaluationSettings, contract: Contract, progress: Progress
) -> tuple[NoiseClip, ...]:
    """Return the noise clips that were not used in the model's training."""
    if settings.noise is None:
        return ()
    noise = Noise.read(settings.noise, contract.sample_rate_hz, settings.skip_bad, progress)
    if contract.provenance.get("noise", {}).get("digest") != noise.digest:
        return (*noise.training, *noise.testing)
    if not noise.testing:
        raise SettingError(
            "noise", f"the model was trained with every clip of {settings.noise}: name other noise"
        )
    progress.say(
        f"the model was trained with this noise: {len(noise.testing)} clips that were not used in "
        "training are left"
    )
    return noise.testing


@dataclass(frozen=True)
class _Scoring:
    """A model of any kind, as a listener calls it."""

    contract: Contract
    scorer: Scorer

    def run(self, features: Float32) -> Float32:
        """Return scores (labels,) of features (window_frames, features)."""
        return np.asarray(self.scorer(features[None])[0], np.float32)


def _on_speech(
    settings: EvaluationSettings,
    contract: Contract,
    scorer: Scorer,
    clips: Sequence[NoiseClip],
    progress: Progress,
) -> dict[str, Any]:
    """Return the report's part about speech; see `evaluate`."""
    corpora = settings.corpora
    _check_mapping(corpora, contract.labels)
    utterances, others = corpora.wanted_and_others(progress)
    if settings.speakers is not None:
        utterances, others = _spoken_by(settings.speakers, utterances, others)
    _check_labels(utterances, contract.labels)
    conditions = Conditions(contract.sample_rate_hz, settings.seed, clips)
    tested, scores_under, bad = _scored(
        settings, utterances, contract, scorer, conditions, progress
    )
    truth = np.array([contract.labels.index(utterance.label) for utterance in tested])
    clean = scores_under.pop("")
    seen = seen_speakers(contract.provenance, corpora.name, [u.speaker for u in tested])
    report = {
        "corpus": corpora.name,
        "left_out": dict(sorted(Counter(u.label for u in others).items())),
        "skipped": bad,
        "trained_on_these_speakers": seen,
        **_figures(clean, truth, contract),
        "four": _by_corpus(tested, truth, clean, contract, corpora.name, seen),
    }
    if scores_under:
        report["conditions"] = {
            name: _under(
                report,
                _figures(scores, truth, contract),
                _by_corpus(tested, truth, scores, contract, corpora.name, seen),
            )
            for name, scores in scores_under.items()
        }
    return report


def _check_mapping(corpora: CorpusChoice, labels: Sequence[str]) -> None:
    """Check that the mapped labels of the corpora are labels of the model."""
    if unknown := sorted(set(corpora.mapping.values()) - {"", *labels}):
        raise SettingError(
            "map",
            f"the model has no label {', '.join(unknown)}; its labels are {', '.join(labels)}",
        )


def _scored(
    settings: EvaluationSettings,
    utterances: Sequence[Utterance],
    contract: Contract,
    scorer: Scorer,
    conditions: Conditions,
    progress: Progress,
) -> tuple[list[Utterance], dict[str, NDArray[np.float64]], list[str]]:
    """Read recordings and score them, one at a time.

    Returns:
        The utterances that could be read; their scores (utterances, labels) by condition, "" for
        the unchanged recordings; and a line on each utterance that could not be read.
    """
    bad: list[str] = []
    windows = Windows(contract)
    tested: list[Utterance] = []
    means: dict[str, list[NDArray[Any]]] = {name: [] for name in ("", *settings.conditions)}
    same_audio = SameAudio()
    progress.begin("recording", len(utterances))
    for index, utterance in enumerate(utterances):
        for recording in read_recordings([utterance], contract, bad if settings.skip_bad else None):
            for name, scores in means.items():
                heard = recording
                if name:
                    changed = conditions.heard(recording.samples, name, index)
                    heard = dataclasses.replace(recording, samples=changed)
                scores.append(scorer(windows.test_windows(heard)).mean(axis=0))
            tested.append(utterance)
            same_audio.add(recording)
        progress.advance()
    tell_skipped(bad, progress)
    tell_doubts(same_audio, progress)
    if not tested:
        raise SernetError("no utterance is left to evaluate on")
    stacked = {name: np.stack(some).astype(np.float64) for name, some in means.items()}
    return tested, stacked, bad


def _under(
    clean: Mapping[str, Any], figures: Mapping[str, Any], four: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the costs of a condition, JSON-ready.

    Args:
        clean: The report on the unchanged recordings.
        figures: The result of `_figures` under the condition.
        four: The result of `_by_corpus` under the condition.

    Returns:
        `uar` and `wa`; `uar_lost` and `wa_lost`, how much lower they are than on clean speech;
        `four_uar` and `four_uar_lost`, the same for the mean over corpora of four emotions, None
        if no corpus has one of them.
    """
    found: dict[str, Any] = {}
    for name in ("uar", "wa"):
        found |= {name: figures[name], f"{name}_lost": clean[name] - figures[name]}
    before, after = clean["four"]["mean"]["uar"], four["mean"]["uar"]
    lost = None if before is None or after is None else before - after
    return {**found, "four_uar": after, "four_uar_lost": lost}


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
        contract: The model's contract.
        only: The corpus's name, if there is only one.
        seen: Speakers that the model was trained on.
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
    """Return the utterances of these speakers, for each group."""
    known = {utterance.speaker for group in groups for utterance in group}
    if unknown := sorted(set(speakers) - known):
        raise SettingError("speakers", f"no speaker {', '.join(unknown)} in this corpus")
    return tuple([u for u in group if u.speaker in speakers] for group in groups)


def _check_labels(utterances: list[Utterance], labels: tuple[str, ...]) -> None:
    """Check that the model has all labels of the utterances.

    Raises:
        SernetError: The model lacks a label, or there is no utterance.
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
