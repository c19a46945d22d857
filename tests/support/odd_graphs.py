"""Unusual models: from other tools, of other types, with any number of inputs and outputs."""

from __future__ import annotations

import numpy as np
import tflite
from graphs import SAME, Entry, Graph, RandomGraph


def person_detector() -> bytes:
    """Return a model like TensorFlow Lite Micro's person_detect.

    Its input is int8 (1, 96, 96, 1) and it has no contract. Its one-dimensional biases have scales
    along dimension 3: TensorFlow Lite refuses that, TensorFlow Lite Micro ignores it.
    """
    random = RandomGraph(3)
    last = random.graph.input((1, 96, 96, 1), 1 / 255, -128)
    last = random.conv(last, 8, window=(SAME, (3, 3), (2, 2)))
    last = random.depthwise(last)
    last = random.conv(last, 16, window=(SAME, (1, 1), (4, 4)))
    last = random.reshape(last, (1, int(np.prod(random.shape(last)))))
    last = random.softmax(random.dense(last, 2))
    for entry in random.graph.entries:
        if entry.kind == tflite.TensorType.INT32 and len(entry.scales) > 1:
            entry.quantized_dimension = 3
    return random.graph.finish(last)


def chain(operators: int) -> bytes:
    """Return a chain of RELUs."""
    graph = Graph()
    last = graph.input((1, 8), 0.1, 0)
    for _ in range(operators):
        last = graph.operator("RELU", [last], graph.tensor((1, 8), 0.1, 0))
    return graph.finish(last)


def _ends(kind: int, shape: tuple[int, ...], signature: tuple[int, ...] = ()) -> tuple[Graph, int]:
    graph = Graph()
    scales = () if kind == tflite.TensorType.FLOAT32 else (0.1,)
    graph.entries.append(Entry(shape, kind, scales, 0, name="input", signature=signature))
    graph.inputs.append(0)
    graph.entries.append(Entry(shape, kind, scales, 0, name="output", signature=signature))
    return graph, 1


def of_type(kind: str, shape: tuple[int, ...] = (1, 8), signature: tuple[int, ...] = ()) -> bytes:
    """Return one RELU on an input of the given type and shape."""
    graph, output = _ends(getattr(tflite.TensorType, kind), shape, signature)
    return graph.finish(graph.operator("RELU", [0], output))


def without_operators() -> bytes:
    """Return a model that uses its input as its output."""
    graph, _ = _ends(tflite.TensorType.INT8, (1, 8))
    return graph.finish(0)


def without_inputs() -> bytes:
    """Return a model without an input."""
    graph, output = _ends(tflite.TensorType.INT8, (1, 8))
    graph.inputs.clear()
    constant = graph.constant(np.ones((1, 8), np.int8), [0.1])
    return graph.finish(graph.operator("RELU", [constant], output))


def without_outputs() -> bytes:
    """Return a model without an output."""
    return _ends(tflite.TensorType.INT8, (1, 8))[0].finish()


def of_two_inputs() -> bytes:
    """Return a model that adds two inputs."""
    graph, output = _ends(tflite.TensorType.INT8, (1, 8))
    second = graph.input((1, 8), 0.1, 0)
    return graph.finish(graph.operator("ADD", [0, second], output, "AddOptions"))


def of_two_outputs() -> bytes:
    """Return a model with two outputs from one input."""
    graph, output = _ends(tflite.TensorType.INT8, (1, 8))
    second = graph.tensor((1, 8), 0.1, 0, "second")
    graph.operator("RELU", [0], output)
    graph.operator("RELU6", [0], second)
    return graph.finish(output, second)


ODD = {
    "person": person_detector,
    "batch": lambda: of_type("INT8", (1, 8), (-1, 8)),
    "dynamic": lambda: of_type("INT8", (1, 1, 8), (1, -1, 8)),
    "scalar": lambda: of_type("FLOAT32", ()),
    "vector": lambda: of_type("INT8", (8,)),
    "five": lambda: of_type("INT8", (1, 2, 2, 2, 2)),
    "uint8": lambda: of_type("UINT8"),
    "int16": lambda: of_type("INT16"),
    "int32": lambda: of_type("INT32"),
    "float32": lambda: of_type("FLOAT32"),
    "bool": lambda: of_type("BOOL"),
    "string": lambda: of_type("STRING"),
    "no_operators": without_operators,
    "no_inputs": without_inputs,
    "no_outputs": without_outputs,
    "two_inputs": of_two_inputs,
    "two_outputs": of_two_outputs,
}
"""By name: functions that make the models."""
