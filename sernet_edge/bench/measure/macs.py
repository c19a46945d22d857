"""Counts what a network computes and keeps: multiply-accumulates and parameters, by layer."""

from __future__ import annotations

from sernet_edge.bench.document import Section
from sernet_edge.firmware_export.graph import Graph, Operator, Tensor

_HAVE_BIAS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def section(graph: Graph) -> Section:
    """Return the section "macs" of a model of any types.

    A multiply-accumulate with padding counts, as the kernels compute it. Poolings, additions and
    activations multiply by no weight and have none.

    Args:
        graph: Of the `.tflite`.

    Returns:
        `precision`, `macs`, `parameters`, `weight_bytes`, `uncounted` (operators whose MACs
        are not among `macs`) and `layers`, in each `op`, `shape` of the output, `macs` and
        `parameters`. Operators on constants alone, such as a float16 model's DEQUANTIZE of its
        weights, are not layers; their parameters are those of the layer that reads them.
    """
    weights: dict[str, Tensor] = {}
    unpacked: dict[str, int] = {}  # tensor that is computed of constants -> parameters in them
    layers = []
    for operator in graph.operators:
        weights |= {tensor.name: tensor for tensor in _weights(operator)}
        if operator.constants and not operator.inputs:
            unpacked |= {tensor.name: operator.parameters for tensor in operator.outputs}
            continue
        layers.append(
            {
                "op": operator.name,
                "shape": list(operator.outputs[0].shape) if operator.outputs else [],
                "macs": operator.macs or 0,
                "parameters": operator.parameters
                + sum(unpacked.get(tensor.name, 0) for tensor in operator.inputs),
            }
        )
    ends = {tensor.type for tensor in (*graph.inputs, *graph.outputs)}
    stored = {tensor.type for tensor in weights.values()} - {"int32"}
    return {
        "precision": _precision(ends, stored),
        "macs": sum(layer["macs"] for layer in layers),
        "parameters": graph.parameters,
        "weight_bytes": sum(tensor.constant_bytes for tensor in weights.values()),
        "uncounted": sorted({o.name for o in graph.operators if o.macs is None}),
        "layers": layers,
    }


def _weights(operator: Operator) -> list[Tensor]:
    """Return the trained tensors among an operator's constants."""
    if not operator.parameters:
        return []
    # Shapes, axes and paddings are whole numbers, too, but operators with a bias take none.
    own = operator.name in _HAVE_BIAS
    return [t for t in operator.constants if own or t.type not in ("int32", "int64")]


def _precision(ends: set[str], stored: set[str]) -> str:
    """Return the name of a model's precision.

    Args:
        ends: Types of its inputs and outputs.
        stored: Types of its weights, biases aside.
    """
    if "float16" in stored:
        return "float16"
    if ends <= {"int8"} and stored <= {"int8"}:
        return "int8"
    if ends <= {"float32"}:
        return "dynamic" if "int8" in stored else "float32"
    return "mixed"
