"""The losses of training: that of the scores and, if asked for, two more of the embedding.

They are layers and losses of `keras` alone, in a model around the one that is trained. Center loss
(Wen et al., "A discriminative feature learning approach for deep face recognition", ECCV 2016)
pulls embeddings to the center of their class. Reconstruction makes a decoder recover the input from
the embedding, which so keeps information that other speakers may need. Both serve only training:
the saved model has no centers and no decoder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from sernet_edge.train.recipe import Recipe

CENTER_RATE = 0.5
"""Share of the way that centers move to their class's embeddings in one step: Wen's alpha."""

# Each entry of the decoder doubles height and width; these are the channels.
_DECODER_CHANNELS = (16, 16, 8)


def scores_loss(recipe: Recipe) -> keras.losses.Loss:
    """Return the loss of (batch, labels) scores against targets of the same shape."""
    # Label smoothing is applied to the batch, before mixup.
    if recipe.loss == "focal":
        return keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=recipe.focal_gamma)
    return keras.losses.CategoricalCrossentropy()


class LossAmongKnown(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types.
    """The loss of the scores if corpora have different labels.

    The softmax of each window is over the labels of its own corpus: scores of other labels cost
    nothing and are not trained by it. Targets are those of `among_known`.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(name="scores_loss")
        self._gamma = recipe.focal_gamma if recipe.loss == "focal" else 0.0

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return (batch,) from targets (batch, ways, 2, labels) and scores (batch, labels)."""
        wanted, known = y_true[:, :, 0], y_true[:, :, 1]
        scores = ops.expand_dims(ops.maximum(y_pred, keras.config.epsilon()), 1) * known
        shares = scores / ops.sum(scores, axis=-1, keepdims=True)
        losses = -wanted * ops.log(ops.maximum(shares, keras.config.epsilon()))
        if self._gamma:
            losses *= ops.power(1 - shares, self._gamma)
        return ops.sum(losses, axis=(1, 2))


def among_known(
    labels: NDArray[np.float32], known: NDArray[np.float32], smoothing: float
) -> NDArray[np.float32]:
    """Return the targets of windows whose corpora have different labels.

    Args:
        labels: float32 (batch, labels), one-hot.
        known: float32 (batch, labels), 1 for each label of the window's corpus, else 0.
        smoothing: Share of the target that is spread evenly over the known labels.

    Returns:
        float32 (batch, 1, 2, labels): the wanted scores, and the known labels.
    """
    wanted = labels * (1 - smoothing) + smoothing * known / known.sum(axis=1, keepdims=True)
    return np.stack([wanted, known], axis=1)[:, None]


def mixed_among_known(
    targets: NDArray[np.float32], others: NDArray[np.float32], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the targets of pairs of mixed windows; each window keeps its own known labels.

    The loss of a mixed target is the weighted sum of the losses of both targets, as in mixup with a
    single set of labels.

    Args:
        targets: float32 (batch, 1, 2, labels) from `among_known`.
        others: Targets of the windows that are mixed in, likewise.
        share: float32 (batch, 1), the share of the first window in the mix.

    Returns:
        float32 (batch, 2, 2, labels).
    """
    both = np.concatenate([targets, others], axis=1)
    both[:, :, 0] *= np.concatenate([share, 1 - share], axis=1)[..., None]
    return both


def _accuracy_among_known(y_true: Any, y_pred: Any) -> Any:
    """Return (batch,): whether the target's label has the highest score of the known labels."""
    known = ops.max(y_true[:, :, 1], axis=1)
    wanted = ops.sum(y_true[:, :, 0], axis=1)
    return ops.cast(
        ops.equal(ops.argmax(y_pred * known, axis=-1), ops.argmax(wanted, axis=-1)), "float32"
    )


def balanced_weights(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a weight for each label, so that all labels have the same total weight.

    Args:
        targets: float32 (windows, labels), one-hot, of all windows of an epoch.

    Returns:
        float32 (labels,): windows / (labels * windows of the label), with mean 1 over windows; 0
        for a label without windows.
    """
    counts = targets.sum(axis=0)
    shares = len(targets) / np.maximum(counts, 1) / np.count_nonzero(counts)
    return np.where(counts > 0, shares, 0).astype(np.float32)


@dataclass(frozen=True)
class Batch:
    """The windows of one training step.

    Attributes:
        inputs: float32 (batch, frames, features, 1).
        labels: float32 (batch, labels), the share of each label: one-hot unless mixed.
        targets: float32 (batch, labels), the wanted scores times the window's weight, to which
            the losses of the scores are proportional. If corpora have different labels,
            (batch, ways, 2, labels); see `among_known`.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.float32]
    targets: NDArray[np.float32]


class CenterDistance(layers.Layer):  # type: ignore[misc]  # Keras has no types.
    """Half the squared distance of an embedding to its class's center; learns the centers.

    In a training step each center moves by rate * sum(embedding - center) / (1 + count) over its
    class's embeddings, as in Wen et al. With mixed targets (mixup), an embedding belongs to each
    class by its share.
    """

    def build(self, input_shape: Sequence[Sequence[int]]) -> None:
        """Make the centers: (labels, width), all 0."""
        (_, width), (_, labels) = input_shape
        self.centers = self.add_weight(
            shape=(labels, width), initializer="zeros", trainable=False, name="centers"
        )

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        """Return (batch, 1) from embeddings (batch, width) and targets (batch, labels)."""
        embeddings, targets = inputs
        offsets = ops.expand_dims(embeddings, 1) - self.centers  # (batch, labels, width)
        distances = 0.5 * ops.sum(ops.square(offsets), axis=-1)
        if training:
            shares = ops.expand_dims(targets, -1)
            moves = ops.sum(shares * offsets, axis=0) / (1 + ops.sum(shares, axis=0))
            self.centers.assign(self.centers + CENTER_RATE * ops.stop_gradient(moves))
        return ops.sum(targets * distances, axis=-1, keepdims=True)


def decoder(embedding: Any, frames: int, features: int) -> Any:
    """Decode an embedding (batch, width) to an input (batch, frames, features, 1)."""
    factor = 2 ** len(_DECODER_CHANNELS)
    height, width = math.ceil(frames / factor), math.ceil(features / factor)
    first = _DECODER_CHANNELS[0]
    x = layers.Dense(height * width * first, activation="relu", name="decoder_start")(embedding)
    x = layers.Reshape((height, width, first))(x)
    for number, channels in enumerate(_DECODER_CHANNELS, 1):
        x = layers.Conv2DTranspose(
            channels,
            3,
            strides=2,
            padding="same",
            activation="relu",
            name=f"decoder{number}_conv",
        )(x)
    x = layers.Conv2D(1, 3, padding="same", name="decoder_end")(x)
    return x[:, :frames, :features]


class Objective:
    """A model together with all its losses.

    Attributes:
        trained: The compiled Keras model to train: `model` itself, or a model around it with more
            inputs and outputs.
    """

    def __init__(
        self, model: keras.Model, frames: int, recipe: Recipe, among_known: bool = False
    ) -> None:
        """Compile the Keras model that trains `model`.

        Args:
            model: From (batch, frames, features, 1) to scores, with a layer "embedding".
            frames: Frames in a window.
            recipe: Gives the losses and their weights.
            among_known: Whether targets are those of `among_known`.
        """
        self._center, self._reconstruction = bool(recipe.center_loss), bool(recipe.reconstruction)
        loss: Any = LossAmongKnown(recipe) if among_known else scores_loss(recipe)
        accuracy: Any = (
            keras.metrics.MeanMetricWrapper(_accuracy_among_known, name="accuracy")
            if among_known
            else "accuracy"
        )
        # With the scores' loss alone, the model is compiled as it is, so its results cannot change.
        if not self._is_multitask:
            self.trained = model
            self.trained.compile(optimizer=_optimiser(recipe), loss=loss, metrics=[accuracy])
            return
        features, labels = model.input_shape[2], model.output_shape[1]
        inputs = {"features": model.input}
        outputs = {"scores": model.output}
        losses, weights = {"scores": loss}, {"scores": 1.0}
        embedding = model.get_layer("embedding").output
        if self._center:
            inputs["labels"] = keras.Input((labels,), name="labels")
            outputs["center"] = CenterDistance(name="center")([embedding, inputs["labels"]])
            # The absolute error of positive values relative to 0 is their mean.
            losses["center"], weights["center"] = "mean_absolute_error", recipe.center_loss
        if self._reconstruction:
            outputs["reconstruction"] = decoder(embedding, frames, features)
            losses["reconstruction"] = "mean_squared_error"
            weights["reconstruction"] = recipe.reconstruction
        self.trained = keras.Model(inputs, outputs, name=f"{model.name}_training")
        self.trained.compile(
            optimizer=_optimiser(recipe),
            loss=losses,
            loss_weights=weights,
            metrics={"scores": [accuracy]},
        )

    @property
    def _is_multitask(self) -> bool:
        return self._center or self._reconstruction

    def step(self, batch: Batch) -> dict[str, float]:
        """Train on one batch.

        Returns:
            "loss", the minimised sum; "accuracy"; with more losses "scores_loss", "center_loss"
            and "reconstruction_loss", each unweighted.
        """
        if not self._is_multitask:
            results = self.trained.train_on_batch(batch.inputs, batch.targets, return_dict=True)
            return {name: float(value) for name, value in results.items()}
        given, wanted = {"features": batch.inputs}, {"scores": batch.targets}
        if self._center:
            given["labels"] = batch.labels
            wanted["center"] = np.zeros((len(batch.inputs), 1), np.float32)
        if self._reconstruction:
            wanted["reconstruction"] = batch.inputs
        results = self.trained.train_on_batch(given, wanted, return_dict=True)
        named = {name: float(value) for name, value in results.items()}
        named["accuracy"] = named.pop("scores_accuracy")
        return named


def _optimiser(recipe: Recipe) -> keras.optimizers.Optimizer:
    if recipe.weight_decay:
        return keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay)
    return keras.optimizers.Adam(recipe.learning_rate)
