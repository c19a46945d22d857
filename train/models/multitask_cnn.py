"""A CNN for joint supervision by softmax and center loss with reconstruction as a regulariser, in
the manner of S. Tripathi et al., "Learning discriminative features using center loss and
reconstruction as regularizer for speech emotion recognition", 2019 (arXiv 1906.08873).

The abstract names the losses, and says that they supervise CNNs on spectrograms or MFCCs. It does
not say which layers; the layers here are this project's own, so this is not a reproduction. The
losses are in `losses`; the decoder serves only training.
"""

from __future__ import annotations

import keras
from keras import layers

from sernet_edge.train.models import blocks


def multitask_cnn(
    frames: int, features: int, classes: int, batch_norm_momentum: float = 0.99
) -> keras.Model:
    """Build the network.

    Args:
        frames: Frames in a window.
        features: Features in a frame.
        classes: Emotions.
        batch_norm_momentum: Momentum of the batch norms' running statistics.

    Returns:
        A model from (batch, frames, features, 1) to (batch, classes) softmax scores.
    """
    inputs = x = keras.Input((frames, features, 1), name="features")
    for number, (filters, kernel) in enumerate(((32, 5), (64, 3), (96, 3), (128, 3)), 1):
        name = f"stage{number}"
        x = blocks.convolve(x, name, filters, kernel, batch_norm_momentum)
        x = layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(128, activation="relu", name="embedding")(x)
    return blocks.classifier(inputs, x, classes)
