"""A twin of a model that is trained in less time: in bfloat16, or on shorter windows.

Its weights stay float32. With bfloat16 (mixed precision) what is rounded to eight bits is what
flows between layers, forwards and backwards. A twin is for training alone; what is tested, saved
and converted is the model, which takes the twin's weights.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from sernet_edge.train.recipe import Precision


class FusedBatchNormalization(layers.BatchNormalization):  # type: ignore[misc]  # has no types
    """Batch normalisation as one operation where TensorFlow has it, in training.

    Keras computes it in a dozen, a good part of a training step on a CPU. The running variance is
    that of a sample here, n / (n - 1) times Keras's, of n in the thousands and more.
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
    """Return a model of the same layers, names and weights to train in the place of `model`.

    Args:
        model: From (batch, frames, features, 1) to scores.
        frames: Frames in a window to train on.
        precision: What the twin computes in. The last layer computes in float32, as does the
            loss that follows it.

    Returns:
        The twin; `model` itself where nothing is different.
    """
    own_frames = model.input_shape[1]
    if precision == "float32" and frames in (own_frames, None):
        return model

    def copy(layer: Any) -> Any:
        kind, settings = type(layer), layer.get_config()
        # Operations that are not layers compute in the type of their input.
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
