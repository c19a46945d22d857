"""LIGHT-SERNET: A. Aftab et al., "LIGHT-SERNET: A lightweight fully convolutional neural network
for speech emotion recognition", ICASSP 2022, with the layers of its authors' code.

Its smaller variants are not the authors': the width multiplier and the depthwise-separable
convolutions are MobileNet's (Howard et al. 2017, arXiv 1704.04861).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from sernet_edge.train.models import blocks

# Kernels, time x frequency: for patterns in both, over time, and across the cepstrum. With fewer
# paths, the last of this list is left out first.
_PATHS = {"both": (3, 3), "time": (11, 1), "frequency": (1, 9)}


def light_sernet(
    frames: int,
    features: int,
    classes: int,
    batch_norm_momentum: float = 0.99,
    *,
    width: float = 1.0,
    paths: int = 3,
    separable: bool = False,
    streams: bool = False,
) -> keras.Model:
    """Build LIGHT-SERNET or a smaller variant.

    Args:
        frames: Frames in a window.
        features: Features in a frame.
        classes: Emotions.
        batch_norm_momentum: Momentum of the batch norms' running statistics.
        width: Factor of the channels of every convolution.
        paths: Number of parallel convolutions at the input, 1 to 3.
        separable: Whether the convolutions after the paths filter each channel separately and
            mix the channels afterwards.
        streams: Whether time is not padded. Each row of each layer then depends only on its own
            frames, and all windows with these frames share it. The paths have kernels of
            different heights; their rows are aligned at the newest one.

    Returns:
        A model from (batch, frames, features, 1) to (batch, classes) softmax scores.
    """

    def convolve(
        x: Any, name: str, filters: int, kernel: tuple[int, int], use_bias: bool = False
    ) -> Any:
        filters = round(filters * width)
        return blocks.convolve(
            x, name, filters, kernel, batch_norm_momentum, use_bias=use_bias, streams=streams
        )

    def convolve_each(x: Any, name: str) -> Any:
        if streams:
            x = blocks.pad_width(x, f"{name}_each", 3)
        x = layers.DepthwiseConv2D(
            (3, 3),
            padding="valid" if streams else "same",
            use_bias=False,
            depthwise_regularizer=blocks.regulariser(),
            name=f"{name}_conv",
        )(x)
        return blocks.normalise(x, name, batch_norm_momentum)

    def pool(x: Any, name: str, size: tuple[int, int]) -> Any:
        # "same" divides by the number of existing positions. Streaming windows have whole pools.
        return layers.AveragePooling2D(size, padding="same", name=f"{name}_pool")(x)

    def path(name: str) -> Any:
        kernel, x = _PATHS[name], inputs
        older = max(_PATHS[other][0] for other in kept) - kernel[0]
        if streams and older:
            x = layers.Cropping2D(((older, 0), (0, 0)), name=f"path_{name}_crop")(x)
        return pool(convolve(x, f"path_{name}", 32, kernel, use_bias=True), name, (2, 2))

    inputs = keras.Input((frames, features, 1), name="features")
    kept = list(_PATHS)[:paths]
    # The order is that of the authors' code, since it decides which random weights a layer gets.
    parallel = [path(name) for name in ("time", "frequency", "both") if name in kept]
    x = layers.Concatenate(name="paths")(parallel) if len(parallel) > 1 else parallel[0]
    for number, (filters, size) in enumerate(
        ((64, (2, 2)), (96, (2, 2)), (128, (2, 1)), (160, (2, 1))), 1
    ):
        name = f"block{number}"
        if separable:
            x = convolve_each(x, f"{name}_each")
            x = convolve(x, f"{name}_mix", filters, (1, 1))
        else:
            x = convolve(x, name, filters, (3, 3))
        x = pool(x, name, size)
    x = convolve(x, "mix", 320, (1, 1))
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    return blocks.classifier(inputs, x, classes)
