"""A network as the engine runs it: layers that make one tensor of rows each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# What a microcontroller's row engine could never need, and what its 16-bit fields hold.
MAX_DIMENSION = 32_767
MAX_TENSORS = 4_096
MAX_LAYERS = 250
# So that no sum of int8 products leaves 32 bits: 2**16 * 255 * 128 < 2**31.
MAX_KERNEL_ELEMENTS = 65_536

Int8Array = NDArray[np.int8]
Int32Array = NDArray[np.int32]
Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class Tensor:
    """An int8 tensor as rows.

    Attributes:
        name: As in the file.
        height: Rows; time, where the tensor still has it.
        width: Positions in a row; frequency.
        channels: Values at a position; the fastest index.
        scale: Real value of one step.
        zero_point: The int8 that means 0.0.
    """

    name: str
    height: int
    width: int
    channels: int
    scale: np.float32
    zero_point: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.width * self.channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels


@dataclass(frozen=True)
class Kernel:
    """Geometry of a kernel: its size, its stride, and the padding above and left, as (y, x)."""

    size: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Layer:
    """One operation and the tensor it makes.

    Attributes:
        op: "INPUT", or the TFLite operator that defines the arithmetic, or "COLLECT", which
            joins `height in / height out` rows into one and so carries out a RESHAPE.
        inputs: Indices of the layers whose tensors it reads.
        output: The tensor it makes.
        kernel: For convolutions and pools.
        weights: CONV_2D and FULLY_CONNECTED: int8 (out, kh, kw, in); DEPTHWISE_CONV_2D: int8
            (kh, kw, out).
        bias: int32 (out,).
        weight_scales: float32 (out,) per channel, or (1,) per tensor.
        activation: Real limits of a fused activation; None is no limit.
        axes: MEAN: whether it reduces (height, width).
        beta: SOFTMAX.
    """

    op: str
    inputs: tuple[int, ...]
    output: Tensor
    kernel: Kernel = Kernel()
    weights: Int8Array = field(default_factory=lambda: np.zeros(0, np.int8))
    bias: Int32Array = field(default_factory=lambda: np.zeros(0, np.int32))
    weight_scales: Float32Array = field(default_factory=lambda: np.zeros(0, np.float32))
    activation: tuple[float | None, float | None] = (None, None)
    axes: tuple[bool, bool] = (False, False)
    beta: float = 1.0

    @property
    def macs(self) -> int:
        """Multiply-accumulates with a weight in one window, those with padding included."""
        return self.output.height * self.output.width * self.weights.size


@dataclass(frozen=True)
class Network:
    """A whole model: layers in an order in which each comes after its inputs.

    Attributes:
        layers: The first is the one INPUT; the last makes the output tensor.
        weight_bytes: int8 weights and int32 biases in the file, in bytes.
    """

    layers: tuple[Layer, ...]
    weight_bytes: int

    @property
    def input(self) -> Tensor:
        """The input tensor."""
        return self.layers[0].output

    @property
    def output(self) -> Tensor:
        """The output tensor."""
        return self.layers[-1].output

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one window."""
        return sum(layer.macs for layer in self.layers)
