"""The training loop, in Keras alone, so that any Keras backend can run it.

Every random choice depends only on the seed, the epoch and the position in it, so a run that was
stopped continues from its checkpoint with the same results.
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_bytes
from sernet_edge.runtime.frontend import Float32
from sernet_edge.train.ahead import ahead
from sernet_edge.train.balance import drawn_shares, known_labels
from sernet_edge.train.initial_weights import InitialWeights
from sernet_edge.train.losses import (
    Batch,
    Objective,
    among_known,
    balanced_weights,
    mixed_among_known,
)
from sernet_edge.train.models import DEFAULT_ARCHITECTURE, build
from sernet_edge.train.models.twin import training_twin
from sernet_edge.train.new_contract import with_statistics
from sernet_edge.train.noise import Noise
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import Recording
from sernet_edge.train.windows import TrainingSet, TrainingWindows, mean_by_recording

History = list[dict[str, float]]


class Fit:
    """One training run: a model, its optimiser and the epochs done so far.

    Attributes:
        model: The model to train, from (batch, frames, features, 1) to scores.
        taken: Names of the layers that start from another model's weights.
        not_taken: Names of the layers that do not, if there is another model.
        windows: Cuts the windows; its contract is the model's.
        history: One entry an epoch: the mean training loss and accuracy; if there are several
            losses, each of them, too.
        checkpoint: The file from which a stopped run continues. The caller removes it when the
            trained model is saved.
    """

    def __init__(
        self,
        model: keras.Model,
        windows: TrainingWindows,
        recordings: Sequence[Recording],
        seed: int,
        checkpoint: Path,
        initial_weights: InitialWeights | None = None,
    ) -> None:
        """Prepare to train `model`, or to continue from `checkpoint`.

        Args:
            model: A freshly built model; see `models`.
            windows: Cuts and augments the windows; its recipe is used.
            recordings: The recordings to train on.
            seed: Seed of every random choice.
            checkpoint: Written after each epoch.
            initial_weights: The model's first weights, where they fit; None: the seed's random
                weights.

        Raises:
            SernetError: The checkpoint belongs to a run with other settings, or no layer fits the
                initial weights.
        """
        self.model, self.history = model, History()
        initial = initial_weights.sha256 if initial_weights else None
        self._identity = _identity(model, windows, recordings, seed, initial)
        self.taken, self.not_taken = (
            initial_weights.give_to(model, windows.contract.labels) if initial_weights else ([], [])
        )
        self.windows, self._seed = windows, seed
        self._training = TrainingSet(windows, recordings)
        self._recipe = recipe = windows.recipe
        labels, utterances = windows.contract.labels, self._training.utterances
        self._targets = np.eye(len(labels), dtype=np.float32)[
            [labels.index(utterance.label) for utterance in utterances]
        ]
        self._known = known_labels(utterances, labels)
        self._shares = drawn_shares(utterances, recipe)
        # The model that the steps change; `model` gets its weights after each epoch.
        frames = windows.training_contract.window_frames
        self._learner = training_twin(model, frames, recipe.precision)
        self._label_weights = balanced_weights(self._targets) if recipe.class_weights else None
        if self._label_weights is not None and recipe.none_share:
            self._label_weights[windows.contract.none_index] = 1.0  # the recipe sets its share
        self._objective = Objective(self._learner, frames, recipe, self._known is not None)
        trained = self._objective.trained
        trained.optimizer.build(trained.trainable_variables)
        self._average: list[Any] = [np.zeros_like(weight) for weight in model.get_weights()]
        self.checkpoint = checkpoint
        if checkpoint.exists():
            self._restore()

    def run(self, report: Callable[[int, dict[str, float]], None]) -> None:
        """Train the remaining epochs, and call `report(epoch, entry)` after each.

        Raises:
            SernetError: The loss or a weight is no longer a number; the last checkpoint stays.
        """
        averaged = min(self._recipe.average_epochs, self._recipe.epochs)
        for epoch in range(len(self.history), self._recipe.epochs):
            entry = self._epoch(epoch)
            weights = self._follow()
            trained = self._objective.trained.get_weights()
            # Damage by the last step shows only in the weights.
            if not all(np.isfinite(values).all() for values in (entry["loss"], *trained)):
                kept = f"; {self.checkpoint} holds the epoch before" if epoch else ""
                raise SernetError(
                    f"training diverged in epoch {epoch + 1}: the loss or a weight is no longer "
                    f"a number{kept}",
                    hint="delete the checkpoint, if it exists, and lower --learning-rate",
                )
            self.history.append(entry)
            if not self._recipe.ema and epoch >= self._recipe.epochs - averaged:
                for total, weight in zip(self._average, weights, strict=True):
                    total += weight / np.float32(averaged)
            self._save()
            report(epoch, entry)

    def finish(self) -> None:
        """Set the model's final, averaged weights."""
        self.model.set_weights(self._average)

    def _follow(self) -> list[Any]:
        """Copy the trained weights to the model, and return them."""
        weights: list[Any] = self._learner.get_weights()
        if self.model is not self._learner:
            self.model.set_weights(weights)
        return weights

    def _epoch(self, epoch: int) -> dict[str, float]:
        recipe, order = self._recipe, self._order(epoch)
        count, size = len(order), recipe.batch_size
        optimiser = self._objective.trained.optimizer
        batches = [order[i : i + size] for i in range(0, count, size)]
        totals: defaultdict[str, float] = defaultdict(float)

        def made(step: int) -> Batch:
            return self._batch(batches[step], np.random.default_rng([self._seed, epoch, step]))

        for step, batch in enumerate(ahead(made, len(batches))):
            optimiser.learning_rate = recipe.learning_rate_at(epoch, step, len(batches))
            for name, value in self._objective.step(batch).items():
                totals[name] += value * len(batches[step])
            if recipe.ema:
                self._average_step(epoch * len(batches) + step)
        return {name: total / count for name, total in totals.items()}

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """Return the numbers of the windows of an epoch, in order."""
        rng, count = np.random.default_rng([self._seed, epoch]), len(self._training)
        if self._shares is None:
            return rng.permutation(count)
        drawn = self._recipe.steps * self._recipe.batch_size or count
        return rng.choice(count, drawn, p=self._shares)

    def _average_step(self, steps_before: int) -> None:
        """Add the current weights to their exponential moving average."""
        decay = self._recipe.ema
        # Bias-corrected, as in Adam: the initial value, 0, gets no weight in the average.
        share = np.float32((1 - decay) / (1 - decay ** (steps_before + 1)))
        for average, weight in zip(self._average, self._learner.get_weights(), strict=True):
            average += share * (weight - average)

    def _batch(self, indices: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        drawn_windows, is_none = self._training.windows(indices.tolist(), rng)
        inputs: Any = drawn_windows[..., None]
        labels: Any = self._targets[indices]
        if is_none.any():
            labels[is_none] = np.eye(labels.shape[1])[self.windows.contract.none_index]
        smoothing = self._recipe.label_smoothing
        if self._known is None:
            targets = labels * (1 - smoothing) + smoothing / labels.shape[1]
        else:
            known = self._known[indices]
            known[is_none] = 1.0  # a window without speech has none of the labels
            targets = among_known(labels, known, smoothing)
        if self._recipe.mixup:
            drawn = rng.beta(self._recipe.mixup, self._recipe.mixup, len(indices))
            share = drawn.astype(np.float32)[:, None]
            other = rng.permutation(len(indices))
            inputs = share[..., None, None] * inputs + (1 - share[..., None, None]) * inputs[other]
            labels = share * labels + (1 - share) * labels[other]
            if self._known is None:
                targets = share * targets + (1 - share) * targets[other]
            else:
                targets = mixed_among_known(targets, targets[other], share)
        if self._label_weights is not None:
            weights = labels @ self._label_weights[:, None]
            if self._known is None:
                targets *= weights
            else:
                targets[:, :, 0] *= weights[..., None]
        return Batch(inputs, labels, targets.astype(np.float32))

    def _variables(self) -> list[Any]:
        # Everything that training changes: weights, centers and decoder, batch norm statistics,
        # dropout's random state, Adam's moments.
        trained = self._objective.trained
        return [*trained.variables, *trained.optimizer.variables]

    def _save(self) -> None:
        arrays = {f"v{i}": np.asarray(v) for i, v in enumerate(self._variables())}
        arrays |= {f"a{i}": total for i, total in enumerate(self._average)}
        # In memory first: after a write to a full disk, closing a zip file raises once more.
        content = io.BytesIO()
        np.savez(content, identity=self._identity, history=json.dumps(self.history), **arrays)
        write_bytes(self.checkpoint, content.getvalue())

    def _restore(self) -> None:
        try:
            # Opened here: np.load would leave a damaged file open.
            with open(self.checkpoint, "rb") as file, np.load(file) as saved:
                if str(saved["identity"]) != self._identity:
                    raise SernetError(
                        f"{self.checkpoint} is the checkpoint of a run with other settings",
                        hint="repeat those settings to continue it, or delete the file",
                    )
                self.history = json.loads(str(saved["history"]))
                self._average = [saved[f"a{i}"] for i in range(len(self._average))]
                for i, variable in enumerate(self._variables()):
                    variable.assign(saved[f"v{i}"])
            self._follow()
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise SernetError(
                f"the checkpoint {self.checkpoint} is damaged: {error}", hint="delete it"
            ) from error


def _identity(
    model: keras.Model,
    windows: TrainingWindows,
    recordings: Sequence[Recording],
    seed: int,
    initial: str | None,
) -> str:
    """Return a text that is equal for two runs only if all their settings are equal."""
    return json.dumps(
        {
            "recipe": dataclasses.asdict(windows.recipe),
            "contract": windows.contract.id,
            "seed": seed,
            "model": model.name,
            "initial": initial,
            "files": [recording.utterance.path.name for recording in recordings],
            "noise": windows.noise.digest if windows.noise else None,
            "labels": [recording.utterance.label for recording in recordings],
        },
        sort_keys=True,
    )


def start(
    contract: Contract,
    recipe: Recipe,
    recordings: Sequence[Recording],
    seed: int,
    checkpoint: Path,
    architecture: str = DEFAULT_ARCHITECTURE,
    initial_weights: InitialWeights | None = None,
    noise: Noise | None = None,
) -> Fit:
    """Prepare to train a model on `recordings`, whose statistics complete `contract`.

    Args:
        contract: The new model's contract, without statistics.
        recipe: See `Fit`.
        recordings: See `Fit`.
        seed: See `Fit`.
        checkpoint: See `Fit`.
        architecture: Its name in `models.ARCHITECTURES`.
        initial_weights: The first weights; None: the seed's random ones.
        noise: See `TrainingWindows`.

    Raises:
        SernetError: The recordings cannot be used for training, or see `Fit`.
    """
    contract = with_statistics(contract, recordings)
    keras.utils.set_random_seed(seed)
    windows = TrainingWindows(contract, recipe, noise)
    model = build(architecture, contract, recipe.batch_norm_momentum)
    return Fit(model, windows, recordings, seed, checkpoint, initial_weights)


def predict(model: keras.Model, cut: Sequence[Float32]) -> np.ndarray[Any, Any]:
    """Return a row of scores for each recording, the mean over its windows.

    Args:
        model: From (batch, frames, features, 1) to softmax scores.
        cut: Each recording's windows, float32 (windows, frames, features).

    Returns:
        float32 (recordings, labels).
    """
    scores = score_windows(model, cut)
    return mean_by_recording(scores, cut)


def score_windows(model: keras.Model, cut: Sequence[Float32]) -> np.ndarray[Any, Any]:
    """Return a row of scores for each window of all recordings, in order.

    Args:
        model: From (batch, frames, features, 1) to softmax scores.
        cut: Each recording's windows, float32 (windows, frames, features).

    Returns:
        float32 (windows of all recordings, labels).
    """
    scores = model.predict(np.concatenate(cut)[..., None], batch_size=64, verbose=0)
    return np.asarray(scores)
