"""Measures the gain of teaching: new speakers, taught with a few clips each.

A draw divides a speaker's sentences at random into two halves. K clips of each emotion, or as many
as there are, come from one half; the recordings of the other half are tested. So no sentence is on
both sides. If a corpus does not say which sentence is spoken, each recording counts as its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.frontend import Float64
from sernet_edge.runtime.teach.embeddings import Embedder
from sernet_edge.runtime.teach.fit import TaughtClips, softmax, teach_head
from sernet_edge.runtime.teach.head import Head, HeadPlace, dequantise
from sernet_edge.train.recordings import Recording

DRAWS = 5
"""Number of random draws for each speaker."""

WRONG_SHARE = 0.1
"""Share of clips that get a random label in the condition "wrong labels"."""

_SEED = 1

# The most recordings of other speakers that are tested.
_MOST_OTHERS = 200

# The name of each condition's figure, and that of the untaught head which it is compared with.
CONDITIONS = {
    "taught": "untaught",
    "wrong labels": "untaught",
    "neutral only": "untaught",
    "anger only": "untaught",
    "other people": "other people untaught",
}


@dataclass(frozen=True)
class Speech:
    """Recordings as inputs of a model's head.

    Attributes:
        labels: The model's labels.
        windows: Embeddings of each recording's windows, float64 (windows, features).
        truth: int64 (recordings,), index of the label.
        speakers: Text (recordings,).
        sentences: Text (recordings,).
    """

    labels: tuple[str, ...]
    windows: tuple[Float64, ...]
    truth: NDArray[np.int64]
    speakers: NDArray[np.str_]
    sentences: NDArray[np.str_]

    @classmethod
    def of_recordings(cls, embedder: Embedder, recordings: Sequence[Recording]) -> Speech:
        """Return the recordings that have one of the model's labels.

        Args:
            embedder: The model.
            recordings: Recordings of any labels.
        """
        labels = embedder.model.contract.labels
        known = [recording for recording in recordings if recording.utterance.label in labels]
        utterances = [recording.utterance for recording in known]
        return cls(
            labels,
            tuple(embedder.of_clip(recording.samples) for recording in known),
            np.array([labels.index(u.label) for u in utterances], np.int64),
            np.array([u.speaker for u in utterances], np.str_),
            np.array([u.sentence or str(u.path) for u in utterances], np.str_),
        )

    def of(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Return the numbers of the recordings with these labels, int64."""
        return np.flatnonzero(np.isin(np.array(self.labels)[self.truth], list(labels)))

    def only(self, numbers: NDArray[np.int64]) -> Speech:
        """Return the recordings with these numbers."""
        return Speech(
            self.labels,
            tuple(self.windows[i] for i in numbers),
            self.truth[numbers],
            self.speakers[numbers],
            self.sentences[numbers],
        )

    def taught(self, chosen: Sequence[int], truth: NDArray[np.int64] | None = None) -> TaughtClips:
        """Return clips to teach with; `truth` has their labels if they should be wrong."""
        labels = self.truth[np.asarray(chosen)] if truth is None else truth
        return TaughtClips(tuple(self.windows[i] for i in chosen), labels)

    def uar(
        self, head: Head, tested: NDArray[np.int64], windows: Sequence[Float64] | None = None
    ) -> float:
        """Return the UAR of a head on recordings, over the labels that they have.

        Args:
            head: The head.
            tested: Numbers of the recordings.
            windows: Other windows of all recordings, in place of their own.
        """
        heard = self.windows if windows is None else windows
        guess = [softmax(head.logits(heard[i])).mean(axis=0).argmax() for i in tested]
        right, truth = np.array(guess) == self.truth[tested], self.truth[tested]
        return float(np.mean([right[truth == c].mean() for c in np.unique(truth)]))


@dataclass(frozen=True)
class Draw:
    """A random choice of clips for one speaker.

    Attributes:
        chosen: Numbers of the recordings to teach with.
        tested: Numbers of the speaker's recordings to test on, int64 (recordings,).
        others: Numbers of other speakers' recordings to test on, likewise; empty if there are none.
        rng: Generator for further random numbers.
    """

    chosen: list[int]
    tested: NDArray[np.int64]
    others: NDArray[np.int64]
    rng: np.random.Generator


def draws(speech: Speech, speaker: str, clips: int, count: int = DRAWS) -> Iterator[Draw]:
    """Yield draws for a speaker, the same at every call; none with fewer than two sentences.

    Args:
        speech: Recordings of this speaker, and perhaps of others.
        speaker: The speaker.
        clips: K, the clips of each emotion.
        count: Number of draws.
    """
    own = np.flatnonzero(speech.speakers == speaker)
    sentences = np.unique(speech.sentences[own])
    if len(sentences) < 2:
        return
    for number in range(count):
        rng = np.random.default_rng([_SEED, number, zlib.crc32(speaker.encode("utf-8", "replace"))])
        half = rng.permutation(sentences)[: len(sentences) // 2]
        teaching = np.isin(speech.sentences[own], half)
        pool, tested = own[teaching], own[~teaching]
        chosen: list[int] = []
        for label in np.unique(speech.truth[own]):
            chosen += rng.permutation(pool[speech.truth[pool] == label])[:clips].tolist()
        others = rng.permutation(np.flatnonzero(speech.speakers != speaker))[:_MOST_OTHERS]
        yield Draw(chosen, tested, others, rng)


def conditions(place: HeadPlace, speech: Speech, draw: Draw) -> dict[str, float]:
    """Return the UAR of a draw, 0..1, by the names in `CONDITIONS`, if there are enough clips.

    "taught" has int8 weights if the model has; the others use the fitted head.
    """
    head, clips = place.head, speech.taught(draw.chosen)
    fitted = finished = teach_head(head, clips)
    if place.is_int8:
        finished = dequantise(place.quantise(fitted, clips.stacked), place.embedding_scale)
    found = {
        "untaught": speech.uar(head, draw.tested),
        "taught": speech.uar(finished, draw.tested),
    }
    if len(draw.others):
        found["other people untaught"] = speech.uar(head, draw.others)
        found["other people"] = speech.uar(fitted, draw.others)
    wrong = clips.labels.copy()
    flipped = draw.rng.random(len(wrong)) < WRONG_SHARE
    wrong[flipped] = draw.rng.choice(np.unique(wrong), int(flipped.sum()))
    mistaken = teach_head(head, speech.taught(draw.chosen, wrong))
    found["wrong labels"] = speech.uar(mistaken, draw.tested)
    for label in ("neutral", "anger"):
        one = [i for i in draw.chosen if speech.labels[speech.truth[i]] == label]
        if one:
            found[f"{label} only"] = speech.uar(teach_head(head, speech.taught(one)), draw.tested)
    return found


def by_speaker(
    speech: Speech, clips: int, measure: Callable[[Draw], Mapping[str, float]], count: int = DRAWS
) -> dict[str, dict[str, list[float]]]:
    """Return the figures of each speaker by name, each a list over draws.

    Args:
        speech: The recordings; speakers with fewer than two sentences are left out.
        clips: K, the clips of each emotion.
        measure: Computes the figures of a draw.
        count: Number of draws.
    """
    speakers: dict[str, dict[str, list[float]]] = {}
    for speaker in np.unique(speech.speakers).tolist():
        for draw in draws(speech, speaker, clips, count):
            for name, value in measure(draw).items():
                speakers.setdefault(speaker, {}).setdefault(name, []).append(value)
    return speakers


def over_draws(speakers: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """Return each figure's mean over speakers, a list over draws.

    A speaker who lacks a figure in some draws is left out of it.

    Args:
        speakers: Results of `by_speaker`, of one model or of several that each tested others.
    """
    draws_made = max((len(figures["untaught"]) for figures in speakers.values()), default=0)
    names = dict.fromkeys(name for figures in speakers.values() for name in figures)
    found = {}
    for name in names:
        values = [figures.get(name, ()) for figures in speakers.values()]
        whole = [each for each in values if len(each) == draws_made]
        if whole:
            found[name] = np.mean(np.array(whole), axis=0).tolist()
    return found


def summary(clips: int, speakers: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    """Return the figures of all speakers, JSON-ready.

    `clips`, `draws`, `speakers`: their numbers; `uar`: the result of `over_draws`; `gains`: taught
    minus untaught, by speaker, 0..1, mean over draws.
    """
    gains = {
        speaker: float(np.mean(figures["taught"]) - np.mean(figures["untaught"]))
        for speaker, figures in speakers.items()
    }
    count = max((len(figures["taught"]) for figures in speakers.values()), default=0)
    return {
        "clips": clips,
        "draws": count,
        "speakers": len(speakers),
        "uar": over_draws(speakers),
        "gains": gains,
    }


def lines(figures: Mapping[str, Any]) -> list[str]:
    """Return the result of `summary` in words, a line for each condition."""
    uar = figures["uar"]
    if not uar:
        return ["taught: no speaker says two sentences"]
    found = [
        f"taught with {figures['clips']} clips of each emotion, tested on other sentences: "
        f"{figures['speakers']} speakers, {figures['draws']} draws"
    ]
    for name, before in CONDITIONS.items():
        if name in uar:
            found.append(f"  {name:<13} UAR {_range(uar[name])}, untaught {_range(uar[before])}")
    return found


def _range(values: Sequence[float]) -> str:
    """Return the mean over draws, with the lowest and the highest."""
    return f"{np.mean(values):.1%} ({min(values):.1%} to {max(values):.1%})"
