"""Reads variables, which keep values from one window to the next.

A variable that an operator reads becomes a STATE layer; its rows exist when a window starts. The
last assignment to the variable becomes an ASSIGN layer, which writes those rows when every layer
that reads the old rows is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sernet_edge.firmware_export import graph, operands
from sernet_edge.firmware_export.graph import Graph, Operator
from sernet_edge.firmware_export.layers import Layers
from sernet_edge.firmware_export.network import WHOLE_ROWS, Kernel, Layer
from sernet_edge.firmware_export.tensors import TensorReader

OPERATORS = ("CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")
"""Names of the operators that this module reads."""


def initialisers(graphs: Sequence[Graph]) -> set[int]:
    """Return the indices of the graphs that run once, before the first window."""
    return {
        operator.options["InitSubgraphIndex"]
        for operator in graphs[0].operators
        if operator.name == "CALL_ONCE" and "InitSubgraphIndex" in operator.options
    }


class Variables:
    """The variables of a network while it is read."""

    def __init__(self, tensors: TensorReader, graphs: Sequence[Graph]) -> None:
        """Start without variables.

        Args:
            tensors: Checks and reads the file's tensors, and knows the place for errors.
            graphs: The main graph, and the graphs that initialise variables.
        """
        self._tensors = tensors
        self._graphs = graphs
        self._names: dict[int, str] = {}  # by the handle's index
        self._initial: dict[str, graph.Tensor] = {}
        self._states: dict[str, int] = {}  # the STATE layers
        self._assigned: dict[str, graph.Tensor] = {}

    def read(self, layers: Layers, operator: Operator) -> None:
        """Read one of `OPERATORS`."""
        if operator.name == "CALL_ONCE":
            self._call_once(operator)
        elif operator.name == "VAR_HANDLE":
            self._names[self._made(operator).index] = self._name_of(operator)
        elif operator.name == "READ_VARIABLE":
            self._read_variable(layers, operator)
        else:
            operands.check_count(layers, operator, 2)
            self._assigned[self._variable(operator, self._names)] = self._value(operator)

    def _made(self, operator: Operator) -> graph.Tensor:
        if len(operator.outputs) != 1:
            raise self._tensors.damaged(f"it has {len(operator.outputs)} outputs")
        return operator.outputs[0]

    def _name_of(self, operator: Operator) -> str:
        if operator.options_kind != "VarHandleOptions":
            raise self._tensors.damaged("its options are not VarHandleOptions")
        container, name = (operator.options[key] for key in ("Container", "SharedName"))
        return f"{container}/{name}" if container else str(name)

    def _variable(self, operator: Operator, names: dict[int, str]) -> str:
        handle = operator.operands[0] if operator.operands else None
        if handle is None or handle.index not in names:
            raise self._tensors.damaged("no VAR_HANDLE makes its first input")
        return names[handle.index]

    def _value(self, operator: Operator) -> graph.Tensor:
        if (value := operator.operands[1]) is None:
            raise self._tensors.damaged("there is no tensor -1")
        return value

    def _call_once(self, operator: Operator) -> None:
        """Read a CALL_ONCE, whose graph assigns constants to variables."""
        number = operator.options.get("InitSubgraphIndex", 0)
        if not 0 < number < len(self._graphs):
            raise self._tensors.damaged(f"it calls the graph {number} of {len(self._graphs)}")
        names: dict[int, str] = {}
        for inner in self._graphs[number].operators:
            if inner.name == "VAR_HANDLE":
                names[self._made(inner).index] = self._name_of(inner)
            elif inner.name == "ASSIGN_VARIABLE" and len(inner.operands) == 2:
                self._initial[self._variable(inner, names)] = self._value(inner)
            else:
                raise self._tensors.refusal(
                    f"the graph that it calls has the operator {inner.label}; the engine takes "
                    "graphs that assign constants to variables"
                )

    def _read_variable(self, layers: Layers, operator: Operator) -> None:
        operands.check_count(layers, operator, 1)
        name, made = self._variable(operator, self._names), self._made(operator)
        rows = layers.tensors.rows(made)
        if name in self._assigned:
            # Assigned earlier in the same window.
            padded = layers.padded(self._assigned[name])
            if layers.tensors.row_shape(self._assigned[name]) != rows.shape:
                raise self._tensors.damaged(f"variable {name!r} has two shapes")
            operands.check_same_quantisation(
                layers, layers.tensors.rows(self._assigned[name]), rows
            )
            layers.assign(made, padded)
            return
        if name in self._states:
            held = layers[self._states[name]].output
            operands.check_same_shape(layers, held, rows)
            operands.check_same_quantisation(layers, held, rows)
            layers.alias(made, self._states[name])
            return
        if name not in self._initial:
            raise self._tensors.refusal(
                f"variable {name!r} is read before it is written",
                "convert the model again so that a CALL_ONCE initialises the variable",
            )
        values = layers.tensors.constant(self._initial[name], "int8")
        if values.size != rows.height * rows.row_bytes:
            raise self._tensors.damaged(
                f"variable {name!r} starts with {values.size} values and is read as {rows.shape}"
            )
        layer = Layer("STATE", (), rows, initial=values.reshape(rows.shape))
        self._states[name] = layers.add(made, layer)

    def finish(self, layers: Layers) -> None:
        """Append the layers that write the assigned values to the variables."""
        for name, state in self._states.items():
            if name not in self._assigned:
                continue
            self._tensors.place = f"variable {name!r}"
            held, value = layers[state].output, self._assigned[name]
            if not layers.is_made(value):
                raise self._tensors.refusal(
                    "it is assigned a constant, or a tensor that is not computed"
                )
            index = layers.index_of(value)
            if layers.tensors.row_shape(value) != held.shape:
                raise self._tensors.damaged(
                    f"it holds {held.shape} and is assigned {layers.tensors.row_shape(value)}"
                )
            index, kernel = layers.shaped(index, held.shape), Kernel()
            source = layers[index]
            if source.op == "SLICE" and source.is_of_rows(layers[source.inputs[0]].output):
                # An ASSIGN can copy these rows itself, without the SLICE.
                (index,), kernel = source.inputs, source.kernel
            if index != state:
                layers.append(Layer("ASSIGN", (index, state), held, kernel))


def with_readers(needed: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Return the layers with more inputs for each ASSIGN: all layers that read the old values.

    Args:
        needed: The layers of a network; an ASSIGN follows all layers that read its state.
    """
    result = list(needed)
    for index, layer in enumerate(needed):
        if layer.op != "ASSIGN":
            continue
        state = layer.inputs[1]
        readers = [
            i for i, other in enumerate(needed) if state in other.inputs and other.op != "ASSIGN"
        ]
        result[index] = replace(layer, inputs=(*layer.inputs, *readers))
    return tuple(result)


def tallest(layers: Sequence[Layer], layer: Layer) -> int:
    """Return the most rows that an ASSIGN waits for."""
    return max(layers[i].output.height for i in layer.inputs)


def check_heights(tensors: TensorReader, layers: Sequence[Layer]) -> None:
    """Refuse ASSIGNs that would have to wait for more rows than the engine counts."""
    for layer in layers:
        if layer.op == "ASSIGN" and tallest(layers, layer) > WHOLE_ROWS:
            raise tensors.refusal(
                f"tensor {layer.output.name!r} is a state that is written from "
                f"{tallest(layers, layer)} rows; the engine takes up to {WHOLE_ROWS}"
            )
