"""The network as the engine runs it: a list of layers. Each layer makes one tensor of rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

# Limits far above the needs of a microcontroller; the engine's 16-bit fields hold MAX_DIMENSION.
MAX_DIMENSION = 32_767
MAX_TENSORS = 4_096
MAX_LAYERS = 250
# With this limit no sum of int8 products leaves 32 bits: 2**16 * 255 * 128 < 2**31.
MAX_KERNEL_ELEMENTS = 65_536
WHOLE_ROWS = 255
"""Kernel height of a layer that waits for all rows of its inputs; they may have up to so many."""

Int8Array = NDArray[np.int8]
Int32Array = NDArray[np.int32]
Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class Tensor:
    """An int8 tensor as rows.

    Attributes:
        name: Its name in the file.
        height: Rows; time, if the tensor has a time axis.
        width: Positions in a row; frequency.
        channels: Values at a position; the fastest index.
        scale: Real value of one step.
        zero_point: The value that means 0.0.
        is_unsigned: Whether it holds uint8, whose bytes the engine handles as int8. Only the
            model's input and output may be uint8.
    """

    name: str
    height: int
    width: int
    channels: int
    scale: np.float32
    zero_point: int
    is_unsigned: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.width * self.channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels

    def shaped(self, shape: tuple[int, int, int]) -> Tensor:
        """Return the tensor with another height, width and channels."""
        return replace(self, height=shape[0], width=shape[1], channels=shape[2])


@dataclass(frozen=True)
class Kernel:
    """Geometry of a kernel: taps, stride, padding above and left, and dilation, as (y, x)."""

    size: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def span(self) -> tuple[int, int]:
        """Rows and positions from the first tap to the last."""
        (height, width), (down, right) = self.size, self.dilation
        return (height - 1) * down + 1, (width - 1) * right + 1


@dataclass(frozen=True)
class Constant:
    """A constant operand of an ADD, SUB, MUL or PRELU.

    Attributes:
        values: int8 (height, width, channels); each size is the output's or 1.
        tensor: Its sizes, scale and zero point.
        place: The number of the operand, 0 or 1.
    """

    values: Int8Array
    tensor: Tensor
    place: int


@dataclass(frozen=True)
class Layer:
    """One operation and the tensor that it makes.

    Attributes:
        op: "INPUT", or the TFLite operator that defines the arithmetic, or one that only moves
            data: "COLLECT" joins `height in / height out` rows into one, "ARRANGE" makes rows from
            the values of one row in any order, "SLICE" leaves out values, "STACK" puts tensors one
            below the other. "STATE" has the rows that the window before left, "ASSIGN" writes them.
        inputs: Indices of the layers whose tensors it reads. ASSIGN: the new values, the STATE, and
            the layers that read the old values and must therefore be done first.
        output: The tensor that it makes.
        kernel: Geometry of a convolution, a pool, or an operator that moves rows.
        weights: CONV_2D and FULLY_CONNECTED: int8 (out, kh, kw, in); the `in` of a FULLY_CONNECTED
            may be all rows of its input together. DEPTHWISE_CONV_2D: int8 (kh, kw, out).
        bias: int32 (out,).
        weight_scales: float32 (out,) per channel, or (1,) per tensor.
        activation: Real limits of a fused activation; None: no limit.
        axes: MEAN, SUM, REDUCE_MAX: whether it reduces (height, width).
        beta: Factor of a SOFTMAX's input.
        table: Functions of one value: int8 (256,), the outputs for -128 to 127.
        constant: ADD, SUB, MUL: the operand that is not a layer; PRELU: the slopes, if they differ.
        crop: SLICE: the first position and the step from one position to the next, then the first
            channel and the step from one channel to the next.
        strides: ARRANGE: distances in the source's row, in values: from one position of the output
            to the next, from one channel to the next, and from one output row to the next.
            BATCH_MATMUL: distances in a row of the second input, in values: from one summand to the
            next, and from one sum to the next.
        initial: STATE: int8 (height, width, channels), the values before the first window.
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
    table: Int8Array = field(default_factory=lambda: np.zeros(0, np.int8))
    constant: Constant | None = None
    crop: tuple[int, int, int, int] = (0, 1, 0, 1)
    strides: tuple[int, int, int] = (0, 0, 0)
    initial: Int8Array = field(default_factory=lambda: np.zeros(0, np.int8))

    def is_of_rows(self, source: Tensor) -> bool:
        """Return whether a SLICE copies whole rows, without leaving out rows between them."""
        same = (self.output.width, self.output.channels) == (source.width, source.channels)
        return same and self.kernel.stride[0] == 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates with a weight in one window, including those with padding."""
        return self.output.height * self.output.width * self.weights.size


@dataclass(frozen=True)
class Network:
    """A whole model: layers in an order in which each comes after its inputs.

    Attributes:
        layers: The first is the only INPUT; the last makes the output tensor.
        weight_bytes: Bytes of the int8 weights and int32 biases in the file.
    """

    layers: tuple[Layer, ...]
    weight_bytes: int

    @property
    def state_bytes(self) -> int:
        """Bytes that the network keeps from one window to the next."""
        return sum(layer.initial.size for layer in self.layers)

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
