"""Measures which way of taking loudness out of the features serves a network that shares rows.

python benchmarks/streaming_levels.py NOISE --corpus emodb DIR --corpus nemo DIR \
    --corpus ravdess DIR --map calm=neutral --out benchmarks/streaming-levels.json

Rows that windows share may depend on earlier frames, never on the window. For each level and seed
a network of half width is trained on all corpora but one and tested on that one, under several
conditions. A network for whole windows, whose level is the window's, stands beside them. All of
them are trained on the same changed windows, which are made once. A figure that is in OUT is not
measured again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import scipy.signal
from numpy.typing import NDArray
from page_command import run_page_command

from sernet_edge.runtime.audio.sources import to_int16
from sernet_edge.runtime.contract import NONE, Contract
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.frontend import (
    Float32,
    Float64,
    FrontEnd,
    cut_windows,
    dct_matrix,
    feature_rows,
)
from sernet_edge.train.corpora import CorpusFolder
from sernet_edge.train.corpora.choice import CorpusChoice
from sernet_edge.train.fast_features import FastFrontEnd
from sernet_edge.train.noise import Noise, NoiseClip, excerpt
from sernet_edge.train.options import corpus_option, map_option
from sernet_edge.train.progress import Progress, TerminalProgress
from sernet_edge.train.read_corpus import read_corpus
from sernet_edge.train.recipe import RECIPES, Recipe
from sernet_edge.train.recordings import Recording, amplified
from sernet_edge.train.settings import ModelSettings
from sernet_edge.train.tensorflow_setup import quietly
from sernet_edge.train.training_windows import TrainingWindows

Int16 = NDArray[np.int16]

TRAINED = ("anger", "fear", "happiness", "neutral", "sadness")
TESTED = ("anger", "happiness", "neutral", "sadness")

CONDITIONS = {
    "as recorded": "",
    "20 dB quieter": "",
    "20 dB louder": "what is above full scale is clipped",
    "after noise": "3 s of noise as loud as the recording come before it",
    "other microphone": "little below 300 Hz, 8 dB more around 3.5 kHz",
}
"""Conditions by name, with what the name does not say."""

_GAINS_DB = {"as recorded": 0.0, "20 dB quieter": -20.0, "20 dB louder": 20.0}
_NOISE_S = 3.0

# Changed windows of each recording, and windows in which nobody speaks.
_COPIES = 8
_NONE_WINDOWS = 3000

# Of per-channel energy normalisation: what Wang et al. (Trainable Frontend For Robust and
# Far-Field Keyword Spotting, 2017) and librosa take by default. The scale is that of 32 bits.
_PCEN_GAIN, _PCEN_BIAS, _PCEN_POWER, _PCEN_EPSILON = 0.98, 2.0, 0.5, 1e-6
_PCEN_S = 0.4
_PCEN_SCALE = 2.0**31

# The maximum sinks by so much until a louder frame lifts it.
_SINKS_DB_PER_S = 3.0


def _cepstrum(logs: Float64, contract: Contract) -> Float64:
    return logs @ dct_matrix(contract).T


def _below_maximum(logs: Float64, contract: Contract) -> Float64:
    """Return MFCCs whose c0 is how far the frame lies below the loudest one of late."""
    rows = _cepstrum(logs, contract)
    # What a gain of one decibel adds to c0.
    decibel = np.log(10) / 10 * np.sqrt(logs.shape[1])
    sinks = _SINKS_DB_PER_S * contract.frame_step_s * decibel
    falling = rows[:, 0] + sinks * np.arange(len(rows))
    rows[:, 0] = falling - np.maximum.accumulate(falling)
    return rows


def _pcen(logs: Float64, contract: Contract) -> Float64:
    """Return the cepstrum of energies that each band's own recent mean normalises."""
    energies = np.exp(logs) * _PCEN_SCALE
    share = 1 - np.exp(-contract.frame_step_s / _PCEN_S)
    smooth, _ = scipy.signal.lfilter(
        [share], [1, share - 1], energies, axis=0, zi=(1 - share) * energies[:1]
    )
    gained = energies * (_PCEN_EPSILON + smooth) ** -_PCEN_GAIN
    return _cepstrum((gained + _PCEN_BIAS) ** _PCEN_POWER - _PCEN_BIAS**_PCEN_POWER, contract)


@dataclass(frozen=True)
class System:
    """A level, and the network that is trained with it.

    Attributes:
        rows: From log mel energies, float64 (frames, bands), to MFCCs (frames, features).
        architecture: Its name.
    """

    rows: Callable[[Float64, Contract], Float64]
    architecture: str = "light-sernet-stream-half"


SYSTEMS = {
    "none": System(_cepstrum),
    "PCEN": System(_pcen),
    "decaying maximum": System(_below_maximum),
    "window (whole windows)": System(_cepstrum, "light-sernet-half"),
}


@click.command()
@click.argument("noise_folder", metavar="NOISE", type=click.Path(path_type=Path, exists=True))
@corpus_option("Corpus ({names}) and its folder.")
@map_option
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=15, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="*.json")
def main(
    noise_folder: Path,
    corpora: tuple[CorpusFolder, ...],
    mapping: dict[str, str],
    seeds: int,
    epochs: int,
    out: Path,
) -> None:
    """Compare the levels on corpora that training did not hear; takes an hour or more."""
    progress = TerminalProgress()
    choice = CorpusChoice(corpora, TRAINED, mapping)
    settings = ModelSettings.of_architecture(choice, SYSTEMS["none"].architecture)
    contract = settings.new_contract(TRAINED)
    recipe = replace(RECIPES["voices"], epochs=epochs)
    recordings = read_corpus(choice.utterances(), contract, progress=progress).recordings
    noise = Noise.read(noise_folder, contract.sample_rate_hz)
    figures = json.loads(out.read_text())["figures"] if out.exists() else {}
    names = [folder.name for folder in choice.folders]
    runs = [
        (system, seed, name)
        for seed in range(1, seeds + 1)
        for system in SYSTEMS
        for name in names
        if f"{system}, seed {seed}, {name}" not in figures
    ]
    if not runs:
        return
    speech = Speech.of(recordings, noise, contract, recipe, progress)
    for system, seed, name in runs:
        key = f"{system}, seed {seed}, {name}"
        progress.say(key)
        figures[key] = _uar(speech, SYSTEMS[system], recipe, choice, seed, name)
        write_text(out, json.dumps({"epochs": epochs, "figures": figures}, indent=1) + "\n")
        progress.say(", ".join(f"{condition} {uar}" for condition, uar in figures[key].items()))


@dataclass(frozen=True)
class Speech:
    """Recordings as log mel energies, float32 (frames, bands), so that any level fits on top.

    Attributes:
        recordings: All of them.
        changed: For each recording the windows to train on, changed as the recipe says.
        nobody: Windows in which nobody speaks.
        heard: By condition, each whole recording; where something comes before it, that, too.
        before: Frames that come before the recordings in the condition "after noise".
        noise: What the windows were changed with.
    """

    recordings: Sequence[Recording]
    changed: Sequence[Sequence[Float32]]
    nobody: Sequence[Float32]
    heard: Mapping[str, Sequence[Float32]]
    before: int
    noise: Noise

    @staticmethod
    def of(
        recordings: Sequence[Recording],
        noise: Noise,
        contract: Contract,
        recipe: Recipe,
        progress: Progress,
    ) -> Speech:
        """Change and analyse the recordings."""
        # A spectrum on the mel scale as it is, neither standardised nor limited.
        bands = contract.replace(
            features="mel", mean=(0.0,), std=(1.0,), clip=100.0, labels=(*TRAINED, NONE)
        )
        maker = TrainingWindows(bands, replace(recipe, training_frames=0), noise)
        rng = np.random.default_rng(1)
        progress.begin("recording", len(recordings), line_every=500)
        changed = []
        for recording in recordings:
            changed.append([maker.training_window(recording, rng) for _ in range(_COPIES)])
            progress.advance()
        before = round(_NOISE_S / contract.frame_step_s)
        front_end = FastFrontEnd(bands)
        progress.begin("condition", len(CONDITIONS), line_every=1)
        heard = {}
        for condition in CONDITIONS:
            heard[condition] = [
                _analysed(front_end, _heard(r.samples, condition, noise.testing, before, i, bands))
                for i, r in enumerate(recordings)
            ]
            progress.advance()
        nobody = [maker.none_window(rng) for _ in range(_NONE_WINDOWS)]
        return Speech(recordings, changed, nobody, heard, before, noise)


def _analysed(front_end: FrontEnd, samples: Int16) -> Float32:
    return feature_rows(front_end, samples).astype(np.float32)


def _heard(
    samples: Int16,
    condition: str,
    noise: Sequence[NoiseClip],
    before: int,
    index: int,
    contract: Contract,
) -> Int16:
    """Return a recording under a condition, with silence after it up to a window's length."""
    silence = max(0, contract.window_samples - len(samples))
    if condition in _GAINS_DB:
        heard = amplified(samples, _GAINS_DB[condition])
    elif condition == "after noise":
        rng = np.random.default_rng(index)
        clip = excerpt(noise, before * contract.frame_step_samples, rng).astype(np.float64)
        power = np.mean(np.square(samples, dtype=np.float64)) / max(1.0, np.mean(clip**2))
        heard = np.concatenate([to_int16(clip * np.sqrt(power)), samples])
    else:
        rate_hz = contract.sample_rate_hz
        high = scipy.signal.butter(1, 300, "high", fs=rate_hz, output="sos")
        peak = scipy.signal.iirpeak(3500, 2, fs=rate_hz)
        wide = scipy.signal.sosfilt(high, samples.astype(np.float64))
        heard = to_int16(wide + (10 ** (8 / 20) - 1) * scipy.signal.lfilter(*peak, wide))
    return np.pad(heard, (0, silence))


class _LevelWindows(TrainingWindows):
    """Draws windows to train on from those that were changed before, with a level on top."""

    def __init__(self, contract: Contract, recipe: Recipe, speech: Speech, system: System) -> None:
        super().__init__(contract, recipe, speech.noise)
        self._speech, self._rows = speech, system.rows
        self._place = {id(recording): i for i, recording in enumerate(speech.recordings)}

    def training_window(
        self, recording: Recording, rng: np.random.Generator, segment: int = 0
    ) -> Float32:
        """Return one of the recording's windows; see `TrainingWindows`."""
        return self._drawn_window(self._speech.changed[self._place[id(recording)]], rng)

    def none_window(self, rng: np.random.Generator) -> Float32:
        """Return a window in which nobody speaks; see `TrainingWindows`."""
        return self._drawn_window(self._speech.nobody, rng)

    def _drawn_window(self, windows: Sequence[Float32], rng: np.random.Generator) -> Float32:
        # The level hears the whole window, as it hears what came before in a stream.
        rows = self._rows(windows[rng.integers(len(windows))].astype(np.float64), self.contract)
        frames = self.training_contract.window_frames
        start = int(rng.integers(len(rows) - frames + 1))
        return self._front_end.window_features(rows[start : start + frames])


def _uar(
    speech: Speech, system: System, recipe: Recipe, corpora: CorpusChoice, seed: int, tested: str
) -> dict[str, float]:
    """Train on all corpora but `tested`; return its mean recall in percent by condition."""
    with quietly():
        import keras
    from sernet_edge.train.fit import Fit, predict
    from sernet_edge.train.models import build

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    settings = ModelSettings.of_architecture(corpora, system.architecture, recipe)
    if not settings.new_contract(TRAINED).stride_frames:
        recipe = replace(recipe, training_frames=0)
    training = [r for r in speech.recordings if r.utterance.corpus != tested]
    contract = _with_statistics(settings.new_contract(TRAINED), speech, system, tested)
    with tempfile.TemporaryDirectory() as scratch:
        model = build(system.architecture, contract, recipe.batch_norm_momentum)
        windows = _LevelWindows(contract, recipe, speech, system)
        fit = Fit(model, windows, training, seed, Path(scratch) / "checkpoint.npz")
        fit.run(lambda epoch, entry: None)
        fit.finish()
    front_end = FrontEnd(contract)
    numbers = [
        i
        for i, r in enumerate(speech.recordings)
        if r.utterance.corpus == tested and r.utterance.label in TESTED
    ]
    truth = np.array([speech.recordings[i].utterance.label for i in numbers])
    figures = {}
    for condition, heard in speech.heard.items():
        skip = speech.before if condition == "after noise" else 0
        cut = [
            cut_windows(front_end, system.rows(heard[i].astype(np.float64), contract)[skip:])
            for i in numbers
        ]
        guess = np.array(contract.labels)[predict(fit.model, cut).argmax(axis=1)]
        recalls = [float(np.mean(guess[truth == label] == label)) for label in TESTED]
        figures[condition] = round(100 * float(np.mean(recalls)), 2)
    return figures


def _with_statistics(contract: Contract, speech: Speech, system: System, tested: str) -> Contract:
    """Return `contract` with the mean and deviation of the training corpora's features."""
    front_end, rows = FrontEnd(contract), []
    for recording, heard in zip(speech.recordings, speech.heard["as recorded"], strict=True):
        if recording.utterance.corpus != tested:
            features = system.rows(heard.astype(np.float64), contract)
            if contract.level == "window":
                front_end.subtract_level(features, front_end.levels(features).mean())
            rows.append(features)
    stacked: Any = np.concatenate(rows)
    return contract.replace(
        mean=tuple(stacked.mean(axis=0).tolist()), std=tuple(stacked.std(axis=0).tolist())
    )


if __name__ == "__main__":
    run_page_command(main)
