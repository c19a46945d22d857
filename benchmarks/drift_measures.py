"""Compares drift with other measures, for unfamiliar voices, noise and wrong results.

python benchmarks/drift_measures.py RUN NOISE --corpus emodb DIR --corpus nemo DIR \
    --corpus ravdess DIR --map calm=neutral --out benchmarks/drift-measures.json
python benchmarks/drift_measures_page.py benchmarks/drift-measures.json \
    --out docs/evidence/drift-measures.md

RUN is a run of `cross-validate --split corpora --keep-models`. Each corpus in turn is unfamiliar:
the fold's model was not trained on it. Each measure is fitted to two of three speakers of the other
corpora; their remaining speakers are familiar. Three splits of the speakers give three figures. A
fold that OUT already contains is not measured again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import scipy.stats
from numpy.typing import NDArray
from page_command import run_page_command
from speech_bank import TESTED, TRAINED

from sernet_edge.convert.drift_limit import PERCENTILE
from sernet_edge.runtime.contract import NONE, Contract
from sernet_edge.runtime.drift import LEAST_SPREAD
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.frontend import Float64, padded_rows
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.teach.embeddings import Embedder
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.fast_features import FastFrontEnd
from sernet_edge.train.noise import Noise
from sernet_edge.train.options import corpus_option, map_option
from sernet_edge.train.progress import Progress, TerminalProgress
from sernet_edge.train.recipe import RECIPES
from sernet_edge.train.recordings import Recording, read_corpus
from sernet_edge.train.windows import TrainingWindows

SPLITS = 3

COMPONENTS = 8

AREAS = ("unfamiliar voices", "familiar voices, changed", "noise", "wrong results")
"""Areas under the ROC curve: the first three relative to familiar voices as recorded, the last of
wrong results relative to right ones, for unfamiliar voices."""

ABOVE = ("familiar voices above", "unfamiliar voices above", "noise above")
"""Shares of windows above the limit."""

FIGURES = (*AREAS, *ABOVE)

FITS = ("as the training hears them", "as recorded")
"""The windows that measures are fitted to."""

# No feature is clipped.
_NO_CLIP = 1e4

_SEED = 1


@dataclass(frozen=True)
class Heard:
    """The values of windows that the measures use.

    Attributes:
        statistics: float64 (windows, 2 features): each standardised feature's mean over the
            window, then the logarithm of each one's spread.
        embeddings: float64 (windows, channels): the mean over time before the last dense layer.
        scores: float64 (windows, labels).
        labels: The label of each window, text (windows,).
    """

    statistics: Float64
    embeddings: Float64
    scores: Float64
    labels: NDArray[np.str_]

    def __getitem__(self, which: NDArray[np.bool_]) -> Heard:
        """Return some of the windows."""
        return Heard(
            self.statistics[which], self.embeddings[which], self.scores[which], self.labels[which]
        )


Measure = Callable[[Heard], Float64]
"""A function from windows to their distances from its own training windows, float64 (windows,)."""


def _today(fitted: Heard) -> Measure:
    return lambda heard: 2 * np.abs(heard.statistics).mean(axis=1)


def _by_spread(fitted: Heard) -> Measure:
    centre, spread = fitted.statistics.mean(axis=0), fitted.statistics.std(axis=0)
    return lambda heard: np.abs((heard.statistics - centre) / spread).mean(axis=1)


def _by_covariance(fitted: Heard) -> Measure:
    centre = fitted.statistics.mean(axis=0)
    inverse = np.linalg.inv(_covariance(fitted.statistics - centre))
    return lambda heard: _squared(heard.statistics - centre, inverse)


def _by_components(fitted: Heard) -> Measure:
    """Return the distance within the space of a few components, and from that space.

    It is that of probabilistic principal component analysis: Tipping and Bishop (1999).
    """
    centre, spread = fitted.statistics.mean(axis=0), fitted.statistics.std(axis=0)
    values, vectors = np.linalg.eigh(np.cov((fitted.statistics - centre) / spread, rowvar=False))
    along, rest = values[-COMPONENTS:], values[:-COMPONENTS].mean()

    def measure(heard: Heard) -> Float64:
        away = (heard.statistics - centre) / spread
        parts = away @ vectors[:, -COMPONENTS:]
        beside = np.square(away).sum(axis=1) - np.square(parts).sum(axis=1)
        distance: Float64 = (np.square(parts) / along).sum(axis=1) + beside / rest
        return distance

    return measure


def _to_nearest_label(weights: Callable[[Float64], Float64]) -> Callable[[Heard], Measure]:
    """Return a function that fits the distance to the nearest label's mean embedding.

    Args:
        weights: Computes the matrix that weights squares from embeddings minus their labels' means.
    """

    def fit(fitted: Heard) -> Measure:
        names, index = np.unique(fitted.labels, return_inverse=True)
        means = np.stack([fitted.embeddings[index == i].mean(axis=0) for i in range(len(names))])
        matrix = weights(fitted.embeddings - means[index])
        return lambda heard: np.min(
            [_squared(heard.embeddings - mean, matrix) for mean in means], axis=0
        )

    return fit


def _covariance(away: Float64) -> Float64:
    """Return the covariance of rows around 0, with a hundredth of its mean variance added."""
    covariance: Float64 = away.T @ away / len(away)
    return covariance + 0.01 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))


def _squared(away: Float64, weights: Float64) -> Float64:
    squared: Float64 = np.einsum("nk,kl,nl->n", away, weights, away, optimize=True)
    return squared


MEASURES: Mapping[str, Callable[[Heard], Measure]] = {
    "today": _today,
    "spreads": _by_spread,
    "components": _by_components,
    "covariance": _by_covariance,
    "embedding": _to_nearest_label(lambda away: np.eye(away.shape[1])),
    "embedding, spreads": _to_nearest_label(
        lambda away: np.diag(1 / (np.square(away).mean(axis=0) + 1e-6))
    ),
    "embedding, covariance": _to_nearest_label(lambda away: np.linalg.inv(_covariance(away))),
    "score": lambda fitted: lambda heard: 1 - heard.scores.max(axis=1),
}


def area(more: Float64, less: Float64) -> float:
    """Return the area under the ROC curve: the share of pairs in which `more` is above `less`."""
    return float(scipy.stats.mannwhitneyu(more, less).statistic / (len(more) * len(less)))


def held_back(utterances: Sequence[Utterance], split: int) -> NDArray[np.bool_]:
    """Return a mask, bool, of the utterances of every third speaker: no measure is fitted to them.

    Args:
        utterances: Utterances of all corpora.
        split: 0 to 2; each speaker is held back in one of the three splits.
    """
    speakers: dict[str, set[str]] = {}
    for utterance in utterances:
        speakers.setdefault(utterance.corpus, set()).add(utterance.speaker)
    kept = {corpus: sorted(names)[split::SPLITS] for corpus, names in speakers.items()}
    return np.array([u.speaker in kept[u.corpus] for u in utterances])


@dataclass(frozen=True)
class Sounds:
    """The rows of one window of each sound, float64 (frames, features), not standardised.

    Attributes:
        utterances: The utterance of each recording.
        recorded: The first window of each recording, as in `listen`.
        changed: One window of each recording, as in training: in noise, in a room, over a line.
        noise: The first window of each clip that is not used in training.
    """

    utterances: Sequence[Utterance]
    recorded: Sequence[Float64]
    changed: Sequence[Float64]
    noise: Sequence[Float64]

    @staticmethod
    def read(
        choice: CorpusChoice, most: int, contract: Contract, noise: Noise, progress: Progress
    ) -> Sounds:
        """Read at most this many recordings of each corpus, spread over it evenly."""
        contract = contract.replace(mean=(0.0,), std=(1.0,), clip=_NO_CLIP)
        recordings = read_corpus(_some(choice, most), contract, progress=progress).recordings
        recipe = replace(RECIPES["voices"], training_frames=0)
        maker, rng = TrainingWindows(contract, recipe, noise), np.random.default_rng(_SEED)
        front_end = FastFrontEnd(contract)

        def first(samples: NDArray[np.int16]) -> Float64:
            return padded_rows(front_end, samples[: contract.window_samples])

        def changed(recording: Recording) -> Float64:
            return maker.training_window(recording, rng).astype(np.float64)

        return Sounds(
            [recording.utterance for recording in recordings],
            [first(recording.samples) for recording in recordings],
            [changed(recording) for recording in recordings],
            [first(clip.samples) for clip in noise.testing],
        )


def _some(choice: CorpusChoice, most: int) -> list[Utterance]:
    by_corpus: dict[str, list[Utterance]] = {}
    for utterance in choice.utterances():
        by_corpus.setdefault(utterance.corpus, []).append(utterance)
    return [
        some[i]
        for some in by_corpus.values()
        for i in np.linspace(0, len(some) - 1, min(most, len(some))).astype(int).tolist()
    ]


@dataclass(frozen=True)
class Fold:
    """The values of all sounds in a model that was not trained on one corpus.

    Attributes:
        utterances: The utterance of each recording.
        unheard: The corpus that the model was not trained on.
        labels: The model's labels.
        recorded: Each recording's first window.
        changed: Each recording changed as in training.
        noise: Each noise clip's first window.
    """

    utterances: Sequence[Utterance]
    unheard: str
    labels: Sequence[str]
    recorded: Heard
    changed: Heard
    noise: Heard

    @staticmethod
    def of(model: ModelFile, unheard: str, sounds: Sounds) -> Fold:
        """Compute the values of all sounds with a model."""
        embedder = Embedder(model)
        said = [utterance.label for utterance in sounds.utterances]
        return Fold(
            sounds.utterances,
            unheard,
            embedder.model.contract.labels,
            _heard(embedder, sounds.recorded, said),
            _heard(embedder, sounds.changed, said),
            _heard(embedder, sounds.noise, [NONE] * len(sounds.noise)),
        )

    def figures(self, split: int) -> Iterator[tuple[str, str, dict[str, float]]]:
        """Yield each measure's name, one of `FITS`, and its `FIGURES` in percent."""
        is_unheard = np.array([u.corpus == self.unheard for u in self.utterances])
        is_held_back = held_back(self.utterances, split)
        for fit, heard in zip(FITS, (self.changed, self.recorded), strict=True):
            fitted = heard[~is_unheard & ~is_held_back]
            for name, make in MEASURES.items():
                found = self._figures(make(fitted), fitted, is_unheard, ~is_unheard & is_held_back)
                yield name, fit, found

    def _figures(
        self,
        measure: Measure,
        fitted: Heard,
        is_unheard: NDArray[np.bool_],
        is_familiar: NDArray[np.bool_],
    ) -> dict[str, float]:
        strangers = self.recorded[is_unheard]
        familiar, unfamiliar = measure(self.recorded[is_familiar]), measure(strangers)
        noise, limit = measure(self.noise), np.percentile(measure(fitted), PERCENTILE)
        judged = np.isin(strangers.labels, TESTED)
        is_right = np.array(self.labels)[strangers.scores.argmax(axis=1)] == strangers.labels
        values = (
            area(unfamiliar, familiar),
            area(measure(self.changed[is_familiar]), familiar),
            area(noise, familiar),
            area(unfamiliar[judged & ~is_right], unfamiliar[judged & is_right]),
            *(float(np.mean(some > limit)) for some in (familiar, unfamiliar, noise)),
        )
        return {name: round(100 * v, 2) for name, v in zip(FIGURES, values, strict=True)}


def _heard(embedder: Embedder, windows: Sequence[Float64], labels: Sequence[str]) -> Heard:
    """Return the values of windows of rows, each (window_frames, features)."""
    statistics, embeddings, scores = [], [], []
    for rows in windows:
        window = embedder.front_end.standardise(rows)
        spread = np.maximum(window.std(axis=0), LEAST_SPREAD)
        statistics.append(np.concatenate([window.mean(axis=0), np.log(spread)]))
        scores.append(embedder.model.run(embedder.front_end.clip(window)).astype(np.float64))
        raw = embedder.model.tensor(embedder.place.embedding_index)
        embeddings.append(embedder.place.dequantised(raw.reshape(-1)))
    return Heard(np.array(statistics), np.array(embeddings), np.array(scores), np.array(labels))


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("noise", type=click.Path(path_type=Path, exists=True))
@corpus_option("Corpus ({names}) and its folder.")
@map_option
@click.option("--most", type=click.IntRange(100), default=300, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="*.json")
def main(
    run: Path,
    noise: Path,
    corpora: tuple[CorpusFolder, ...],
    mapping: dict[str, str],
    most: int,
    out: Path,
) -> None:
    """Compare measures of drift on at most MOST recordings of each corpus, in minutes."""
    progress, sounds = TerminalProgress(), None
    choice = CorpusChoice(corpora, TRAINED, mapping)
    figures = json.loads(out.read_text())["figures"] if out.exists() else {}
    for corpus in (folder.name for folder in choice.folders):
        if any(key.endswith(f", {corpus}") for key in figures):
            continue
        model = ModelFile.read(run / f"fold-{corpus}.tflite")
        contract = model.require_contract()
        if sounds is None:
            heard = Noise.read(noise, contract.sample_rate_hz)
            sounds = Sounds.read(choice, most, contract, heard, progress)
        progress.say(f"{corpus}: {len(sounds.utterances)} recordings, {len(sounds.noise)} clips")
        fold = Fold.of(model, corpus, sounds)
        for split in range(SPLITS):
            for name, fit, found in fold.figures(split):
                figures[f"{name}; {fit}, split {split + 1}, {corpus}"] = found
        write_text(out, json.dumps({"most": most, "figures": figures}, indent=1) + "\n")


if __name__ == "__main__":
    run_page_command(main)
