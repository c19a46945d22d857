"""LIGHT-SERNET: A. Aftab et al., "LIGHT-SERNET: A lightweight fully convolutional neural network
for speech emotion recognition", ICASSP 2022, with the layers of its authors' code.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, regularizers

_L2 = 1e-6


def light_sernet(
    frames: int, mfcc_count: int, classes: int, batch_norm_momentum: float = 0.99
) -> keras.Model:
    """Build LIGHT-SERNET.

    Args:
        frames: Frames in a window.
        mfcc_count: MFCCs in a frame.
        classes: Emotions.
        batch_norm_momentum: How slowly the batch norms' running statistics follow.

    Returns:
        A model from (batch, frames, mfcc_count, 1) to (batch, classes) softmax scores.
    """

    def convolve(
        x: Any, filters: int, kernel: tuple[int, int], use_bias: bool, pool: tuple[int, int] | None
    ) -> Any:
        x = layers.Conv2D(
            filters,
            kernel,
            padding="same",
            use_bias=use_bias,
            kernel_regularizer=regularizers.L2(_L2),
        )(x)
        x = layers.BatchNormalization(momentum=batch_norm_momentum)(x)
        x = layers.ReLU()(x)
        return layers.AveragePooling2D(pool, padding="same")(x) if pool else x

    inputs = keras.Input((frames, mfcc_count, 1), name="mfcc")
    # Kernels are time x frequency: what changes over time, what lies side by side in
    # the cepstrum, and both.
    paths = [
        convolve(inputs, 32, kernel, use_bias=True, pool=(2, 2))
        for kernel in ((11, 1), (1, 9), (3, 3))
    ]
    x = layers.Concatenate()(paths)
    for filters, pool in ((64, (2, 2)), (96, (2, 2)), (128, (2, 1)), (160, (2, 1))):
        x = convolve(x, filters, (3, 3), use_bias=False, pool=pool)
    x = convolve(x, 320, (1, 1), use_bias=False, pool=None)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    outputs = layers.Dense(
        classes,
        activation="softmax",
        kernel_regularizer=regularizers.L2(_L2),
        name="scores",
    )(x)
    return keras.Model(inputs, outputs, name="light_sernet")
