"""Speech as log mel energies, changed at random once, for training and testing many networks.

A network of half width then trains in a minute or two. Differences between networks, such as the
level, are computed from the energies.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import scipy.signal
from numpy.typing import NDArray

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
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder
from sernet_edge.train.fast_features import FastFrontEnd
from sernet_edge.train.noise import Noise, NoiseClip, excerpt
from sernet_edge.train.options import corpus_option, map_option
from sernet_edge.train.progress import Progress, TerminalProgress
from sernet_edge.train.recipe import RECIPES, Recipe
from sernet_edge.train.recordings import Recording, read_corpus
from sernet_edge.train.settings import ModelSettings
from sernet_edge.train.tensorflow_setup import quietly
from sernet_edge.train.windows import TrainingWindows

Int16 = NDArray[np.int16]
Rows = Callable[[Float64, Contract], Float64]

TRAINED = ("anger", "fear", "happiness", "neutral", "sadness")
TESTED = ("anger", "happiness", "neutral", "sadness")

AS_RECORDED, AFTER_NOISE = "as recorded", "after noise"

CONDITIONS = {
    AS_RECORDED: "",
    "20 dB quieter": "",
    "20 dB louder": "what is above full scale is clipped",
    AFTER_NOISE: "3 s of noise as loud as the recording come before it",
    "other microphone": "little below 300 Hz, 8 dB more around 3.5 kHz",
}
"""Conditions by name, with further explanation."""

_GAINS_DB = {AS_RECORDED: 0.0, "20 dB quieter": -20.0, "20 dB louder": 20.0}
_NOISE_S = 3.0

# Number of changed windows of each recording, and of windows without speech.
_COPIES = 8
_NONE_WINDOWS = 3000


def shorter(recipe: Recipe, epochs: int) -> Recipe:
    """Return a recipe with this number of epochs, which averages the same share of them."""
    average = max(1, round(recipe.average_epochs * epochs / recipe.epochs))
    return replace(recipe, epochs=epochs, average_epochs=average)


def cepstrum(logs: Float64, contract: Contract) -> Float64:
    """Convert log mel energies (frames, bands) to MFCCs (frames, features)."""
    cepstrum: Float64 = logs @ dct_matrix(contract).T
    return cepstrum


@dataclass(frozen=True)
class Speech:
    """Recordings as log mel energies, float32 (frames, bands), to which any level can be applied.

    Attributes:
        corpora: The corpora.
        recipe: The recipe of the changes.
        recordings: All recordings.
        changed: The training windows of each recording.
        nobody: Windows without speech.
        heard: By condition, each whole recording, with the noise before it if there is any.
        before: Frames before the recordings in the condition `AFTER_NOISE`.
        noise: The noise of the changes.
    """

    corpora: CorpusChoice
    recipe: Recipe
    recordings: Sequence[Recording]
    changed: Sequence[Sequence[Float32]]
    nobody: Sequence[Float32]
    heard: Mapping[str, Sequence[Float32]]
    before: int
    noise: Noise

    @staticmethod
    def read(
        corpora: CorpusChoice,
        noise_folder: Path,
        recipe: Recipe,
        conditions: Sequence[str],
        progress: Progress,
    ) -> Speech:
        """Read, change and analyse recordings and noise."""
        settings = ModelSettings.of_architecture(corpora, System.architecture, recipe)
        contract = settings.new_contract(TRAINED)
        recordings = read_corpus(corpora.utterances(), contract, progress=progress).recordings
        noise = Noise.read(noise_folder, contract.sample_rate_hz)
        # Mel energies, neither standardised nor clipped.
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
        nobody = [maker.none_window(rng) for _ in range(_NONE_WINDOWS)]
        before = round(_NOISE_S / contract.frame_step_s)
        front_end, heard = FastFrontEnd(bands), {}
        progress.begin("condition", len(conditions), line_every=1)
        for condition in conditions:
            heard[condition] = [
                feature_rows(
                    front_end, _heard(r.samples, condition, noise.testing, before, i, bands)
                ).astype(np.float32)
                for i, r in enumerate(recordings)
            ]
            progress.advance()
        return Speech(corpora, recipe, recordings, changed, nobody, heard, before, noise)


def _heard(
    samples: Int16,
    condition: str,
    noise: Sequence[NoiseClip],
    before: int,
    index: int,
    contract: Contract,
) -> Int16:
    """Return a recording under a condition, padded with silence to a window's length."""
    silence = max(0, contract.window_samples - len(samples))
    if condition in _GAINS_DB:
        heard = to_int16(samples * 10 ** (_GAINS_DB[condition] / 20))
    elif condition == AFTER_NOISE:
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


class BankWindows(TrainingWindows):
    """Draws training windows from those that were changed before.

    Attributes:
        training: The training recordings.
    """

    def __init__(
        self,
        contract: Contract,
        recipe: Recipe,
        speech: Speech,
        rows: Rows,
        training: Sequence[Recording],
    ) -> None:
        """Prepare to draw windows of `training` from `speech`; see `System` for `rows`."""
        super().__init__(contract, recipe, speech.noise)
        self.training, self._speech, self._rows = training, speech, rows
        self._place = {id(recording): i for i, recording in enumerate(speech.recordings)}

    def training_window(
        self, recording: Recording, rng: np.random.Generator, segment: int = 0
    ) -> Float32:
        """Return one of the recording's windows; see `TrainingWindows`."""
        return self._drawn_window(self._speech.changed[self._place[id(recording)]], rng)

    def none_window(self, rng: np.random.Generator) -> Float32:
        """Return a window without speech; see `TrainingWindows`."""
        return self._drawn_window(self._speech.nobody, rng)

    def _drawn_window(self, windows: Sequence[Float32], rng: np.random.Generator) -> Float32:
        """Return one of `windows` as the network's input, (frames, features)."""
        # The level is computed over the whole window, like earlier audio in a stream.
        rows = self._rows(windows[rng.integers(len(windows))].astype(np.float64), self.contract)
        frames = self.training_contract.window_frames
        start = int(rng.integers(len(rows) - frames + 1))
        return self._front_end.window_features(rows[start : start + frames])


@dataclass(frozen=True)
class System:
    """One of the compared ways to train a network.

    Attributes:
        rows: Converts log mel energies, float64 (frames, bands), to MFCCs (frames, features).
        architecture: Its name.
        changes: Changed settings of the recipe.
        windows: Draws the training windows.
        is_adversarial: Whether the embedding must hide the corpus; see `gradient_reversal`.
    """

    rows: Rows = cepstrum
    architecture: str = "light-sernet-stream-half"
    changes: Mapping[str, Any] = field(default_factory=dict)
    windows: type[BankWindows] = BankWindows
    is_adversarial: bool = False

    def uar(self, speech: Speech, seed: int, tested: str) -> dict[str, float]:
        """Train on all corpora except `tested`; return its mean recall in percent by condition."""
        with quietly():
            import keras
        from sernet_edge.train.fit import Fit
        from sernet_edge.train.models import build

        keras.backend.clear_session()
        keras.utils.set_random_seed(seed)
        settings = ModelSettings.of_architecture(speech.corpora, self.architecture, speech.recipe)
        recipe, contract = replace(settings.recipe, **self.changes), settings.new_contract(TRAINED)
        if not contract.stride_frames:
            recipe = replace(recipe, training_frames=0)
        contract = self._with_statistics(contract, speech, tested)
        training = [r for r in speech.recordings if r.utterance.corpus != tested]
        model = build(self.architecture, contract, recipe.batch_norm_momentum)
        kind: type[Fit] = Fit
        if self.is_adversarial:
            from gradient_reversal import ReversedFit

            kind = ReversedFit
        with tempfile.TemporaryDirectory() as scratch:
            windows = self.windows(contract, recipe, speech, self.rows, training)
            fit = kind(model, windows, training, seed, Path(scratch) / "checkpoint.npz")
            fit.run(lambda epoch, entry: None)
            fit.finish()
        return self._tested(fit.model, contract, speech, tested)

    def _with_statistics(self, contract: Contract, speech: Speech, tested: str) -> Contract:
        """Return `contract` with the mean and deviation of the training corpora's features."""
        front_end, rows = FrontEnd(contract), []
        for recording, heard in zip(speech.recordings, speech.heard[AS_RECORDED], strict=True):
            if recording.utterance.corpus != tested:
                features = self.rows(heard.astype(np.float64), contract)
                if contract.level == "window":
                    front_end.subtract_level(features, front_end.levels(features).mean())
                rows.append(features)
        stacked: Any = np.concatenate(rows)
        return contract.replace(
            mean=tuple(stacked.mean(axis=0).tolist()), std=tuple(stacked.std(axis=0).tolist())
        )

    def _tested(
        self, model: Any, contract: Contract, speech: Speech, tested: str
    ) -> dict[str, float]:
        from sernet_edge.train.fit import predict

        front_end = FrontEnd(contract)
        numbers = [
            i
            for i, r in enumerate(speech.recordings)
            if r.utterance.corpus == tested and r.utterance.label in TESTED
        ]
        truth = np.array([speech.recordings[i].utterance.label for i in numbers])
        figures = {}
        for condition, heard in speech.heard.items():
            skip = speech.before if condition == AFTER_NOISE else 0
            cut = [
                cut_windows(front_end, self.rows(heard[i].astype(np.float64), contract)[skip:])
                for i in numbers
            ]
            guess = np.array(contract.labels)[predict(model, cut).argmax(axis=1)]
            recalls = [float(np.mean(guess[truth == label] == label)) for label in TESTED]
            figures[condition] = round(100 * float(np.mean(recalls)), 2)
        return figures


def comparison(
    systems: Mapping[str, System], conditions: Sequence[str], seeds: int, about: str
) -> click.Command:
    """Return the command that compares systems on corpora that are not used in training.

    Args:
        systems: The systems to compare, by name.
        conditions: The conditions of the test, from `CONDITIONS`.
        seeds: The default number of seeds of each system.
        about: The help text.
    """

    @click.command(help=about)
    @click.argument("noise", type=click.Path(path_type=Path, exists=True))
    @corpus_option("Corpus ({names}) and its folder.")
    @map_option
    @click.option("--seeds", type=click.IntRange(1), default=seeds, show_default=True)
    @click.option("--epochs", type=click.IntRange(1), default=20, show_default=True)
    @click.option("--out", type=click.Path(path_type=Path), required=True, help="*.json")
    def compare(
        noise: Path,
        corpora: tuple[CorpusFolder, ...],
        mapping: dict[str, str],
        seeds: int,
        epochs: int,
        out: Path,
    ) -> None:
        progress, choice = TerminalProgress(), CorpusChoice(corpora, TRAINED, mapping)
        recipe = shorter(RECIPES["voices"], epochs)

        def read() -> Speech:
            return Speech.read(choice, noise, recipe, conditions, progress)

        measure(systems, seeds, out, read, [folder.name for folder in choice.folders], progress)

    return compare


def measure(
    systems: Mapping[str, System],
    seeds: int,
    out: Path,
    read: Callable[[], Speech],
    corpora: Sequence[str],
    progress: Progress,
) -> None:
    """Write the figures of `systems` that `out` lacks to `out`.

    Args:
        systems: The systems to compare, by name.
        seeds: Number of seeds of each.
        out: A JSON file: the recipe's epochs, and figures by "SYSTEM, seed SEED, CORPUS".
        read: Called if a figure is missing.
        corpora: Each is the test corpus once with each system and seed.
        progress: Receives messages.
    """
    figures = json.loads(out.read_text())["figures"] if out.exists() else {}
    missing = [
        (name, seed, corpus)
        for seed in range(1, seeds + 1)
        for name in systems
        for corpus in corpora
        if f"{name}, seed {seed}, {corpus}" not in figures
    ]
    speech = read() if missing else None
    for name, seed, corpus in missing:
        assert speech is not None
        key = f"{name}, seed {seed}, {corpus}"
        progress.say(key)
        figures[key] = systems[name].uar(speech, seed, corpus)
        document = {"epochs": speech.recipe.epochs, "figures": figures}
        write_text(out, json.dumps(document, indent=1) + "\n")
        progress.say(", ".join(f"{condition} {uar}" for condition, uar in figures[key].items()))
