"""Checks of operands and options, shared by the readers of operators."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export.graph import Operator
from sernet_edge.firmware_export.layers import Layers
from sernet_edge.firmware_export.network import Tensor

_ACTIVATIONS: dict[Any, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def check_count(layers: Layers, operator: Operator, *allowed: int) -> None:
    """Refuse an operator if its number of inputs is not in `allowed`."""
    if len(operator.operands) not in allowed:
        raise layers.tensors.damaged(f"it has {len(operator.operands)} inputs")


def options(layers: Layers, operator: Operator, kind: str, *counts: int) -> dict[str, Any]:
    """Return an operator's options; check its number of inputs first, if `counts` are given."""
    if counts:
        check_count(layers, operator, *counts)
    if operator.options_kind != kind:
        raise layers.tensors.damaged(f"its options are not {kind}")
    return dict(operator.options)


def int32(layers: Layers, operator: Operator, number: int) -> NDArray[Any]:
    """Return the values of an operator's constant input of type int32."""
    operand = operator.operands[number]
    if operand is None:
        raise layers.tensors.damaged("there is no tensor -1")
    return layers.tensors.constant(operand, "int32")


def ends(layers: Layers, operator: Operator) -> tuple[int, Tensor, Tensor]:
    """Return the layer that makes the first input, the layer's tensor, and the output tensor.

    The layer's rows have the shape of the tensor in the file.
    """
    index = natural(layers, operator, 0)
    return index, layers[index].output, layers.tensors.rows(operator.outputs[0])


def natural(layers: Layers, operator: Operator, number: int) -> int:
    """Return the layer that makes an input, with rows in the shape of the tensor in the file."""
    operand = operator.operands[number]
    index = layers.index_of(operand)
    assert operand is not None
    return layers.shaped(index, layers.tensors.row_shape(operand))


def activation(layers: Layers, chosen: dict[str, Any]) -> tuple[float | None, float | None]:
    """Return the limits of the fused activation that an operator's options name."""
    name = chosen["FusedActivationFunction"]
    if name not in _ACTIVATIONS:
        raise layers.tensors.refusal(f"the native engine does not know the fused activation {name}")
    return _ACTIVATIONS[name]


def check_same_shape(layers: Layers, source: Tensor, made: Tensor) -> None:
    """Refuse an output whose shape differs from the input's."""
    if source.shape != made.shape:
        raise layers.tensors.damaged(f"{source.shape} becomes {made.shape}")


def check_same_quantisation(layers: Layers, source: Tensor, made: Tensor) -> None:
    """Refuse an output whose scale or zero point differs from the input's."""
    if (source.scale, source.zero_point) != (made.scale, made.zero_point):
        raise layers.tensors.refusal("its input and output are quantised differently")


def check_output(layers: Layers, made: Tensor, scale: float, zero_point: int) -> None:
    """Refuse an output without the scale and zero point that its operator requires."""
    if (made.scale, made.zero_point) != (np.float32(scale), zero_point):
        raise layers.tensors.refusal(
            f"its output must have scale 1/{1 / scale:.0f} and zero point {zero_point}"
        )
