"""Reads a `.tflite` into a list of layers, without TensorFlow.

Each layer reads the tensors of earlier layers and makes one tensor. A tensor consists of rows:
(height, width, channels), with time as the height. The reader refuses everything that the engine
cannot compute to the bit, and names it; it skips and approximates nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace

from sernet_edge.firmware_export import graph, variables
from sernet_edge.firmware_export.layers import Layers
from sernet_edge.firmware_export.movement import is_shape_arithmetic
from sernet_edge.firmware_export.network import (
    MAX_DIMENSION,
    MAX_LAYERS,
    MAX_TENSORS,
    Layer,
    Network,
    Tensor,
)
from sernet_edge.firmware_export.operators import READERS, SPLITS
from sernet_edge.firmware_export.tensors import TensorReader, short_name
from sernet_edge.runtime.modelfile import ModelFile


def read_network(file: ModelFile) -> Network:
    """Read a `.tflite`.

    Args:
        file: With or without a contract.

    Raises:
        ModelError: The file is damaged, or has an operator, type or shape that the engine does not
            support; the message names the operator and the tensor.
    """
    file.require_flatbuffer()
    graphs, tensors = graph.read_graphs(file), TensorReader(file.name)
    source = graphs[0]
    _check_size(source, tensors, variables.initialisers(graphs))
    layers, states = Layers(tensors), variables.Variables(tensors, graphs)
    tensors.place = "the model's input"
    layers.add(source.inputs[0], Layer("INPUT", (), _input_rows(file, tensors, source.inputs[0])))
    _check_known(source, tensors)
    for number, operator in enumerate(source.operators):
        if is_shape_arithmetic(operator):
            continue
        tensors.place = _place(operator, number)
        if operator.name in variables.OPERATORS:
            states.read(layers, operator)
            continue
        several = operator.name in SPLITS and len(operator.outputs) > 0
        if len(operator.operands) > MAX_TENSORS or (len(operator.outputs) != 1 and not several):
            raise tensors.refusal(
                f"it has {len(operator.operands)} inputs and {len(operator.outputs)} outputs"
            )
        READERS[operator.name](layers, operator)
    states.finish(layers)
    tensors.place = "the model's output"
    needed = variables.with_readers(_checked(layers, source.outputs[0]))
    variables.check_heights(tensors, needed)
    if len(needed) > MAX_LAYERS:
        raise tensors.refusal(f"it takes {len(needed)} layers, more than {MAX_LAYERS}")
    return Network(needed, tensors.weight_bytes)


def _input_rows(file: ModelFile, tensors: TensorReader, tensor: graph.Tensor) -> Tensor:
    """Return the input as rows: the contract's frames; without a contract, time is the height.

    If a network without a contract has an input of height 1, its width is time.
    """
    rows = tensors.rows(tensor, is_end=True)
    contract = file.contract
    if contract is not None:
        frames = (contract.window_frames, contract.feature_count, 1)
        if math.prod(frames) == math.prod(rows.shape):
            return rows.shaped(frames)
    if rows.height == 1:
        return replace(rows, height=rows.width, width=1)
    return rows


def _checked(layers: Layers, output: graph.Tensor) -> tuple[Layer, ...]:
    """Check the rows of the layers that the output depends on; return these layers."""
    index, tensors = layers.index_of(output), layers.tensors
    made = tensors.rows(output, is_end=True)
    needed = layers.needed_for(index)
    for layer in needed:
        tensor, is_last = layer.output, layer is needed[-1]
        if tensor.row_bytes > MAX_DIMENSION:
            raise tensors.refusal(
                f"tensor {tensor.name!r} has rows of {tensor.row_bytes} bytes; "
                f"the engine takes up to {MAX_DIMENSION}"
            )
        if tensor.is_unsigned and layer.inputs and not is_last:
            raise tensors.refusal(f"tensor {tensor.name!r} is UINT8 and not the model's output")
    source, last = needed[0].output, needed[-1].output
    if source.is_unsigned and any(0 in e.inputs and not e.table.size for e in needed):
        raise tensors.refusal(f"the input {source.name!r} is UINT8 and read by no QUANTIZE alone")
    if made.height > 1 and last.height != made.height:
        needed = layers.needed_for(layers.shaped(index, made.shape))
    return needed


def _check_size(source: graph.Graph, tensors: TensorReader, initialisers: set[int]) -> None:
    if source.subgraphs != 1 + len(initialisers - {0}):
        raise tensors.refusal(
            f"the model has {source.subgraphs} subgraphs; the engine takes one, and those that "
            "initialise variables"
        )
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
    """Refuse unknown operators; the error names all of them."""
    # The engine need not run operators that compute shapes: all shapes are fixed.
    operators = [op for op in source.operators if not is_shape_arithmetic(op)]
    names = [operator.label for operator in operators]
    known = {*READERS, *variables.OPERATORS}
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        first = names.index(unknown[0])
        tensors.place = _place(operators[first], source.operators.index(operators[first]))
        raise tensors.refusal(f"the native engine does not know {', nor '.join(unknown)}")


def _place(operator: graph.Operator, number: int) -> str:
    """Return a text for errors that tells which operator it is."""
    place = f"operator {number} ({operator.label})"
    if operator.outputs:
        place += f" that makes tensor {short_name(operator.outputs[0])!r}"
    return place
