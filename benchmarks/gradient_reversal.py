"""Trains a network with an embedding that hides the corpus of a window.

Ganin and Lempitsky, "Unsupervised Domain Adaptation by Backpropagation" (ICML 2015): a classifier
is trained to find the corpus from the embedding, and the embedding is trained to prevent it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from sernet_edge.train.fit import Fit
from sernet_edge.train.losses import Batch

WEIGHT = 0.3
"""Weight of the corpus classifier's loss, and of its reversed gradient."""

_HIDDEN = 64


class Reversal(layers.Layer):  # type: ignore[misc]  # Keras has no types.
    """Returns its inputs unchanged, and reverses the sign of their gradient."""

    def call(self, inputs: Any) -> Any:
        """Return the inputs."""
        return ops.stop_gradient(2 * inputs) - inputs


@dataclass(frozen=True)
class CorpusBatch(Batch):
    """A batch with the corpora of its windows, int32 (batch,)."""

    corpora: NDArray[np.int32]


class _Adversary:
    """The objective of `ReversedFit`: the losses of the scores and of the corpora."""

    def __init__(self, model: keras.Model, scores: keras.Model, corpora: int) -> None:
        hidden = Reversal(name="reversal")(model.get_layer("embedding").output)
        hidden = layers.Dense(_HIDDEN, activation="relu", name="corpus_hidden")(hidden)
        corpus = layers.Dense(corpora, activation="softmax", name="corpus", dtype="float32")(hidden)
        outputs = {"scores": model.output, "corpus": corpus}
        self.trained = keras.Model(model.input, outputs, name=f"{model.name}_reversal")
        optimizer = scores.optimizer
        self.trained.compile(
            optimizer=type(optimizer).from_config(optimizer.get_config()),
            loss={"scores": scores.loss, "corpus": "sparse_categorical_crossentropy"},
            loss_weights={"scores": 1.0, "corpus": WEIGHT},
        )

    def step(self, batch: CorpusBatch) -> dict[str, float]:
        wanted = {"scores": batch.targets, "corpus": batch.corpora}
        results = self.trained.train_on_batch(batch.inputs, wanted, return_dict=True)
        return {"accuracy": 0.0, **{name: float(value) for name, value in results.items()}}


class ReversedFit(Fit):
    """`Fit` with a corpus classifier. Its recipe has no mixup: a mixed window has no corpus."""

    def __init__(self, *settings: Any) -> None:
        """Prepare the training; see `Fit`."""
        super().__init__(*settings)
        names = [utterance.corpus for utterance in self._training.utterances]
        self._corpora = np.unique(names, return_inverse=True)[1].astype(np.int32)
        count = int(self._corpora.max()) + 1
        self._objective: Any = _Adversary(self._learner, self._objective.trained, count)
        trained = self._objective.trained
        trained.optimizer.build(trained.trainable_variables)

    def _batch(self, indices: NDArray[np.int64], rng: np.random.Generator) -> CorpusBatch:
        batch = super()._batch(indices, rng)
        return CorpusBatch(batch.inputs, batch.labels, batch.targets, self._corpora[indices])
