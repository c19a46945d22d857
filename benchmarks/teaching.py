"""Measures what teaching gives: speakers that a model never heard, taught with a few clips each.

A draw halves each speaker's sentences at random. K clips of each emotion, or as many as there are,
come from the one half; the model is tested on the other half's recordings. So no sentence is on
both sides. UAR is over the labels that the corpus shares with the model, though the model may
answer with any of its own; it is the mean over speakers, and the range is over draws.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import unlabelled
from numpy.typing import NDArray
from page_command import run_page_command
from teaching_methods import METHODS

from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import BOX
from sernet_edge.runtime.teach.embeddings import Embedder
from sernet_edge.runtime.teach.fit import TaughtClips, softmax, teach_head
from sernet_edge.runtime.teach.head import Head, dequantise
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.utterance import Utterance

_SENTENCE = {
    "emodb": re.compile(r"\d\d(.\d\d)"),
    "ravdess": re.compile(r"(?:\d\d-){4}(\d\d)"),
    "nemo": re.compile(r".*_(\d+)"),
    "crema-d": re.compile(r"\d+_([A-Z]+)"),
}
"""Where the names of a corpus's files say which sentence is spoken."""

FOUR = ("anger", "happiness", "neutral", "sadness")
_SEED = 1
_WRONG_SHARE = 0.1

# A cheap microphone: little below 300 Hz, little above 3 kHz, half as loud.
_LOW_HZ, _HIGH_HZ, _GAIN = 300.0, 3000.0, 0.5


@dataclass(frozen=True)
class Speech:
    """The recordings of a corpus as a model sees them.

    Attributes:
        labels: The model's.
        windows: For each recording float64 (windows, features).
        other: The same through another microphone; none where it is not tested.
        truth: int64 (recordings,), index of the label.
        speakers: Text (recordings,).
        sentences: Text (recordings,).
    """

    labels: tuple[str, ...]
    windows: list[NDArray[np.float64]]
    other: list[NDArray[np.float64]]
    truth: NDArray[np.int64]
    speakers: NDArray[np.str_]
    sentences: NDArray[np.str_]

    def taught(self, chosen: Sequence[int], truth: NDArray[np.int64] | None = None) -> TaughtClips:
        """Return clips to teach with; `truth` has their labels where these shall be wrong."""
        labels = self.truth[np.asarray(chosen)] if truth is None else truth
        return TaughtClips(tuple(self.windows[i] for i in chosen), labels)

    def uar(self, head: Head, tested: NDArray[np.int64], other: bool = False) -> float:
        """Return the UAR of a head on recordings."""
        windows = self.other if other else self.windows
        guess = [softmax(head.logits(windows[i])).mean(axis=0).argmax() for i in tested]
        right, truth = np.array(guess) == self.truth[tested], self.truth[tested]
        return float(np.mean([right[truth == c].mean() for c in np.unique(truth)]))

    def of(self, labels: Sequence[str]) -> Speech:
        """Return the recordings with these labels."""
        numbers = np.flatnonzero(np.isin(np.array(self.labels)[self.truth], list(labels)))
        return Speech(
            self.labels,
            [self.windows[i] for i in numbers],
            [self.other[i] for i in numbers] if self.other else [],
            self.truth[numbers],
            self.speakers[numbers],
            self.sentences[numbers],
        )


@click.command()
@click.option("--model", type=click.Path(path_type=Path), default=BOX["emodb"])
@click.option(
    "--corpus", "corpora", type=(str, click.Path(path_type=Path)), multiple=True, required=True
)
@click.option("--draws", type=click.IntRange(1), default=5, show_default=True)
@click.option(
    "--microphone/--no-microphone",
    default=True,
    help="Also test through another microphone, which takes twice the time.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="*.json")
def main(
    model: Path, corpora: tuple[tuple[str, Path], ...], draws: int, microphone: bool, out: Path
) -> None:
    """Teach MODEL to each speaker of the corpora, and write the figures."""
    embedder = Embedder(ModelFile.read(model))
    contract = embedder.model.contract
    results = []
    for name, folder in corpora:
        speech = _read(embedder, name, folder, microphone)
        labels = [label for label in contract.labels if label in CORPORA[name].labels]
        for chosen in (FOUR, labels):
            shown = speech.of(chosen)
            results.append(_measure(embedder, name, shown, draws))
    document = {
        "model": model.name,
        "contract": contract.id,
        "corpus": contract.provenance.get("corpus"),
        "draws": draws,
        "seed": _SEED,
        "wrong_share": _WRONG_SHARE,
        "results": results,
    }
    write_text(out, json.dumps(document, indent=1) + "\n")


def _read(embedder: Embedder, name: str, folder: Path, microphone: bool) -> Speech:
    contract = embedder.model.contract
    if name not in _SENTENCE:
        raise SernetError(f"no file name of {name} says which sentence is spoken")
    utterances = [u for u in CORPORA[name].read(folder) if u.label in contract.labels]
    windows, other = [], []
    for number, utterance in enumerate(utterances):
        _show(f"{name}: {number}/{len(utterances)} recordings")
        samples = read_recording(utterance.path, contract.sample_rate_hz)
        windows.append(embedder.of_clip(samples))
        if microphone:
            other.append(embedder.of_clip(_through_microphone(samples, contract.sample_rate_hz)))
    _show("")
    return Speech(
        contract.labels,
        windows,
        other,
        np.array([contract.labels.index(u.label) for u in utterances]),
        np.array([u.speaker for u in utterances]),
        np.array([_sentence(name, u) for u in utterances]),
    )


def _sentence(corpus: str, utterance: Utterance) -> str:
    match = _SENTENCE[corpus].match(utterance.path.stem)
    if match is None:
        raise SernetError(f"{utterance.path} is not named as {corpus}'s files are")
    return match[1]


def _through_microphone(samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
    spectrum = np.fft.rfft(samples.astype(np.float64))
    hz = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    # First-order slopes, without their phase: the features do not see it.
    response = (hz / np.hypot(hz, _LOW_HZ)) * (_HIGH_HZ / np.hypot(hz, _HIGH_HZ))
    shaped = np.fft.irfft(_GAIN * response * spectrum, len(samples))
    return np.clip(np.rint(shaped), -32768, 32767).astype(np.int16)


def _measure(embedder: Embedder, name: str, speech: Speech, draws: int) -> dict[str, Any]:
    """Return the figures of one corpus and set of labels; UAR in 0..1, a list over draws."""
    most = np.bincount(speech.truth).max() / len(np.unique(speech.speakers)) / 2
    counts = [k for k in (1, 2, 4, 8) if k <= most]
    head, by_clips = embedder.place.head, {}
    for k in counts:
        found: dict[str, list[list[float]]] = {}
        for draw in range(draws):
            _show(f"{name}: {k} clips, draw {draw + 1}/{draws}")
            for number, speaker in enumerate(np.unique(speech.speakers)):
                rng = np.random.default_rng([_SEED, draw, number])
                one = _one_speaker(embedder, head, speech, speaker, k, rng)
                for key, value in one.items():
                    found.setdefault(key, [[] for _ in range(draws)])[draw].append(value)
        by_clips[str(k)] = {
            key: [float(np.mean(values)) for values in draws_] for key, draws_ in found.items()
        }
    _show("")
    labels = [speech.labels[c] for c in np.unique(speech.truth)]
    return {
        "corpus": name,
        "labels": labels,
        "speakers": len(np.unique(speech.speakers)),
        "recordings": len(speech.truth),
        "clips": by_clips,
        "unlabelled": _unlabelled(head, speech, draws),
    }


def _unlabelled(head: Head, speech: Speech, draws: int) -> dict[str, list[float]]:
    """Return the UAR of streams with and without adaptation to stated shares, a list over draws."""
    equal = np.zeros(len(head.bias))
    equal[np.unique(speech.truth)] = 1 / len(np.unique(speech.truth))
    neutral = np.where(np.arange(len(equal)) == speech.labels.index("neutral"), 0.8, 0.0)
    others = (equal > 0) & (neutral == 0)
    neutral[others] = 0.2 / others.sum()
    found: dict[str, list[float]] = {}
    for draw in range(draws):
        values: dict[str, list[float]] = {}
        for number, speaker in enumerate(np.unique(speech.speakers)):
            rng = np.random.default_rng([_SEED, draw, number])
            own = np.flatnonzero(speech.speakers == speaker)
            for name, shares in (("balanced", equal), ("80 % neutral", neutral)):
                stream = own[unlabelled.stream_of(speech.truth[own], shares, rng)]
                windows = [speech.windows[i] for i in stream]
                truth = speech.truth[stream]
                plain = [int(softmax(head.logits(w)).mean(axis=0).argmax()) for w in windows]
                ways = {"as it is": np.array(plain)}
                ways["equal shares"] = unlabelled.guesses(head, windows, equal)
                ways["its own shares"] = unlabelled.guesses(head, windows, shares)
                for way, guess in ways.items():
                    uar = unlabelled.uar_of_the_end(guess, truth)
                    values.setdefault(f"{name}, {way}", []).append(uar)
        for key, value in values.items():
            found.setdefault(key, []).append(float(np.mean(value)))
    return found


def _one_speaker(
    embedder: Embedder, head: Head, speech: Speech, speaker: str, k: int, rng: np.random.Generator
) -> dict[str, float]:
    """Return the UAR of each method and misuse for a speaker in one draw."""
    chosen, tested = _draw(speech, speaker, k, rng)
    clips = speech.taught(chosen)
    found = {name: speech.uar(method(head, clips), tested) for name, method in METHODS.items()}
    taught = teach_head(head, clips)
    place = embedder.place
    if place.is_int8:
        fitted = place.quantise(taught, clips.stacked)
        found["int8"] = speech.uar(dequantise(fitted, place.embedding_scale), tested)
    if speech.other:
        found["microphone untaught"] = speech.uar(head, tested, other=True)
        found["microphone"] = speech.uar(taught, tested, other=True)
    strangers = rng.permutation(np.flatnonzero(speech.speakers != speaker))[:200]
    found["others untaught"] = speech.uar(head, strangers)
    found["others"] = speech.uar(taught, strangers)
    labels = np.unique(clips.labels)
    wrong = clips.labels.copy()
    flipped = rng.random(len(wrong)) < _WRONG_SHARE
    wrong[flipped] = rng.choice(labels, int(flipped.sum()))
    found["wrong labels"] = speech.uar(teach_head(head, speech.taught(chosen, wrong)), tested)
    for label in ("neutral", "anger"):
        one = [i for i in chosen if speech.labels[speech.truth[i]] == label]
        if one:
            found[f"{label} only"] = speech.uar(teach_head(head, speech.taught(one)), tested)
    return found


def _draw(
    speech: Speech, speaker: str, k: int, rng: np.random.Generator
) -> tuple[list[int], NDArray[np.int64]]:
    """Return the recordings that teach and those that test."""
    own = np.flatnonzero(speech.speakers == speaker)
    sentences = rng.permutation(np.unique(speech.sentences[own]))
    teaching = np.isin(speech.sentences[own], sentences[: max(1, len(sentences) // 2)])
    pool, tested = own[teaching], own[~teaching]
    chosen: list[int] = []
    for label in np.unique(speech.truth[own]):
        chosen += rng.permutation(pool[speech.truth[pool] == label])[:k].tolist()
    return chosen, tested


def _show(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_page_command(main)
