"""The layers of a network while it is read, and for each tensor the layer that makes it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sernet_edge.firmware_export import graph
from sernet_edge.firmware_export.network import MAX_DIMENSION, Kernel, Layer, Tensor
from sernet_edge.firmware_export.tensors import TensorReader, short_name

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Padded:
    """A tensor of the file as a layer's tensor with padding that no layer has added yet.

    A convolution adds the padding itself; for other operators the reader appends a PAD layer.

    Attributes:
        index: The layer.
        rows: Rows of padding, before and after.
        columns: Positions of padding in each row, left and right.
    """

    index: int
    rows: tuple[int, int] = (0, 0)
    columns: tuple[int, int] = (0, 0)

    @property
    def is_padded(self) -> bool:
        """Whether there is any padding."""
        return any(self.rows) or any(self.columns)


class Layers:
    """The layers read so far.

    A layer has the values of its tensor in the tensor's order, but its rows may have another shape:
    so RESHAPE and similar operators add no layer. A reader that needs a shape calls `shaped`.

    Attributes:
        tensors: Checks and reads the file's tensors, and knows the place for errors.
    """

    def __init__(self, tensors: TensorReader) -> None:
        """Start without layers."""
        self.tensors = tensors
        self._layers: list[Layer] = []
        self._made: dict[int, Padded] = {}  # by the tensor's index
        self._shaped: dict[tuple[int, Shape], int] = {}  # layers that `shaped` appended

    def __getitem__(self, index: int) -> Layer:
        """Return a layer."""
        return self._layers[index]

    def add(self, tensor: graph.Tensor, layer: Layer) -> int:
        """Append the layer that makes a tensor; return its index."""
        self.assign(tensor, Padded(len(self._layers)))
        return self.append(layer)

    def append(self, layer: Layer) -> int:
        """Append a layer that makes no tensor of the file; return its index."""
        self._layers.append(layer)
        return len(self._layers) - 1

    def assign(self, tensor: graph.Tensor, made: Padded) -> None:
        """Record which layer makes a tensor."""
        if tensor.index in self._made:
            raise self.tensors.damaged(f"tensor {short_name(tensor)!r} is made twice")
        self._made[tensor.index] = made

    def alias(self, tensor: graph.Tensor, index: int) -> None:
        """Record that an existing layer has a tensor's values."""
        self.assign(tensor, Padded(index))

    def is_made(self, tensor: graph.Tensor | None) -> bool:
        """Return whether a layer makes a tensor."""
        return tensor is not None and tensor.index in self._made

    def padded(self, tensor: graph.Tensor | None) -> Padded:
        """Return the layer that makes a tensor, and the padding that no layer has added yet."""
        if tensor is None:
            raise self.tensors.damaged("there is no tensor -1")
        if tensor.index not in self._made:
            if tensor.constant_bytes:
                raise self.tensors.refusal(f"its input {short_name(tensor)!r} is a constant")
            if tensor.type in ("int32", "int64"):
                raise self.tensors.refusal(
                    f"its input {short_name(tensor)!r} is a shape that is computed"
                )
            raise self.tensors.damaged(f"tensor {short_name(tensor)!r} is used before it is made")
        return self._made[tensor.index]

    def index_of(self, tensor: graph.Tensor | None) -> int:
        """Return the layer that makes a tensor, with its padding, in rows of any shape."""
        padded = self.padded(tensor)
        if not padded.is_padded:
            return padded.index
        assert tensor is not None
        layer = pad_layer(padded, self._layers[padded.index].output, short_name(tensor))
        made = self.append(layer)
        self._made[tensor.index] = Padded(made)
        return made

    def shaped(self, index: int, shape: Shape) -> int:
        """Return a layer with the values of layer `index` in rows of `shape`.

        Raises:
            ModelError: The rows are too long for the engine.
        """
        tensor = self._layers[index].output
        if tensor.shape == shape:
            return index
        if (index, shape) not in self._shaped:
            if self._is_free(index, shape[0]):
                self._reshape(index, shape)
                return index
            self._shaped[index, shape] = self._moved(index, shape)
        return self._shaped[index, shape]

    def _moved(self, index: int, shape: Shape) -> int:
        """Append layers that join or split the rows of a layer."""
        tensor = self._layers[index].output
        row_bytes = shape[1] * shape[2]
        if tensor.height % shape[0] == 0:
            self._check_row(row_bytes)
            return self.append(Layer("COLLECT", (index,), tensor.shaped(shape)))
        whole = self.shaped(index, (1, 1, math.prod(tensor.shape)))
        strides = (shape[2], 1, row_bytes)
        kernel = Kernel(stride=(0, 1))
        layer = Layer("ARRANGE", (whole,), tensor.shaped(shape), kernel, strides=strides)
        return self.append(layer)

    def _check_row(self, row_bytes: int) -> None:
        if row_bytes > MAX_DIMENSION:
            raise self.tensors.refusal(
                f"it takes rows of {row_bytes} bytes; the engine's have up to {MAX_DIMENSION}"
            )

    def whole(self, index: int) -> int:
        """Return a layer with the values of layer `index` in one row."""
        return self.shaped(index, (1, 1, math.prod(self._layers[index].output.shape)))

    def _is_free(self, index: int, height: int) -> bool:
        """Return whether a layer's rows can still change shape, because no layer reads them yet."""
        if any(index in other.inputs for other in self._layers):
            return False
        while self._layers[index].output.height in (1, height):
            if index == 0:
                return True
            if not self._layers[index].table.size:
                return False
            (source,) = self._layers[index].inputs
            if sum(source in other.inputs for other in self._layers) > 1:
                return False
            index = source
        return False

    def _reshape(self, index: int, shape: Shape) -> None:
        """Give a free layer, and the layers before it, rows of another shape."""
        while True:
            layer = self._layers[index]
            self._layers[index] = replace(layer, output=layer.output.shaped(shape))
            if index == 0:
                return
            (index,) = layer.inputs

    def needed_for(self, output: int) -> tuple[Layer, ...]:
        """Return the layers that the output depends on, renumbered; the last makes the output."""
        needed = self._closure(output)
        if 0 not in needed:
            raise self.tensors.refusal("the output does not depend on the input")
        if output == 0:
            raise self.tensors.refusal("the output is the input: there is nothing to compute")
        states = {self._layers[i].inputs[1] for i in needed if self._layers[i].op == "ASSIGN"}
        is_read = any(output in self._layers[i].inputs for i in needed)
        if is_read or states.intersection(self._layers[output].inputs):
            # The output must be the last layer, but an ASSIGN follows it: append a copy of it.
            made = self._layers[output].output
            output = self.append(Layer("COLLECT", (output,), made))
            needed.add(output)
        order = {old: new for new, old in enumerate([*sorted(needed - {output}), output])}
        return tuple(
            replace(self._layers[old], inputs=tuple(order[i] for i in self._layers[old].inputs))
            for old in order
        )

    def _closure(self, output: int) -> set[int]:
        """Return the layers that a layer depends on, including those that write its states."""
        needed, assigned = {output}, {output}
        while assigned:
            for index in range(max(needed), -1, -1):
                if index in needed:
                    needed.update(self._layers[index].inputs)
            assigned = {
                index
                for index, layer in enumerate(self._layers)
                if layer.op == "ASSIGN" and layer.inputs[1] in needed
            } - needed
            needed |= assigned
        return needed


def pad_layer(padded: Padded, source: Tensor, name: str) -> Layer:
    """Return the layer that pads a tensor."""
    (top, bottom), (left, right) = padded.rows, padded.columns
    made = replace(
        source,
        name=name,
        height=source.height + top + bottom,
        width=source.width + left + right,
    )
    return Layer("PAD", (padded.index,), made, Kernel(padding=(top, left)))
