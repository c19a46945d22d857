"""An attention-based fully convolutional network, after Y. Zhang, J. Du, Z. Wang, J. Zhang and
Y. Tu, "Attention based fully convolutional network for speech emotion recognition", APSIPA 2018
(arXiv 1806.01506).

Its abstract says: fully convolutional, for speech of any length; attention to time-frequency
regions of a spectrogram; initial weights from a network trained on images.

The abstract does not confirm the convolutions in AlexNet's style, nor the details of the attention
(see `attend`), which are as others report them. These choices are this project's: kernels, strides
and channels, which are AlexNet's without its groups; "same" padding, so that short windows work;
batch normalisation instead of local response normalisation, which has no int8 form; an attention as
wide as the channels; dropout; the spectrogram, which is the contract's (64 ms frames every 16 ms,
standardised); and training on windows of one length. Weights from ImageNet are not part of this
project; `--init` starts from any model of this family instead.

attention-fcn-small is smaller: every layer has a quarter of the channels.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from sernet_edge.train.models import blocks

ATTENTION_SCALE = 0.3
"""The paper's lambda; a value below 1 spreads the attention over more positions."""


def attention_fcn(
    frames: int | None,
    features: int,
    classes: int,
    batch_norm_momentum: float = 0.99,
    *,
    width: float = 1.0,
) -> keras.Model:
    """Build the network.

    Args:
        frames: Not used: the network takes windows of 1 frame or more; conversion fixes the
            length.
        features: Features in a frame.
        classes: Emotions.
        batch_norm_momentum: Momentum of the batch norms' running statistics.
        width: Factor of the channels of every convolution.

    Returns:
        A model from (batch, any number of frames, features, 1) to (batch, classes) softmax
        scores.
    """

    def convolve(x: Any, name: str, filters: int, kernel: int, stride: int = 1) -> Any:
        filters = round(filters * width)
        return blocks.convolve(x, name, filters, kernel, batch_norm_momentum, strides=stride)

    def pool(x: Any, name: str) -> Any:
        return layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)

    inputs = keras.Input((None, features, 1), name="features")
    x = pool(convolve(inputs, "layer1", 96, 11, stride=4), "layer1")
    x = pool(convolve(x, "layer2", 256, 5), "layer2")
    x = convolve(x, "layer3", 384, 3)
    x = convolve(x, "layer4", 384, 3)
    x = pool(convolve(x, "layer5", 256, 3), "layer5")
    return blocks.classifier(inputs, attend(x), classes)


def attend(positions: Any) -> Any:
    """Return the sum of all positions, each weighted by its attention.

    For a position i with channels a_i, e_i = u . tanh(W a_i + b); the weights are
    softmax(lambda e) over all positions.

    The softmax is computed exactly in two steps: over the frequencies at each time, then over the
    times by their log-sum-exp. An int8 softmax has steps of 1/256. Over some 150 positions at once,
    most weights would be one or two steps; over a dozen they are larger.

    Args:
        positions: (batch, times, frequencies, channels); only the number of times may be unknown.

    Returns:
        (batch, channels), named "embedding".
    """
    _, _, frequencies, channels = positions.shape
    e = layers.Conv2D(channels, 1, activation="tanh", name="attention_hidden")(positions)
    e = layers.Conv2D(1, 1, use_bias=False, name="attention_energy")(e)
    e = layers.Rescaling(ATTENTION_SCALE, name="attention_scale")(e)
    e = layers.Reshape((-1, frequencies), name="attention_rows")(e)
    # e - log_softmax(e) is the log-sum-exp, at every frequency. Their mean averages out int8's
    # rounding errors.
    log_sum_exp = ops.mean(e - ops.log_softmax(e, axis=-1), axis=-1)
    within = layers.Softmax(name="attention_within_times")(e)
    across = layers.Softmax(name="attention_across_times")(log_sum_exp)
    # (batch, times, 1, frequencies) x (batch, times, frequencies, channels)
    times = ops.matmul(layers.Reshape((-1, 1, frequencies))(within), positions)
    times = layers.Reshape((-1, channels))(times)
    # (batch, 1, times) x (batch, times, channels)
    summed = ops.matmul(layers.Reshape((1, -1))(across), times)
    return layers.Reshape((channels,), name="embedding")(summed)
