"""A twin of a model that trains faster: in bfloat16, or on shorter windows.

Its weights stay float32. In bfloat16 (mixed precision), the values between layers are rounded to
eight bits, forwards and backwards. The twin serves only training; the model itself, which gets the
twin's weights, is tested, saved and converted.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from sernet_edge.train.recipe import Precision


class FusedBatchNormalization(layers.BatchNormalization):  # type: ignore[misc]  # has no types
    """Batch normalisation as one operation in training, where TensorFlow has it.

    Keras computes it in a dozen operations, which take much of a training step on a CPU. Here the
    running variance is the sample variance, n / (n - 1) times Keras's, with n in the thousands.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise (batch, height, width, channels)."""
        if not training or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        normalised, mean, variance, *_ = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        for running, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(running * self.momentum + batch * (1 - self.momentum))
        return normalised


def training_twin(model: keras.Model, frames: int, precision: Precision) -> keras.Model:
    """Return a model with the same layers, names and weights, to train in the place of `model`.

    Args:
        model: The model, from (batch, frames, features, 1) to scores.
        frames: Frames in a training window.
        precision: The twin's precision. The last layer and the loss compute in float32.

    Returns:
        The twin; `model` itself if the twin would not differ.
        The twin; `model` itself where nothing is different.
    """
    own_frames = model.input_shape[1]
    if precision == "float32" and frames in (own_frames, None):
        return model

    def copy(layer: Any) -> Any:
        kind, settings = type(layer), layer.get_config()
        # Operations that are not layers compute in their input's type.
        rounds = precision == "bfloat16" and layer.name != "scores"
        if rounds and isinstance(layer, layers.Layer):
            settings["dtype"] = "mixed_bfloat16"
        if kind is layers.BatchNormalization:
            kind = FusedBatchNormalization
        return kind.from_config(settings)

    shorter = None
    if own_frames not in (frames, None):
        shorter = keras.Input((frames, *model.input_shape[2:]), name=model.input.name)
    twin = keras.models.clone_model(model, input_tensors=shorter, clone_function=copy)
    twin.name = model.name
    twin.set_weights(model.get_weights())
    return twin
