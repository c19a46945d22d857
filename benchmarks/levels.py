"""Measures which way of removing loudness from the features is best for a listener.

    python benchmarks/levels.py CORPUS_DIR --out docs/evidence/levels.md

Trains LIGHT-SERNET once for each level and split, with the default recipe, and tests it on
held-out speakers as recorded, quieter, louder, and in a stream where a quiet room precedes the
speech, as at a microphone.
"""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from sernet_edge import __version__
from sernet_edge.runtime.audio.sources import to_int16
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.frontend import Float32, FrontEnd, cut_windows, feature_rows
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.recipe import RECIPES
from sernet_edge.train.tensorflow_setup import quietly

LEVELS = ("none", "running", "window")

# Together they test each of EMO-DB's first five speakers once; the other five take no part in any
# choice.
SPLITS = (("03", "09", "11"), ("08", "10"))

_ROOM_S = 3.0
_ROOM_RMS = 30.0  # int16 units: about 60 dB below full scale


CONDITIONS: dict[str, float | None] = {
    "as recorded": 0.0,
    "20 dB quieter": -20.0,
    "10 dB louder": 10.0,
    "after a quiet room": None,
}
"""Gain in dB by condition, or None for speech that follows room noise."""


def windows_of(
    front_end: FrontEnd, samples: NDArray[np.int16], gain_db: float | None, rng: np.random.Generator
) -> Float32:
    """Return the windows of one recording under one condition, float32 (windows, frames, features).

    The windows start with the speech, even if a quiet room precedes it. So the condition measures
    the effect of the earlier audio on them.
    """
    contract = front_end.contract
    samples = np.pad(samples, (0, max(0, contract.window_samples - len(samples))))
    skip = 0
    if gain_db is None:
        skip = round(_ROOM_S / contract.frame_step_s)
        room = rng.normal(0, _ROOM_RMS, skip * contract.frame_step_samples)
        samples = np.concatenate([np.rint(room).astype(np.int16), samples])
    else:
        samples = to_int16(samples * 10 ** (gain_db / 20))
    rows = feature_rows(front_end, samples)[skip:]
    return cut_windows(front_end, rows)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
@click.option("--epochs", type=click.IntRange(1), default=RECIPES["default"].epochs)
@click.option("--seed", type=click.IntRange(0), default=1)
def main(folder: Path, out: Path, epochs: int, seed: int) -> None:
    """Compare the levels on EMO-DB in FOLDER; takes a quarter of an hour or more."""
    with quietly():
        import keras
    from dataclasses import replace

    from sernet_edge.train.evaluation import metrics
    from sernet_edge.train.fit import start
    from sernet_edge.train.new_contract import new_contract
    from sernet_edge.train.recordings import read_recordings

    labels = CORPORA["emodb"].labels
    base = new_contract(labels, "none", Contract.window_frames)
    recordings = read_recordings(CORPORA["emodb"].read(folder), base)
    recipe = replace(RECIPES["default"], epochs=epochs)
    pooled: dict[tuple[str, str], NDArray[np.int64]] = {}
    for level in LEVELS:
        for split in SPLITS:
            training = [r for r in recordings if r.utterance.speaker not in split]
            testing = [r for r in recordings if r.utterance.speaker in split]
            contract = base.replace(level=level)
            with tempfile.TemporaryDirectory() as scratch:
                fit = start(contract, recipe, training, seed, Path(scratch) / "checkpoint.npz")
                fit.run(functools.partial(_progress, f"{level}, without {', '.join(split)}"))
                fit.finish()
            truth = [labels.index(r.utterance.label) for r in testing]
            front_end = FrontEnd(fit.windows.contract)
            for name, gain_db in CONDITIONS.items():
                rng = np.random.default_rng(seed)
                cut = [windows_of(front_end, r.samples, gain_db, rng) for r in testing]
                guess = [
                    np.asarray(fit.model(some[..., None])).mean(axis=0).argmax() for some in cut
                ]
                matrix = metrics.confusion_matrix(truth, guess, len(labels))
                pooled[level, name] = pooled.get((level, name), 0) + matrix
    figures = {key: metrics.summary(matrix, labels) for key, matrix in pooled.items()}
    write_text(out, _document(figures, epochs, seed, keras))
    click.echo(json.dumps({f"{a}, {b}": [f["uar"], f["wa"]] for (a, b), f in figures.items()}))


def _progress(what: str, epoch: int, entry: dict[str, float]) -> None:
    if (epoch + 1) % 5 == 0:
        click.echo(f"{what}: epoch {epoch + 1}, loss {entry['loss']:.3f}", err=True)


def _document(figures: dict[tuple[str, str], Any], epochs: int, seed: int, keras: Any) -> str:
    count = next(iter(figures.values()))["utterances"]
    rows = [
        f"| {level} | "
        + " | ".join(
            f"{figures[level, name]['uar']:.1%} / {figures[level, name]['wa']:.1%}"
            for name in CONDITIONS
        )
        + " |"
        for level in LEVELS
    ]
    splits = " and ".join(", ".join(split) for split in SPLITS)
    return "\n".join(
        [
            "# Removing loudness from the features",
            "",
            "<!-- Made by python benchmarks/levels.py; do not edit. -->",
            "",
            "A microphone's gain changes only c0. The table compares three causal ways to remove",
            "it (`level` in the contract): UAR / WA on EMO-DB speakers who were not in training.",
            "",
            "| level | " + " | ".join(CONDITIONS) + " |",
            "|---|" + "---|" * len(CONDITIONS),
            *rows,
            "",
            f"LIGHT-SERNET, default recipe, {epochs} epochs, seed {seed}; two splits that hold out",
            f"{splits}, {count} utterances pooled; float, whole utterances;",
            f"sernet-edge {__version__}, Keras {keras.__version__} on {keras.backend.backend()}.",
            "One utterance is 0.4 points of WA, and runs differ by a few points: smaller",
            "differences say nothing.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
