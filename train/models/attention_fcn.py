"""An attention-based fully convolutional network, after Y. Zhang, J. Du, Z. Wang, J. Zhang and
Y. Tu, "Attention based fully convolutional network for speech emotion recognition", APSIPA 2018
(arXiv 1806.01506).

Its abstract says: fully convolutional, for speech of any length; attention to time-frequency
regions of a spectrogram; a start from a network trained on images.

Not confirmed by the abstract: the convolutions in AlexNet's style, and the attention as it is
reported of the paper (see `attend`). Ours: kernels, strides and channels, which are AlexNet's own
without its groups; "same" padding, so that short windows pass; batch normalisation in the place
of local response normalisation, which has no int8 form; the attention as wide as the channels;
dropout; the spectrogram, which is the contract's (64 ms frames every 16 ms, standardised), and
training on windows of one length. Weights from ImageNet are not part of this project; `--init`
starts from any model of this family instead.

Scaled down in attention-fcn-small: every layer has a quarter of the channels.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from sernet_edge.train.models import blocks

ATTENTION_SCALE = 0.3
"""The paper's lambda: below 1 it spreads the attention over more positions."""


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
        frames: Not looked at: it takes windows of any length from 1 frame on; conversion
            fixes the length.
        features: Features in a frame.
        classes: Emotions.
        batch_norm_momentum: How slowly the batch norms' running statistics follow.
        width: Multiplies the channels of every convolution.

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

    With a_i the channels at position i, e_i = u . tanh(W a_i + b), and the weights are
    softmax(lambda e) over all positions.

    That softmax is computed in two steps, exactly: over the frequencies of each time, and over
    the times, by their log-sum-exp. A softmax has steps of 1/256 in int8. With some 150 positions
    at once most weights would be one or two such steps; over a dozen at a time they are not.

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
    # log_softmax(e) is e minus the log-sum-exp, at every frequency; the mean of the
    # differences averages int8's rounding out.
    log_sum_exp = ops.mean(e - ops.log_softmax(e, axis=-1), axis=-1)
    within = layers.Softmax(name="attention_within_times")(e)
    across = layers.Softmax(name="attention_across_times")(log_sum_exp)
    # (batch, times, 1, frequencies) x (batch, times, frequencies, channels)
    times = ops.matmul(layers.Reshape((-1, 1, frequencies))(within), positions)
    times = layers.Reshape((-1, channels))(times)
    # (batch, 1, times) x (batch, times, channels)
    summed = ops.matmul(layers.Reshape((1, -1))(across), times)
    return layers.Reshape((channels,), name="embedding")(summed)
