"""Reads a `.tflite` into a plain list of layers, strictly and without TensorFlow.

A network is a directed graph whose nodes are layers; each layer makes one tensor. Tensors
are seen as rows: (height, width, channels), where height is time. Whatever the engine cannot
compute to the bit is refused here by name; nothing is skipped or approximated.
"""

from __future__ import annotations

from sernet_edge.firmware_export import graph
from sernet_edge.firmware_export.layers import Layers
from sernet_edge.firmware_export.network import MAX_LAYERS, MAX_TENSORS, Layer, Network
from sernet_edge.firmware_export.operators import READERS
from sernet_edge.firmware_export.tensors import TensorReader, short_name
from sernet_edge.runtime.modelfile import ModelFile


def read_network(file: ModelFile) -> Network:
    """Read a `.tflite`.

    Args:
        file: With or without a contract.

    Raises:
        ModelError: The file is damaged, or has an operator, type or shape that the engine
            does not know; names operator and tensor.
    """
    file.require_flatbuffer()
    source, tensors = graph.read_graph(file), TensorReader(file.name)
    _check_size(source, tensors)
    layers = Layers(tensors)
    tensors.place = "the model's input"
    layers.add(source.inputs[0], Layer("INPUT", (), tensors.rows(source.inputs[0])))
    _check_known(source, tensors)
    for number, operator in enumerate(source.operators):
        tensors.place = _place(operator, number)
        if len(operator.operands) > MAX_TENSORS or len(operator.outputs) != 1:
            raise tensors.refusal(
                f"it has {len(operator.operands)} inputs and {len(operator.outputs)} outputs"
            )
        READERS[operator.name](layers, operator)
    tensors.place = "the model's output"
    needed = layers.needed_for(layers.index_of(source.outputs[0]))
    if len(needed) > MAX_LAYERS:
        raise tensors.refusal(f"it takes {len(needed)} layers, more than {MAX_LAYERS}")
    return Network(needed, tensors.weight_bytes)


def _check_size(source: graph.Graph, tensors: TensorReader) -> None:
    if source.subgraphs != 1:
        raise tensors.refusal(f"the model has {source.subgraphs} subgraphs, not 1")
    limits = (("tensors", source.tensors, MAX_TENSORS), ("operators", source.operators, MAX_LAYERS))
    for what, found, most in limits:
        if len(found) > most:
            raise tensors.refusal(f"{len(found)} {what} are more than the {most} that it takes")
    if len(source.inputs) != 1 or len(source.outputs) != 1:
        raise tensors.refusal(
            f"the model has {len(source.inputs)} inputs and {len(source.outputs)} outputs, "
            "not one of each"
        )


def _check_known(source: graph.Graph, tensors: TensorReader) -> None:
    """Refuse the operators that are not known, all of them at once."""
    names = [operator.label for operator in source.operators]
    unknown = [name for name in dict.fromkeys(names) if name not in READERS]
    if unknown:
        first = names.index(unknown[0])
        tensors.place = _place(source.operators[first], first)
        raise tensors.refusal(f"the native engine does not know {', nor '.join(unknown)}")


def _place(operator: graph.Operator, number: int) -> str:
    """Return which operator it is, for errors."""
    place = f"operator {number} ({operator.label})"
    if operator.outputs:
        place += f" that makes tensor {short_name(operator.outputs[0])!r}"
    return place
