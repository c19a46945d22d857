"""Measures the gain of teaching, by the protocol of `cross-validate --teach`.

python benchmarks/teaching.py --folds runs/voices-seed1 --corpus emodb DIR --corpus ravdess DIR \
    --corpus nemo DIR --out benchmarks/teaching.json
python benchmarks/teaching_page.py benchmarks/teaching.json --out docs/evidence/teaching.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import unlabelled
from numpy.typing import NDArray
from page_command import run_page_command
from teaching_methods import METHODS

from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import BOX
from sernet_edge.runtime.options import MODEL_PATH
from sernet_edge.runtime.teach.embeddings import Embedder
from sernet_edge.runtime.teach.fit import softmax, teach_head
from sernet_edge.runtime.teach.head import Head, HeadPlace
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.evaluation import few_shot
from sernet_edge.train.evaluation.few_shot import Draw, Speech
from sernet_edge.train.recordings import Recording, read_recordings

FOUR = ("anger", "happiness", "neutral", "sadness")

# Seed of the streams without labels.
_SEED = 1

# A cheap microphone: it attenuates below 300 Hz and above 3 kHz, and halves the level.
_LOW_HZ, _HIGH_HZ, _GAIN = 300.0, 3000.0, 0.5

# Names in the file for figures of `few_shot.conditions`.
_NAMES = {"taught": "int8", "other people": "others", "other people untaught": "others untaught"}

Windows = NDArray[np.float64]


@click.command()
@click.option("--model", type=MODEL_PATH, default=BOX["emodb"])
@click.option(
    "--folds",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="RUN",
    help="Instead of --model: a cross-validation of corpora with --keep-models; each corpus is "
    "tested with the model that was not trained on it.",
)
@click.option(
    "--corpus", "corpora", type=(str, click.Path(path_type=Path)), multiple=True, required=True
)
@click.option("--draws", type=click.IntRange(1), default=5, show_default=True)
@click.option(
    "--microphone/--no-microphone",
    default=True,
    help="Also test through another microphone; takes twice the time.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="*.json")
def main(
    model: Path,
    folds: Path | None,
    corpora: tuple[tuple[str, Path], ...],
    draws: int,
    microphone: bool,
    out: Path,
) -> None:
    """Teach a model to each speaker of the corpora, and write the figures."""
    results = []
    for name, folder in corpora:
        file = ModelFile.read(folds / f"fold-{name}.tflite" if folds else model)
        embedder = Embedder(file)
        contract = embedder.model.contract
        utterances = [u for u in CORPORA[name].read(folder) if u.label in contract.labels]
        recordings = read_recordings(utterances, contract)
        _show(f"{name}: {len(recordings)} recordings")
        speech = Speech.of_recordings(embedder, recordings)
        other = _heard_otherwise(embedder, recordings) if microphone else []
        labels = [label for label in contract.labels if label in CORPORA[name].labels]
        for chosen in (FOUR, labels):
            numbers = speech.of(chosen)
            own = [other[i] for i in numbers] if other else []
            measured = _measure(embedder.place, name, speech.only(numbers), own, draws)
            results.append({**_model(file), **measured})
    document = {
        "draws": draws,
        "seed": _SEED,
        "wrong_share": few_shot.WRONG_SHARE,
        "results": results,
    }
    write_text(out, json.dumps(document, indent=1) + "\n")


def _model(file: ModelFile) -> dict[str, Any]:
    contract = file.require_contract()
    heard = contract.provenance.get("corpus")
    return {"model": Path(file.name).name, "contract": contract.id, "trained_on": heard}


def _heard_otherwise(embedder: Embedder, recordings: Sequence[Recording]) -> list[Windows]:
    """Return the embeddings of recordings through another microphone."""
    rate_hz = embedder.model.contract.sample_rate_hz
    return [embedder.of_clip(_through_microphone(one.samples, rate_hz)) for one in recordings]


def _through_microphone(samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
    spectrum = np.fft.rfft(samples.astype(np.float64))
    hz = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    # First-order slopes without their phase, which does not affect the features.
    response = (hz / np.hypot(hz, _LOW_HZ)) * (_HIGH_HZ / np.hypot(hz, _HIGH_HZ))
    shaped = np.fft.irfft(_GAIN * response * spectrum, len(samples))
    return np.clip(np.rint(shaped), -32768, 32767).astype(np.int16)


def _measure(
    place: HeadPlace, name: str, speech: Speech, other: Sequence[Windows], draws: int
) -> dict[str, Any]:
    """Return the figures of one corpus and set of labels; UAR in 0..1, a list over draws."""
    most = np.bincount(speech.truth).max() / len(np.unique(speech.speakers)) / 2
    by_clips = {}
    for k in (k for k in (1, 2, 4, 8) if k <= most):
        _show(f"{name}: {k} clips")
        speakers = few_shot.by_speaker(
            speech, k, lambda draw: _one_draw(place, speech, other, draw), draws
        )
        by_clips[str(k)] = few_shot.over_draws(speakers)
    _show("")
    return {
        "corpus": name,
        "labels": [speech.labels[c] for c in np.unique(speech.truth)],
        "speakers": len(np.unique(speech.speakers)),
        "recordings": len(speech.truth),
        "clips": by_clips,
        "unlabelled": _unlabelled(place.head, speech, draws),
    }


def _one_draw(
    place: HeadPlace, speech: Speech, other: Sequence[Windows], draw: Draw
) -> dict[str, float]:
    """Return the UAR of each method and condition in one draw."""
    clips = speech.taught(draw.chosen)
    found = {
        name: speech.uar(method(place.head, clips), draw.tested) for name, method in METHODS.items()
    }
    for name, value in few_shot.conditions(place, speech, draw).items():
        found[_NAMES.get(name, name)] = value
    if other:
        found["microphone untaught"] = speech.uar(place.head, draw.tested, other)
        found["microphone"] = speech.uar(teach_head(place.head, clips), draw.tested, other)
    return found


def _unlabelled(head: Head, speech: Speech, draws: int) -> dict[str, list[float]]:
    """Return the UAR of streams with and without adaptation to given shares, lists over draws."""
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


def _show(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_page_command(main)
