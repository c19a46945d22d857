"""Random small int8 `.tflite` networks with the operators of other people's models."""

from __future__ import annotations

from typing import Any

import numpy as np
import tflite
from graphs import SAME, VALID, RandomGraph, Shape


class RandomOperators(RandomGraph):
    """A random network; the same seed gives the same file."""

    def zero_point(self) -> int:
        return int(self.pick(0, self.rng.integers(-40, 41), self.rng.integers(-128, 128)))

    def gain(self) -> float:
        return float(2.0 ** self.pick(0, 0, self.rng.uniform(-2, 2), self.rng.uniform(-4, 4)))

    def made(self, shape: Shape, like: int | None = None) -> int:
        """Return an output tensor, quantised at random or like another tensor."""
        if like is None:
            return self.graph.tensor(shape, self.scale(), self.zero_point())
        entry = self.graph.entries[like]
        return self.graph.tensor(shape, entry.scales[0], entry.zero_point)

    def scale_of(self, tensor: int) -> float:
        return self.graph.entries[tensor].scales[0]

    def integers(self, *values: int) -> int:
        return self.graph.constant(np.array(values, np.int32))

    # Operators on single values

    def one_value(self, source: int) -> int:
        name = self.pick("LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "PRELU", "ELU")
        shape = self.shape(source)
        inputs, options, values = [source], "", {}
        if name == "LOGISTIC":
            output = self.graph.tensor(shape, 1 / 256, -128)
        elif name == "TANH":
            output = self.graph.tensor(shape, 1 / 128, 0)
        else:
            factor = 2 ** self.rng.uniform(0.5, 3)
            scale = float(np.float32(self.scale_of(source) * factor))
            output = self.graph.tensor(shape, scale, self.zero_point())
        if name == "LEAKY_RELU":
            options = "LeakyReluOptions"
            values = {"Alpha": float(self.pick(0.1, 0.3, -0.5, 1.7, 0.0))}
        if name == "PRELU":
            # One slope for all, per channel, per position, or (like Keras) per value.
            of = self.pick((1, 1, 1), (1, 1, shape[3]), (1, shape[2], 1), shape[1:])
            slope = self.rng.integers(-127, 128, of).astype(np.int8)
            inputs.append(self.graph.constant(slope, [self.scale()]))
            self.graph.entries[inputs[1]].zero_point = self.zero_point()
        return self.graph.operator(name, inputs, output, options, values)

    # Sums and products

    def _binary(self, name: str, pair: list[int], shape: Shape) -> int:
        scales = [self.scale_of(i) for i in pair]
        natural = scales[0] * scales[1] * 100 if name == "MUL" else max(scales)
        scale = float(np.float32(natural * 2 ** self.rng.uniform(-1, 2)))
        output = self.graph.tensor(shape, scale, self.zero_point())
        kind = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}[name]
        return self.graph.operator(
            name, pair, output, kind, {"FusedActivationFunction": self.activation()}
        )

    def with_constant(self, source: int) -> int:
        shape = self.shape(source)
        axes = [self.pick(1, n) for n in shape[1:]]
        of: Shape = self.pick((), (1,), (shape[3],), (1, 1, 1, shape[3]), (1, *axes))
        values = self.rng.integers(-128, 128, of).astype(np.int8)
        scale = float(np.float32(self.scale_of(source) * 2 ** self.rng.uniform(-3, 3)))
        constant = self.graph.constant(values, [scale])
        self.graph.entries[constant].zero_point = self.zero_point()
        pair = self.pick([source, constant], [constant, source])
        return self._binary(self.pick("ADD", "SUB", "MUL"), pair, shape)

    def of_two(self, source: int) -> int:
        """Combine a tensor with its convolution, or with a gate per channel, position or row."""
        shape = self.shape(source)
        how = self.pick("same", "channels", "rows", "positions")
        if how == "same":
            other = self.conv(source, shape[3], window=(SAME, (3, 3), (1, 1)))
        elif how == "positions":
            other = self.conv(source, 1, window=(SAME, (3, 1), (1, 1)))
        else:
            axes = (1, 2) if how == "channels" else (1,)
            other = self.mean(source, axes, keep_dims=True)
            if self.pick(True, False):
                other = self.conv(other, shape[3], window=(SAME, (1, 1), (1, 1)))
        pair = self.pick([source, other], [other, source])
        return self._binary(self.pick("ADD", "SUB", "MUL"), pair, shape)

    # Operators that move values

    def slice(self, source: int) -> int:
        shape = self.shape(source)
        begin, end, step = [0] * 4, list(shape), [1] * 4
        for axis in (1, 2, 3):
            if self.pick(True, False):
                begin[axis] = int(self.rng.integers(0, shape[axis]))
                end[axis] = int(self.rng.integers(begin[axis] + 1, shape[axis] + 1))
                step[axis] = int(self.pick(1, 1, 2, 3))
        made = [-(-(b - a) // n) for a, b, n in zip(begin, end, step, strict=True)]
        output = self.made((1, *made[1:]), source)
        if step == [1] * 4 and self.pick(True, False):
            bounds = [self.integers(*begin), self.integers(*made)]
            return self.graph.operator("SLICE", [source, *bounds], output, "SliceOptions")
        bounds = [self.integers(*begin), self.integers(*end), self.integers(*step)]
        return self.graph.operator(
            "STRIDED_SLICE", [source, *bounds], output, "StridedSliceOptions"
        )

    def split(self, source: int) -> int:
        """Split the channels or positions and join the parts in another order."""
        axis = int(self.pick(2, 3, 3))
        shape = list(self.shape(source))
        count = int(self.pick(2, 3, 4))
        shape[axis] = max(1, shape[axis] // count)
        parts = shape[axis] * count
        # Makes the number divisible.
        source = self._resized(source, axis, parts)
        outputs = [self.made(tuple(shape), source) for _ in range(count)]
        constant, given = self.integers(self.pick(axis, axis - 4)), [source]
        if self.pick(True, False):
            name, options, inputs = "SPLIT", "SplitOptions", [constant, *given]
        else:
            name, options = "SPLIT_V", "SplitVOptions"
            inputs = [*given, self.integers(*[shape[axis]] * count), constant]
        self.graph.operator(name, inputs, outputs[0], options, {"NumSplits": count})
        self.graph.operators[-1][2][:] = outputs
        self.rng.shuffle(outputs)
        joined = list(self.shape(source))
        return self.graph.operator(
            "CONCATENATION",
            outputs,
            self.made(tuple(joined), source),
            "ConcatenationOptions",
            {"Axis": axis},
        )

    def _resized(self, source: int, axis: int, size: int) -> int:
        if self.shape(source)[axis] == size:
            return source
        if axis == 3:
            return self.conv(source, size, window=(SAME, (1, 1), (1, 1)))
        shape = list(self.shape(source))
        begin, end = [0] * 4, list(shape)
        end[axis] = min(size, shape[axis])
        made = [*shape]
        made[axis] = end[axis]
        bounds = [self.integers(*values) for values in (begin, end, [1] * 4)]
        cut = self.graph.operator(
            "STRIDED_SLICE",
            [source, *bounds],
            self.made(tuple(made), source),
            "StridedSliceOptions",
        )
        if made[axis] < size:
            cut = self.padded(cut, (0, 0), (0, size - made[axis]))
        return cut

    def padded(self, source: int, rows: tuple[int, int], columns: tuple[int, int]) -> int:
        _, height, width, channels = self.shape(source)
        shape = (1, height + sum(rows), width + sum(columns), channels)
        amounts = self.graph.constant(np.array([(0, 0), rows, columns, (0, 0)], np.int32))
        return self.graph.operator("PAD", [source, amounts], self.made(shape, source), "PadOptions")

    def pad(self, source: int) -> int:
        """Add padding of up to 4 rows and columns on each side, then a random operator or none."""
        rows, columns = (
            (int(self.rng.integers(0, 5)), int(self.rng.integers(0, 5))) for _ in range(2)
        )
        made = self.padded(source, rows, columns)
        window = (VALID, (1, 1), (1, 1))
        following = self.pick(None, self.pool, self.conv, self.depthwise, self.requantize)
        if following in (self.conv, self.depthwise) and self.pick(True, False):
            return int(following(made, window=window))
        return int(following(made)) if following else made

    def transpose(self, source: int) -> int:
        order = (0, *[int(axis) for axis in self.rng.permutation([1, 2, 3])])
        shape = self.shape(source)
        output = self.made(tuple(shape[axis] for axis in order), source)
        return self.graph.operator(
            "TRANSPOSE", [source, self.integers(*order)], output, "TransposeOptions"
        )

    def reshaped(self, source: int) -> int:
        """Reshape the values to rows of another shape."""
        shape = list(self.shape(source)[1:])
        self.rng.shuffle(shape)
        return self.reshape(source, (1, *shape))

    def reduce(self, source: int) -> int:
        shape, name = self.shape(source), self.pick("REDUCE_MAX", "SUM")
        axes = self.pick((1,), (2,), (1, 2), (-2, -3))
        kept = {axis % 4 for axis in axes}
        like = source if name == "REDUCE_MAX" else None
        output = self.made(tuple(1 if i in kept else n for i, n in enumerate(shape)), like)
        return self.graph.operator(
            name, [source, self.integers(*axes)], output, "ReducerOptions", {"KeepDims": True}
        )

    # Convolutions

    def dilated(self, source: int) -> int:
        _, height, width, _ = self.shape(source)
        dilation = (int(self.rng.integers(1, 5)), int(self.rng.integers(1, 4)))
        kernel = (int(self.rng.integers(1, 5)), int(self.rng.integers(1, 5)))
        span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        fits = span[0] <= height and span[1] <= width
        padding = self.pick(SAME, VALID) if fits else SAME
        make = self.pick(self.conv, self.depthwise)
        made = make(source, window=(padding, kernel, (1, 1)))
        # As large as the output of a kernel that covers the span.
        size = self._slid(source, padding, (span[0], span[1]), (1, 1))
        entry = self.graph.entries[made]
        entry.shape = (1, *size, entry.shape[3])
        code, inputs, outputs, options, _ = self.graph.operators[-1]
        values: dict[str, Any] = {
            "Padding": padding, "StrideH": 1, "StrideW": 1,
            "DilationHFactor": dilation[0], "DilationWFactor": dilation[1],
        }  # fmt: skip
        if options == "DepthwiseConv2DOptions":
            values["DepthMultiplier"] = entry.shape[3] // self.shape(source)[3]
        name = "CONV_2D" if options == "Conv2DOptions" else "DEPTHWISE_CONV_2D"
        self.graph.operators.pop()
        return self.graph.operator(name, inputs, outputs[0], options, values)

    def grouped(self, source: int) -> int:
        groups = int(self.pick(2, 3, 4))
        depth, each = int(self.pick(1, 2, 3, 5)), int(self.pick(1, 2, 3))
        source = self._resized(source, 3, groups * depth)
        padding, kernel, stride = self._window(source, 5)
        height, width = self._slid(source, padding, kernel, stride)
        scale = self.scale()
        constants, _ = self._weights(
            source, (groups * each, *kernel, depth), 0, kernel[0] * kernel[1] * depth, scale
        )
        output = self.graph.tensor((1, height, width, groups * each), scale, self.zero_point())
        values = {
            "Padding": padding, "StrideH": stride[0], "StrideW": stride[1],
            "DilationHFactor": 1, "DilationWFactor": 1,
        }  # fmt: skip
        return self.graph.operator("CONV_2D", [source, *constants], output, "Conv2DOptions", values)

    def along_width(self, source: int) -> int:
        """Add convolutions over (1, 1, time, channels), as the converter writes a Conv1D."""
        _, height, width, channels = self.shape(source)
        last = self.reshape(source, (1, 1, height * width, channels))
        for _ in range(int(self.pick(1, 2, 3))):
            length = self.shape(last)[2]
            kernel, stride = int(self.rng.integers(1, min(5, length) + 1)), int(self.pick(1, 1, 2))
            make = self.pick(self.conv, self.conv, self.depthwise, self.pool, self.requantize)
            if make == self.requantize:
                last = make(last)
            else:
                stride = 1 if make == self.depthwise else stride
                window = (self.pick(SAME, VALID), (1, kernel), (1, stride))
                last = make(last, window=window)
        if self.pick(True, False):
            length, channels = self.shape(last)[2:]
            return self.reshape(last, (1, length, 1, channels))
        return last

    def build(self) -> bytes:
        """Return the file."""
        height, width = (int(self.rng.integers(1, n)) for n in (21, 9))
        channels = int(self.pick(1, 1, 2, 3, 4, 8))
        shape = (1, height, width, channels)
        last = self._input(shape)
        bodies = [
            self.one_value, self.with_constant, self.of_two, self.slice, self.split, self.pad,
            self.transpose, self.reshaped, self.reduce, self.dilated, self.grouped,
            self.along_width, self.conv, self.depthwise,
        ]  # fmt: skip
        for _ in range(int(self.rng.integers(2, 6))):
            last = self.pick(*bodies)(last)
        if self.pick(True, False):
            last = self.dense(last)
        return self.graph.finish(self._output(last))

    def _input(self, shape: Shape) -> int:
        """Return a tensor of a given shape, computed from the model's input of any shape."""
        how = self.pick("plain", "flat", "transposed", "unsigned")
        if how == "flat":
            flat = self.graph.input((1, int(np.prod(shape))), self.scale(), self.zero_point())
            return self.reshape(flat, shape)
        if how == "transposed":
            _, height, width, channels = shape
            first = self.graph.input((1, 1, height, width), self.scale(), self.zero_point())
            output = self.made((1, height, width, 1), first)
            return self.graph.operator(
                "TRANSPOSE", [first, self.integers(0, 2, 3, 1)], output, "TransposeOptions"
            )
        source = self.graph.input(shape, self.scale(), self.zero_point())
        if how == "unsigned":
            entry = self.graph.entries[source]
            entry.kind, entry.zero_point = tflite.TensorType.UINT8, entry.zero_point + 128
            return self.quantize(source, entry.scales[0], entry.zero_point - 128)
        return source

    def _output(self, last: int) -> int:
        if self.pick(True, False, False):
            entry = self.graph.entries[last]
            last = self.quantize(last, entry.scales[0], entry.zero_point + 128)
            self.graph.entries[last].kind = tflite.TensorType.UINT8
        return last


class RandomDepthwise(RandomOperators):
    """Depthwise convolutions with up to 50 channels: every case that the kernels treat apart."""

    def build(self) -> bytes:
        """Return the file."""
        height, width = int(self.rng.integers(1, 12)), int(self.rng.integers(1, 9))
        channels = int(self.pick(1, 3, 4, 5, 7, 8, 15, 16, 17, 20, 31, 32, 33, 50))
        last = self.graph.input((1, height, width, channels), self.scale(), self.zero_point())
        for _ in range(int(self.pick(1, 2))):
            last = self.pick(self.depthwise, self.depthwise, self.dilated)(last)
            if self.pick(True, False, False):
                weights = self.graph.entries[self.graph.operators[-1][1][1]]
                # -128 is unusual in converted models: the sum of two products overflows 16 bits.
                weights.data = b"\x80" * 3 + weights.data[3:]
        return self.graph.finish(last)
