"""Random small int8 `.tflite` networks whose windows share rows."""

from __future__ import annotations

import numpy as np
import tflite
from graphs import SAME, VALID, RandomGraph, Shape

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.new_contract import new_contract

STRIDE, RECEPTIVE = 4, 15
"""For a row of `stream_model`'s last feature map: frames between rows, and frames per row."""


def stream_contract(hop_frames: int = STRIDE, rows: int = 6) -> Contract:
    """Return the contract of a `stream_model`; a window has `rows` rows of the last feature map."""
    window = RECEPTIVE + (rows - 1) * STRIDE
    return new_contract(("a", "b", "c"), "none", window).replace(
        hop_frames=hop_frames, stride_frames=STRIDE, receptive_frames=RECEPTIVE
    )


def stream_model(contract: Contract) -> bytes:
    """Return a small network whose windows share rows, with random weights, and its contract."""
    random = RandomStream(3)
    shape = (1, contract.window_frames, contract.feature_count, 1)
    last = stream_body(
        random, random.graph.input(shape, float(np.float32(contract.clip / 127.5)), 0)
    )
    last = random.mean(last, (1, 2), keep_dims=False)
    last = random.softmax(random.dense(last, len(contract.labels)))
    return ModelFile("model", random.graph.finish(last)).with_contract(contract).data


def stream_body(random: RandomStream, last: int) -> int:
    """Append layers with STRIDE and RECEPTIVE to a tensor; return the last feature map."""
    last = random.conv(random.pad(last, (0, 0), (1, 1)), 6, window=(VALID, (5, 3), (2, 2)))
    last = random.pool(last, window=(VALID, (2, 2), (2, 2)))
    return random.conv(random.pad(last, (0, 0), (1, 1)), 8, window=(VALID, (3, 3), (1, 1)))


class RandomStream(RandomGraph):
    """A random network; the same seed gives the same file.

    Attributes:
        stride: Frames from one row of the last feature map to the next.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.stride = 1

    # Milder choices than in `RandomGraph`, so that scores depend on the input.

    def gain(self) -> float:
        return float(2.0 ** self.rng.uniform(-1, 2))

    def zero_point(self) -> int:
        return int(self.rng.integers(-40, 41))

    def activation(self) -> int:
        relu = tflite.ActivationFunctionType.RELU
        return int(self.pick(relu, *[tflite.ActivationFunctionType.NONE] * 3))

    def build(self) -> bytes:
        """Return the `.tflite` file."""
        blocks = [self._block() for _ in range(int(self.rng.integers(1, 6)))]
        height = int(self.rng.integers(1, 7))
        for _, kernel, stride in reversed(blocks):
            height = (height - 1) * stride + kernel
            self.stride *= stride
        width, channels = int(self.rng.integers(1, 15)), int(self.pick(1, 1, 2, 3, 4, 8))
        last = self.graph.input((1, height, width, channels), self.scale(), self.zero_point())
        for kind, kernel, stride in blocks:
            last = getattr(self, f"_{kind}")(last, kernel, stride)
        axes = self.pick((1, 2), (1, 2), (1,))
        keep = axes == (1,) or bool(self.pick(True, False))
        last = self.dense(self.mean(last, axes, keep_dims=keep))
        return self.graph.finish(self.softmax(last) if self.pick(True, False) else last)

    def _block(self) -> tuple[str, int, int]:
        """Return a kind of block, its kernel's height and its stride in time."""
        kind = self.pick("convolve", "convolve", "separate", "branch", "pool", "pool", "change")
        if kind == "change":
            return kind, 1, 1
        stride = int(self.pick(1, 1, 2, 3)) if kind != "branch" else 1
        return kind, int(self.rng.integers(1, 12 if kind == "branch" else 6)), stride

    def _padded(self, source: int, kernel: int) -> int:
        """Pad the width like "same" padding, or not at all; return the tensor to convolve."""
        if self.shape(source)[2] >= kernel and self.pick(True, False):
            return source
        return self.pad(source, (0, 0), ((kernel - 1) // 2, kernel // 2))

    def pad(self, source: int, rows: tuple[int, int], columns: tuple[int, int]) -> int:
        """Pad rows (before, after) and positions in a row (left, right)."""
        _, height, width, channels = self.shape(source)
        entry = self.graph.entries[source]
        shape: Shape = (1, height + sum(rows), width + sum(columns), channels)
        output = self.graph.tensor(shape, entry.scales[0], entry.zero_point)
        amounts = self.graph.constant(np.array([(0, 0), rows, columns, (0, 0)], np.int32))
        return self.graph.operator("PAD", [source, amounts], output, "PadOptions")

    def cut(self, source: int, before: int, after: int = 0) -> int:
        """Remove rows at a window's start and end."""
        _, height, width, channels = self.shape(source)
        entry = self.graph.entries[source]
        output = self.graph.tensor(
            (1, height - before - after, width, channels), entry.scales[0], entry.zero_point
        )
        bounds = [
            self.graph.constant(np.array(values, np.int32))
            for values in (
                (0, before, 0, 0),
                (1, height - after, width, channels),
                (1, 1, 1, 1),
            )
        ]
        return self.graph.operator(
            "STRIDED_SLICE", [source, *bounds], output, "StridedSliceOptions"
        )

    def _convolve(self, source: int, kernel: int, stride: int) -> int:
        wide = int(self.rng.integers(1, 6))
        padded = self._padded(source, wide)
        return self.conv(padded, window=(VALID, (kernel, wide), (stride, int(self.pick(1, 2)))))

    def _separate(self, source: int, kernel: int, stride: int) -> int:
        wide = int(self.rng.integers(1, 4))
        padded = self._padded(source, wide)
        return self.depthwise(padded, window=(VALID, (kernel, wide), (stride, stride)))

    def _pool(self, source: int, kernel: int, stride: int) -> int:
        width = self.shape(source)[2]
        wide = min(int(self.pick(1, 2, 3)), width)
        # If the pools divide the time evenly, "same" pads only the width.
        padding = SAME if kernel == stride and self.pick(True, False) else VALID
        return self.pool(source, window=(padding, (kernel, wide), (stride, wide)))

    def _change(self, source: int, kernel: int, stride: int) -> int:
        return int(self.pick(self.requantize, self.relu)(source))

    def _branch(self, source: int, kernel: int, stride: int) -> int:
        """Add branches of different kernel heights, aligned on their newest rows."""
        scale, zero_point = self.scale(), self.zero_point()
        wide, step = int(self.rng.integers(1, 6)), (1, int(self.pick(1, 2)))
        branches = []
        for height in (kernel, *(int(self.rng.integers(1, kernel + 1)) for _ in range(2))):
            older, late = kernel - height, self.pick(True, False)
            aligned = source if late or not older else self.cut(source, older)
            padded = (
                self.pad(aligned, (0, 0), ((wide - 1) // 2, wide // 2)) if wide > 1 else aligned
            )
            made = self.conv(
                padded, window=(VALID, (height, wide), step), scale=scale, zero_point=zero_point
            )
            branches.append(self.cut(made, older) if late and older else made)
        shapes = [self.shape(branch) for branch in branches]
        output = self.graph.tensor(
            (*shapes[0][:3], sum(shape[3] for shape in shapes)), scale, zero_point
        )
        return self.graph.operator(
            "CONCATENATION", branches, output, "ConcatenationOptions", {"Axis": 3}
        )
