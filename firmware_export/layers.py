"""The layers of a network while it is read, and which of them made which tensor of the file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sernet_edge.firmware_export import graph
from sernet_edge.firmware_export.network import MAX_DIMENSION, Layer, Tensor
from sernet_edge.firmware_export.tensors import TensorReader, short_name


@dataclass(frozen=True)
class Padded:
    """What a PAD makes, which is no layer: the convolutions that read it pad by themselves.

    Attributes:
        index: Of the layer whose tensor is padded.
        rows: Rows of padding, before and after.
        columns: Positions of padding in each row, left and right.
        place: The operator, for errors.
    """

    index: int
    rows: tuple[int, int] = (0, 0)
    columns: tuple[int, int] = (0, 0)
    place: str = ""


class Layers:
    """The layers that were read so far.

    Attributes:
        tensors: Checks and reads the file's tensors, and knows the place for errors.
    """

    def __init__(self, tensors: TensorReader) -> None:
        """Start without layers."""
        self.tensors = tensors
        self._layers: list[Layer] = []
        self._made: dict[int, int] = {}  # tensor index -> layer index
        self._padded: dict[int, Padded] = {}  # tensor index -> how a PAD made it

    def __getitem__(self, index: int) -> Layer:
        """Return a layer."""
        return self._layers[index]

    def add(self, tensor: graph.Tensor, layer: Layer) -> int:
        """Append the layer that makes a tensor; return its index."""
        self.assign(tensor, len(self._layers))
        return self.append(layer)

    def append(self, layer: Layer) -> int:
        """Append a layer whose tensor the file does not have; return its index."""
        self._layers.append(layer)
        return len(self._layers) - 1

    def assign(self, tensor: graph.Tensor, index: int) -> None:
        """Note which layer makes a tensor."""
        if tensor.index in self._made:
            raise self.tensors.damaged(f"tensor {short_name(tensor)!r} is made twice")
        self._made[tensor.index] = index

    def assign_padded(self, tensor: graph.Tensor, padded: Padded) -> None:
        """Note how a PAD makes a tensor."""
        if tensor.index in self._made or tensor.index in self._padded:
            raise self.tensors.damaged(f"tensor {short_name(tensor)!r} is made twice")
        self._padded[tensor.index] = padded

    def convolved(self, tensor: graph.Tensor | None) -> Padded:
        """Return the layer that a convolution reads, and the padding around its tensor."""
        if tensor is not None and tensor.index in self._padded:
            return self._padded[tensor.index]
        return Padded(self.index_of(tensor))

    def index_of(self, tensor: graph.Tensor | None) -> int:
        """Return the index of the layer that made a tensor."""
        if tensor is None:
            raise self.tensors.damaged("there is no tensor -1")
        if tensor.index in self._padded:
            raise self.tensors.refusal(
                f"it reads what {self._padded[tensor.index].place} pads; "
                "the engine knows padding before convolutions alone"
            )
        if tensor.index not in self._made:
            if tensor.constant_bytes:
                raise self.tensors.refusal(f"its input {short_name(tensor)!r} is a constant")
            raise self.tensors.damaged(f"tensor {short_name(tensor)!r} is used before it is made")
        return self._made[tensor.index]

    def collected(self, source: int, shape: tuple[int, int, int], name: str) -> int:
        """Return the index of the layer that has the data of `source` in rows of `shape`."""
        tensor = self._layers[source].output
        if tensor.shape == shape:
            return source
        if tensor.height % shape[0]:
            raise self.tensors.refusal(
                f"it turns {tensor.shape} into {shape}, which splits rows: "
                "only whole rows can be joined"
            )
        if shape[1] * shape[2] > MAX_DIMENSION:
            raise self.tensors.refusal(f"it makes rows of {shape[1] * shape[2]} bytes")
        joined = Tensor(name, *shape, tensor.scale, tensor.zero_point)
        return self.append(Layer("COLLECT", (source,), joined))

    def needed_for(self, output: int) -> tuple[Layer, ...]:
        """Return the layers that the output depends on, renumbered, the output's last."""
        needed = {output}
        for index in range(output, -1, -1):
            if index in needed:
                needed.update(self._layers[index].inputs)
        if 0 not in needed:
            raise self.tensors.refusal("the output does not depend on the input")
        if output == 0:
            raise self.tensors.refusal("the output is the input: there is nothing to compute")
        order = {old: new for new, old in enumerate(sorted(needed))}
        return tuple(
            replace(self._layers[old], inputs=tuple(order[i] for i in self._layers[old].inputs))
            for old in order
        )
