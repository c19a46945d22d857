"""Reads the tensors of a graph, after checking that the engine supports them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export import graph
from sernet_edge.firmware_export.network import (
    MAX_DIMENSION,
    Float32Array,
    Int8Array,
    Int32Array,
    Tensor,
)
from sernet_edge.runtime.errors import ModelError

TFLM_HINT = (
    "`--engine tflm` exports the model for TensorFlow Lite Micro, which knows more operators"
)

_DTYPES: dict[str, Any] = {"int8": np.int8, "int32": np.dtype("<i4")}


class Weights(NamedTuple):
    """Trained values of a layer.

    Attributes:
        values: int8, in the shape of the file.
        bias: int32 (channels,).
        scales: float32 (channels,) per channel, or (1,) per tensor.
    """

    values: Int8Array
    bias: Int32Array
    scales: Float32Array


class TensorReader:
    """Reads the tensors of one file; refuses tensors that the engine does not support.

    Attributes:
        place: The operator or tensor that is being read, for errors.
        weight_bytes: Bytes of the weights and biases read so far.
    """

    def __init__(self, name: str) -> None:
        """Read tensors of the file called `name`."""
        self._file_name = name
        self.place = ""
        self.weight_bytes = 0

    def refusal(self, message: str, hint: str = TFLM_HINT) -> ModelError:
        """Return an error for something that the engine does not support."""
        at = f"{self.place}: " if self.place else ""
        return ModelError(f"{self._file_name}: {at}{message}", hint)

    def damaged(self, message: str) -> ModelError:
        """Return an error for a file that contradicts itself."""
        return self.refusal(f"the model is damaged: {message}", "get the file again")

    def rows(self, tensor: graph.Tensor, is_end: bool = False) -> Tensor:
        """Return an activation tensor as rows: (height, width, channels).

        Args:
            tensor: A tensor of the file.
            is_end: Whether it is the model's input or output, which may be uint8.
        """
        name = short_name(tensor)
        is_unsigned = is_end and tensor.type == "uint8"
        self._check_type(tensor, "uint8" if is_unsigned else "int8")
        if tensor.is_variable or tensor.is_sparse:
            raise self.refusal(f"tensor {name!r} is variable or sparse")
        height, width, channels = self.row_shape(tensor)
        scales, zero_point = self._quantisation(tensor)
        lowest = 0 if is_unsigned else -128
        if len(scales) != 1 or not lowest <= zero_point <= lowest + 255:
            raise self.refusal(
                f"tensor {name!r} needs one scale and a zero point in {lowest}..{lowest + 255}"
            )
        return Tensor(name, height, width, channels, scales[0], zero_point, is_unsigned)

    def row_shape(self, tensor: graph.Tensor) -> tuple[int, int, int]:
        """Return the height, width and channels of an activation tensor."""
        name, shape = short_name(tensor), self._shape(tensor)
        if len(shape) == 2 and shape[0] > 1:
            # Dense layers over time make (time, channels).
            return shape[0], 1, shape[1]
        # Further dimensions must come first and have size 1.
        if not shape or len(shape) > 6 or any(n != 1 for n in shape[: max(1, len(shape) - 3)]):
            raise self.refusal(
                f"tensor {name!r} has shape {shape}; the engine takes "
                "(1, height, width, channels), (1, height, channels) and (1, channels)"
            )
        channels = shape[-1]
        height = shape[-3] if len(shape) > 3 else shape[1] if len(shape) == 3 else 1
        width = shape[-2] if len(shape) > 3 else 1
        return height, width, channels

    def scaled_constant(self, tensor: graph.Tensor) -> tuple[Int8Array, np.float32, int]:
        """Return an int8 constant with one scale: its values, scale and zero point."""
        values = self.constant(tensor, "int8")
        scales, zero_point = self._quantisation(tensor)
        if len(scales) != 1 or not -128 <= zero_point <= 127:
            raise self.refusal(
                f"tensor {short_name(tensor)!r} needs one scale and a zero point in -128..127"
            )
        return values, scales[0], zero_point

    def constant(self, tensor: graph.Tensor, kind: str) -> NDArray[Any]:
        """Return the values of a constant, in the file's shape; `kind` is "int8" or "int32"."""
        name = short_name(tensor)
        self._check_type(tensor, kind)
        shape = self._shape(tensor)
        if tensor.is_sparse:
            raise self.refusal(f"tensor {name!r} is sparse")
        dtype = np.dtype(_DTYPES[kind])
        expected = math.prod(shape) * dtype.itemsize
        if tensor.constant_bytes != expected:
            if tensor.constant_bytes == 0:
                raise self.refusal(f"tensor {name!r} is not constant")
            raise self.damaged(f"tensor {name!r} has {tensor.constant_bytes} bytes, not {expected}")
        return np.frombuffer(tensor.data.tobytes(), dtype).reshape(shape)

    def weights(
        self, tensor: graph.Tensor, bias: graph.Tensor | None, channels: int, axis: int
    ) -> Weights:
        """Return weights and biases; `axis` is the axis of the weights' `channels` outputs."""
        values = self.constant(tensor, "int8")
        scales, zero_point = self._quantisation(tensor)
        if zero_point != 0:
            raise self.refusal(f"its weights {short_name(tensor)!r} have zero point {zero_point}")
        if len(scales) not in (1, channels) or values.shape[axis : axis + 1] != (channels,):
            raise self.damaged(
                f"{len(scales)} scales and weights {values.shape} for {channels} channels"
            )
        if len(scales) > 1 and tensor.scales_axis != axis:
            raise self.refusal(
                f"its weights are quantised along axis {tensor.scales_axis}, not {axis}"
            )
        biases = np.zeros(channels, np.int32)
        if bias is not None:
            biases = self.constant(bias, "int32").reshape(-1)
            if biases.shape != (channels,):
                raise self.damaged(f"{biases.size} biases for {channels} channels")
            self.weight_bytes += biases.nbytes
        self.weight_bytes += values.nbytes
        return Weights(values, biases, scales)

    def _shape(self, tensor: graph.Tensor) -> list[int]:
        shape = list(tensor.fixed_shape)
        if any(not 1 <= n <= MAX_DIMENSION for n in shape):
            raise self.refusal(
                f"tensor {short_name(tensor)!r} has shape {shape}; "
                f"the engine takes sizes from 1 to {MAX_DIMENSION}"
            )
        return shape

    def _quantisation(self, tensor: graph.Tensor) -> tuple[Float32Array, int]:
        """Return the scales of a tensor and its zero point."""
        name, count = short_name(tensor), len(tensor.scales)
        if count == 0 or len(tensor.zero_points) not in (1, count):
            raise self.refusal(f"tensor {name!r} is not quantised")
        scales = np.array(tensor.scales, np.float32)
        if not (scales > 0).all():
            raise self.refusal(f"tensor {name!r} has a scale that is not above 0")
        if len(set(tensor.zero_points)) != 1:
            raise self.refusal(f"tensor {name!r} has several zero points")
        return scales, tensor.zero_points[0]

    def _check_type(self, tensor: graph.Tensor, wanted: str) -> None:
        if tensor.type != wanted:
            raise self.refusal(
                f"tensor {short_name(tensor)!r} is {tensor.type.upper()}, not {wanted.upper()}: "
                "the engine runs only models in which every tensor is int8",
                "convert the model again, with all tensors in int8, its input and output included; "
                "`sernet-edge convert` does so with a .keras of `train`",
            )


def short_name(tensor: graph.Tensor) -> str:
    """Return a tensor's name for messages and comments, cut because some names are very long."""
    return tensor.name[:120]
