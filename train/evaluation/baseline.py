"""A classical baseline: openSMILE's ComParE functionals and a linear SVM.

F. Eyben, M. Wöllmer, B. Schuller: "openSMILE", ACM Multimedia 2010; the feature set is that of
the INTERSPEECH 2016 Computational Paralinguistics Challenge, 6,373 numbers an utterance.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import metadata
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.frontend import Float32, Float64
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation import metrics
from sernet_edge.train.evaluation.calibration import softmax
from sernet_edge.train.evaluation.protocols import Fold, Split, folds
from sernet_edge.train.progress import QUIET, Progress
from sernet_edge.train.recordings import Recording

COMPLEXITIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Candidates for C, the SVM's parameter."""

DESCRIPTION = {
    "architecture": "opensmile-svm",
    "recipe": {
        "functionals": "ComParE_2016",
        "standardised_on": "training speakers",
        "complexities": list(COMPLEXITIES),
        "complexity_chosen_by": "UAR with each training speaker left out",
        "class_weight": "balanced",
    },
}
"""The baseline's settings, for run.json."""


def functionals(
    recordings: Sequence[Recording], rate_hz: int, progress: Progress = QUIET
) -> Float32:
    """Return the features of recordings, float32 (recordings, 6373).

    Args:
        recordings: Recordings with audio at `rate_hz`.
        rate_hz: The sample rate.
        progress: Called after each recording.

    Raises:
        SernetError: openSMILE is not installed.
    """
    # In a process of its own: openSMILE aborts a process that has imported TensorFlow.
    spawn = multiprocessing.get_context("spawn")
    rows = []
    progress.begin("openSMILE, recording", len(recordings))
    with ProcessPoolExecutor(1, spawn) as process:
        samples = [recording.samples for recording in recordings]
        for row in process.map(_functionals, samples, repeat(rate_hz)):
            rows.append(row)
            progress.advance()
    return np.stack(rows)


def _functionals(samples: NDArray[np.int16], rate_hz: int) -> Float32:
    """Return the features of one recording, float32 (6373,)."""
    scaled = samples.astype(np.float32) / 32768
    row: Float32 = _extractor().process_signal(scaled, rate_hz).to_numpy(np.float32)[0]
    return row


@cache
def _extractor() -> Any:
    """Return openSMILE's extractor of the ComParE functionals."""
    try:
        import opensmile
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.ComParE_2016,
        feature_level=opensmile.FeatureLevel.Functionals,
    )


def check(chosen: Sequence[Fold], utterances: Sequence[Utterance]) -> None:
    """Check that C can be chosen in every fold, before anything is computed.

    Raises:
        SernetError: A fold has too few training speakers, or only one label without one of them;
            names the fold.
    """
    for fold in chosen:
        training = [utterances[i] for i in fold.train]
        speakers = {utterance.speaker for utterance in training}
        if "" in speakers:  # C is then chosen on random folds
            continue
        if len(speakers) < 2:
            raise SernetError(
                f"the baseline chooses its C by leaving out a training speaker, but fold "
                f"{fold.name} has only {len(speakers)}",
                hint="use a corpus of three speakers or more",
            )
        for speaker in speakers:
            if len({u.label for u in training if u.speaker != speaker}) < 2:
                raise SernetError(
                    f"the baseline chooses its C by leaving out a training speaker, but in "
                    f"fold {fold.name} only one label is left without {speaker}",
                    hint="add recordings by other speakers",
                )


def train_and_score(
    features: Float32,
    utterances: Sequence[Utterance],
    labels: Sequence[str],
    train: Sequence[int],
    test: Sequence[int],
    seed: int,
) -> tuple[Float64, float]:
    """Train on some utterances and score others.

    C has the best UAR on training data, leaving out each training speaker in turn. If the test
    utterances are a corpus of their own and there are several training corpora, each of these is
    left out instead. The test utterances are not used.

    Args:
        features: float32 (utterances, features).
        utterances: Their labels and speakers.
        labels: Labels in the order of the scores.
        train: Indices of the training utterances.
        test: Indices of the test utterances.
        seed: Seed of the inner folds, for a corpus that does not name its speakers.

    Returns:
        float64 (test utterances, labels), the softmax of the SVM's decision values, which are not
        probabilities; and C.

    Raises:
        SernetError: scikit-learn is not installed, or see `folds`.
    """
    truth = np.array([labels.index(utterance.label) for utterance in utterances])
    training = [utterances[i] for i in train]
    corpora = {utterance.corpus for utterance in training}
    split: Split = "speakers" if all(u.speaker for u in training) else "random"
    if len(corpora) > 1 and not corpora & {utterances[i].corpus for i in test}:
        split = "corpora"
    inner = folds(split, training, seed)
    guesses = np.zeros((len(COMPLEXITIES), len(train)), np.int64)
    indices = np.asarray(train)
    for fold in inner:
        scores = _scores(
            features,
            truth,
            indices[list(fold.train)],
            indices[list(fold.test)],
            len(labels),
            COMPLEXITIES,
        )
        guesses[:, list(fold.test)] = scores.argmax(axis=2)
    matrices = [metrics.confusion_matrix(truth[indices], guess, len(labels)) for guess in guesses]
    uars = [metrics.summary(matrix, labels)["uar"] for matrix in matrices]
    best = COMPLEXITIES[int(np.argmax(uars))]
    (scores,) = _scores(features, truth, indices, np.asarray(test), len(labels), (best,))
    return softmax(scores), best


def _scores(
    features: Float32,
    truth: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    labels: int,
    complexities: Sequence[float],
) -> Float64:
    """Return decision values, float64 (complexities, test, labels)."""
    try:
        from sklearn.svm import SVC
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    mean, std = features[train].mean(axis=0), features[train].std(axis=0)
    std[std == 0] = 1
    ours, theirs = ((features[some] - mean) / std for some in (train, test))
    # There are more features than utterances, and a linear SVM needs only products of utterances.
    inner, outer = (some.astype(np.float64) @ ours.T.astype(np.float64) for some in (ours, theirs))
    values = np.full((len(complexities), len(test), labels), -np.inf)
    for index, complexity in enumerate(complexities):
        machine: Any = SVC(
            C=complexity,
            kernel="precomputed",
            class_weight="balanced",
            decision_function_shape="ovr",
        ).fit(inner, truth[train])
        decisions = machine.decision_function(outer)
        if decisions.ndim == 1:  # with two classes there is only one column
            decisions = np.stack([-decisions, decisions], axis=1)
        values[index][:, machine.classes_] = decisions
    return values


def versions() -> str:
    """Return the names and versions of the packages that compute the baseline."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in ("opensmile", "scikit-learn"))


def _missing(error: ModuleNotFoundError) -> SernetError:
    return SernetError(
        f"the baseline needs the Python package {error.name!r}",
        hint="pip install 'sernet-edge[baseline]'",
    )
