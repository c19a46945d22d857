"""Random small int8 `.tflite` networks that keep a state between windows."""

from __future__ import annotations

import numpy as np
from graphs import SAME, VALID
from operator_graphs import RandomOperators


class RandomStates(RandomOperators):
    """A random network; the same seed gives the same file."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._assignments: list[tuple[int, int]] = []
        self._count = 0

    def state(self, shape: tuple[int, ...], like: int) -> tuple[int, int]:
        """Return a variable's handle and its value, quantised like another tensor."""
        entry = self.graph.entries[like]
        values = np.full(shape, entry.zero_point, np.int8)
        if self.pick(True, False):
            values = self.rng.integers(-128, 128, shape).astype(np.int8)
        start = self.graph.constant(values, entry.scales)
        self.graph.entries[start].zero_point = entry.zero_point
        self._count += 1
        handle = self.graph.variable(f"state {self._count}", start)
        return handle, self.graph.read(handle, self.made(shape, like))

    def keep(self, handle: int, value: int) -> None:
        """Assign a value, either now or after all other operators."""
        if self.pick(True, False):
            self.graph.write(handle, value)
        else:
            self._assignments.append((handle, value))

    def rows_of(self, source: int, first: int, count: int) -> int:
        shape = list(self.shape(source))
        begin, end = [0] * len(shape), list(shape)
        begin[1], end[1], shape[1] = first, first + count, count
        bounds = [self.integers(*values) for values in (begin, end, [1] * len(shape))]
        output = self.made(tuple(shape), source)
        return self.graph.operator(
            "STRIDED_SLICE", [source, *bounds], output, "StridedSliceOptions"
        )

    def stacked(self, parts: list[int]) -> int:
        shape = list(self.shape(parts[0]))
        shape[1] = sum(self.shape(part)[1] for part in parts)
        output = self.made(tuple(shape), parts[0])
        return self.graph.operator(
            "CONCATENATION", parts, output, "ConcatenationOptions", {"Axis": self.pick(1, -3)}
        )

    def streamed(self, source: int) -> int:
        """Add a convolution or pool over the newest rows, some from earlier windows."""
        shape = self.shape(source)
        kept = int(self.rng.integers(1, 9))
        handle, old = self.state((1, kept, *shape[2:]), source)
        rows = self.stacked([old, source])
        self.keep(handle, self.rows_of(rows, shape[1], kept))
        height = kept + shape[1]
        how = self.pick("conv", "conv", "depthwise", "pool", "parts", "mean")
        window = (VALID, (int(self.rng.integers(1, height + 1)), 1), (1, 1))
        if how == "conv":
            return self.conv(rows, window=window)
        if how == "depthwise":
            return self.depthwise(rows, window=window)
        if how == "pool":
            return self.pool(rows, window=window)
        if how == "parts":
            # Several kernels; each covers the newest rows that it needs.
            parts = []
            scale, zero_point = self.scale(), self.zero_point()
            for _ in range(2):
                taps = int(self.rng.integers(1, height + 1))
                part = self.rows_of(rows, height - taps, taps)
                window = (VALID, (taps, 1), (1, 1))
                parts.append(self.conv(part, 3, window=window, scale=scale, zero_point=zero_point))
            shape = (*self.shape(parts[0])[:3], 6)
            output = self.graph.tensor(shape, scale, zero_point)
            return self.graph.operator(
                "CONCATENATION", parts, output, "ConcatenationOptions", {"Axis": 3}
            )
        return self.mean(rows, (1,), keep_dims=True)

    def recurrent(self, source: int) -> int:
        """Add a running sum of the earlier windows and this one, kept for the next window."""
        handle, old = self.state(self.shape(source), source)
        sums = self._binary(self.pick("ADD", "SUB", "MUL"), [old, source], self.shape(source))
        new = self.quantize(sums, *self._quantisation(source))
        self.keep(handle, new)
        return new if self.pick(True, False) else sums

    def delayed(self, source: int) -> int:
        """Join the previous window with this one."""
        handle, old = self.state(self.shape(source), source)
        if self.pick(True, False):
            # Reads the state's rows long after the new rows are computed.
            old = self.conv(old, self.shape(source)[3], window=(SAME, (3, 1), (1, 1)))
            source_made = self.conv(source, window=(SAME, (1, 1), (1, 1)))
            old = self.conv(old, self.shape(source_made)[3], window=(SAME, (5, 1), (1, 1)))
            self.keep(handle, source)
            return self._binary("ADD", [old, source_made], self.shape(source_made))
        self.keep(handle, source)
        return self.stacked(self.pick([old, source], [source, old]))

    def written_first(self, source: int) -> int:
        """Read the state again after writing it."""
        handle, old = self.state(self.shape(source), source)
        self.graph.write(handle, source)
        new = self.graph.read(handle, self.made(self.shape(source), source))
        return self._binary("ADD", [old, new], self.shape(source))

    def _quantisation(self, tensor: int) -> tuple[float, int]:
        entry = self.graph.entries[tensor]
        return entry.scales[0], entry.zero_point

    def build(self) -> bytes:
        """Return the `.tflite` file."""
        height, width = int(self.pick(1, 1, 2, 3, 5)), int(self.pick(1, 1, 3))
        channels = int(self.pick(1, 4, 5, 8, 16))
        last = self.graph.input((1, height, width, channels), self.scale(), self.zero_point())
        bodies = [self.streamed, self.streamed, self.recurrent, self.delayed, self.written_first]
        for _ in range(int(self.rng.integers(1, 4))):
            last = self.pick(*bodies)(last)
            if self.pick(True, False):
                last = self.pick(self.requantize, self.conv, self.with_constant)(last)
        if self.pick(True, True, False):
            last = self.dense(last)
        for handle, value in self._assignments:
            self.graph.write(handle, value)
        return self.graph.finish(self._output(last))
