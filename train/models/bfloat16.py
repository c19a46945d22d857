"""A twin of a model that computes in bfloat16, to train it in less time.

Its weights stay float32 (mixed precision): what is rounded to bfloat16's eight bits is what flows
between layers, forwards and backwards. A twin is for training alone; what is tested, saved and
converted is the float32 model, which takes the twin's weights.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


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


def bfloat16_twin(model: keras.Model) -> keras.Model:
    """Return a model of the same layers, names and weights that computes in bfloat16.

    The last layer computes in float32, as does the loss that follows it.
    """

    def copy(layer: Any) -> Any:
        kind, settings = type(layer), layer.get_config()
        # Operations that are no layers compute in what they are given.
        if isinstance(layer, layers.Layer) and layer.name != "scores":
            settings["dtype"] = "mixed_bfloat16"
        if kind is layers.BatchNormalization:
            kind = FusedBatchNormalization
        return kind.from_config(settings)

    twin = keras.models.clone_model(model, clone_function=copy)
    twin.name = model.name
    twin.set_weights(model.get_weights())
    return twin
