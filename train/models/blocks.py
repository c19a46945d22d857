"""Parts that the architectures share: the weights' regulariser, what follows a convolution, and the
end of a network.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, regularizers

_L2 = 1e-6
_DROPOUT = 0.3


def regulariser() -> regularizers.Regularizer:
    """Return the regulariser for the weights of a convolution or the last layer."""
    return regularizers.L2(_L2)


def convolve(
    x: Any,
    name: str,
    filters: int,
    kernel: int | tuple[int, int],
    batch_norm_momentum: float,
    *,
    strides: int = 1,
    use_bias: bool = False,
    streams: bool = False,
) -> Any:
    """Convolve with zero padding, normalise over the batch and rectify.

    Args:
        x: (batch, height, width, channels).
        name: Start of the layers' names: `name`_conv, `name`_norm, `name`_relu.
        filters: Channels of the result.
        kernel: Height and width, or one number for both.
        batch_norm_momentum: Momentum of the batch norm's running statistics.
        strides: Strides of the convolution in both directions.
        use_bias: Whether the convolution has a bias, beside the batch norm's.
        streams: Whether only the width is padded, so that no row depends on a window's ends.

    Returns:
        (batch, height / strides, width / strides, filters), rounded up; if it `streams`, the
        height is only as many rows as the kernel fits in.
    """
    if streams:
        x = pad_width(x, name, kernel if isinstance(kernel, int) else kernel[1])
    x = layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding="valid" if streams else "same",
        use_bias=use_bias,
        kernel_regularizer=regulariser(),
        name=f"{name}_conv",
    )(x)
    return normalise(x, name, batch_norm_momentum)


def pad_width(x: Any, name: str, kernel: int) -> Any:
    """Pad (batch, height, width, channels) with zeros left and right, as "same" padding does."""
    if kernel == 1:
        return x
    sides = ((kernel - 1) // 2, kernel // 2)
    return layers.ZeroPadding2D(((0, 0), sides), name=f"{name}_pad")(x)


def normalise(x: Any, name: str, batch_norm_momentum: float) -> Any:
    """Normalise over the batch and rectify; see `convolve`."""
    x = layers.BatchNormalization(momentum=batch_norm_momentum, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def classifier(inputs: Any, embedding: Any, classes: int) -> keras.Model:
    """Return the model from `inputs` to softmax scores: dropout and a dense layer.

    Args:
        inputs: The network's input.
        embedding: (batch, channels), computed from `inputs`.
        classes: Emotions.
    """
    x = layers.Dropout(_DROPOUT, name="dropout")(embedding)
    outputs = layers.Dense(
        classes, activation="softmax", kernel_regularizer=regulariser(), name="scores"
    )(x)
    return keras.Model(inputs, outputs)
