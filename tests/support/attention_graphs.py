"""Random small int8 `.tflite` networks with the operators of attention."""

from __future__ import annotations

import numpy as np
from graphs import SAME, Shape
from operator_graphs import RandomOperators


class RandomAttention(RandomOperators):
    """A random network; the same seed gives the same file."""

    def softmax(self, source: int) -> int:
        shape = self.shape(source)
        if self.pick(True, False):
            made = self.graph.tensor(shape, 1 / 16, 127)
            return self.graph.operator("LOG_SOFTMAX", [source], made, "LogSoftmaxOptions")
        made = self.graph.tensor(shape, 1 / 256, -128)
        return self.graph.operator("SOFTMAX", [source], made, "SoftmaxOptions", {"Beta": 1.0})

    def matmul(self, first: int, second: int, transposed: bool = False) -> int:
        """Return the products of the matrices of two tensors."""
        (*batches, height, depth), (*_, rows, columns) = self.shape(first), self.shape(second)
        shape: Shape = (*batches, height, rows if transposed else columns)
        scale = self.scale_of(first) * self.scale_of(second) * 100 * np.sqrt(depth)
        scale = float(np.float32(scale * 2 ** self.rng.uniform(-2, 2)))
        made = self.graph.tensor(shape, scale, self.zero_point())
        return self.graph.operator(
            "BATCH_MATMUL", [first, second], made, "BatchMatMulOptions",
            {"AdjX": False, "AdjY": transposed},
        )  # fmt: skip

    def flat(self, source: int) -> int:
        """Return a tensor's positions as a matrix (1, positions, channels)."""
        _, height, width, channels = self.shape(source)
        return self.reshape(source, (1, height * width, channels))

    def of_rows(self, source: int) -> int:
        """Weight each row's positions by scores from the same row."""
        _, height, width, channels = self.shape(source)
        energies = self.conv(source, int(self.pick(1, 2)), window=(SAME, (1, 1), (1, 1)))
        queries = self.shape(energies)[3]
        shares = self.softmax(self.reshape(energies, (1, height, queries, width)))
        return self.matmul(shares, source)

    def of_all(self, source: int) -> int:
        """Weight all positions by scores from all of them."""
        energies = self.flat(self.conv(source, 1, window=(SAME, (1, 1), (1, 1))))
        shares = self.softmax(self.reshape(energies, (1, 1, self.shape(energies)[1])))
        summed = self.matmul(shares, self.flat(source))
        return self.reshape(summed, (1, 1, 1, self.shape(summed)[2]))

    def of_pairs(self, source: int) -> int:
        """Add self-attention, as in a transformer: each position gets a weighted sum of all."""
        _, height, width, channels = self.shape(source)
        if self.pick(True, False):
            matrix = self.flat(source)
            weighted = self.matmul(self.softmax(self.matmul(matrix, matrix, True)), matrix)
            return self.reshape(weighted, (1, height, width, channels))
        # Within each row, or between each row and the mean of all rows.
        other = source if self.pick(True, False) else self.mean(source, (1,), keep_dims=True)
        return self.matmul(self.softmax(self.matmul(source, other, True)), other)

    def mean_of_channels(self, source: int) -> int:
        """Take a mean over the last axis, when each row has one position."""
        _, height, width, channels = self.shape(source)
        shape = self.pick((1, height, width * channels), (1, height * width, channels))
        if self.pick(True, False):
            shape = (1, shape[1], 1, shape[2])
        rows = self.reshape(source, shape)
        made = self.made(shape[:-1], None)
        axis = self.integers(self.pick(-1, len(shape) - 1))
        name = self.pick("MEAN", "SUM")
        summed = self.graph.operator(
            name, [rows, axis], made, "ReducerOptions", {"KeepDims": False}
        )
        return self.reshape(summed, (1, shape[1], 1, 1))

    def build(self) -> bytes:
        """Return the `.tflite` file."""
        height, width = (int(self.rng.integers(1, n)) for n in (13, 6))
        shape = (1, height, width, int(self.pick(1, 2, 3, 5, 8)))
        last = self.conv(self.graph.input(shape, self.scale(), self.zero_point()))
        bodies = (self.of_rows, self.of_all, self.of_pairs, self.softmax, self.mean_of_channels)
        for _ in range(int(self.pick(1, 2, 2, 3))):
            last = self.pick(*bodies)(last)
            if self.pick(True, False, False):
                last = self.conv(last)
        return self.graph.finish(self.dense(last) if self.pick(True, False) else last)
