"""A model's head, the dense layer from embedding to logits: reads, quantises and replaces it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.flatbuffer import Span
from sernet_edge.runtime.frontend import Float64
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.teach.flatbuffer import DensePlace, TensorPlace, find_dense

# Range of an int8 model's logits. A label whose logit is lower than the highest by more than this
# has a score of 0 in the output's steps of 1/256.
_LOGIT_RANGE = 12.0


@dataclass(frozen=True)
class Head:
    """The last layer: logits = weights @ embedding + bias.

    Attributes:
        weights: float64 (labels, features).
        bias: float64 (labels,).
    """

    weights: Float64
    bias: Float64

    def logits(self, embeddings: Float64) -> Float64:
        """Return logits, float64 (windows, labels), of embeddings, float64 (windows, features)."""
        return embeddings @ self.weights.T + self.bias

    def divided_by(self, temperature: float) -> Head:
        """Return the head with all logits divided by a number above 0."""
        return Head(self.weights / temperature, self.bias / temperature)


@dataclass(frozen=True)
class QuantisedHead:
    """The int8 form of a head, as in a `.tflite`.

    Attributes:
        weights: int8 (labels, features).
        bias: int32 (labels,), in steps of the embedding's scale times `weight_scale`.
        weight_scale: Scale of all weights.
        logit_scale: Scale of the int8 logits.
        logit_zero_point: Zero point of the int8 logits.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    weight_scale: np.float32
    logit_scale: np.float32
    logit_zero_point: int


class HeadPlace:
    """The head inside one model file."""

    def __init__(self, file: ModelFile) -> None:
        """Find the head in a model.

        Raises:
            ModelError: See `find_dense`.
        """
        file.require_flatbuffer()
        self._file = file
        self._data = file.flatbuffer
        self._place: DensePlace = find_dense(self._data, file.name)
        if self.is_int8 and len(self._array(self._place.weights.scales, "<f4")) != 1:
            raise ModelError(
                f"{file.name} cannot be taught: its last dense layer has a scale for each output",
                "convert the model again with `sernet-edge convert`",
            )

    @property
    def is_int8(self) -> bool:
        """Whether the layer is int8; otherwise it is float32."""
        return self._place.weights.type == "int8"

    @property
    def embedding_index(self) -> int:
        """The number of the layer's input tensor."""
        return self._place.embedding.index

    @property
    def features(self) -> int:
        """Number of values in an embedding."""
        return self._place.weights.shape[1]

    @cached_property
    def embedding_scale(self) -> np.float32:
        """Scale of the int8 embedding."""
        return np.float32(self._array(self._place.embedding.scales, "<f4")[0])

    @cached_property
    def embedding_zero_point(self) -> int:
        """Likewise."""
        return self._zero_point(self._place.embedding)

    def dequantised(self, embeddings: NDArray[np.generic]) -> Float64:
        """Convert embeddings of the interpreter to real values, float64."""
        values = embeddings.astype(np.float64)
        if not self.is_int8:
            return values
        return (values - self.embedding_zero_point) * float(self.embedding_scale)

    @cached_property
    def quantised(self) -> QuantisedHead:
        """The layer in the file, which must be int8."""
        place = self._place
        return QuantisedHead(
            self._array(place.weights.data, "<i1").reshape(place.weights.shape).astype(np.int8),
            self._array(place.bias.data, "<i4").astype(np.int32),
            np.float32(self._array(place.weights.scales, "<f4")[0]),
            np.float32(self._array(place.logits.scales, "<f4")[0]),
            self._zero_point(place.logits),
        )

    @cached_property
    def head(self) -> Head:
        """The layer's real values."""
        if self.is_int8:
            return dequantise(self.quantised, self.embedding_scale)
        place = self._place
        weights = self._array(place.weights.data, "<f4").reshape(place.weights.shape)
        return Head(weights.astype(np.float64), self._array(place.bias.data, "<f4").astype(float))

    def quantise(self, head: Head, embeddings: Float64) -> QuantisedHead:
        """Return the int8 form of a head.

        Args:
            head: A head of the same size.
            embeddings: float64 (windows, features); their logits must fit in the int8 range.
        """
        scale = np.float32(max(float(np.abs(head.weights).max()) / 127, 1e-9))
        weights = np.clip(np.rint(head.weights / float(scale)), -127, 127).astype(np.int8)
        step = float(np.float32(self.embedding_scale * scale))
        limit = 2.0**31 - 1
        bias = np.clip(np.rint(head.bias / step), -limit, limit).astype(np.int32)
        logits = head.logits(embeddings)
        # Scores depend only on differences of logits. Int8 logits still need the full range from 0
        # to a window's highest one, which must not saturate.
        high = float(logits.max())
        low = max(float(logits.min()), high - 2 * _LOGIT_RANGE)
        low, high = min(low, 0.0), max(high, 0.0)
        # A margin for speech other than the clips.
        spare = 0.25 * (high - low) + 1e-6
        low, high = low - spare, high + spare
        logit_scale = np.float32((high - low) / 255)
        zero_point = int(np.clip(round(-128 - low / float(logit_scale)), -128, 127))
        if self._place.logits.zero_points is None:
            zero_point, logit_scale = 0, np.float32(max(-low, high) / 127)
        return QuantisedHead(weights, bias, scale, logit_scale, zero_point)

    @property
    def wiped(self) -> bytes:
        """The flatbuffer with zeros in place of everything that a head changes."""
        data = bytearray(self._data)
        for tensor in (self._place.weights, self._place.bias, self._place.logits):
            for span in (tensor.data, tensor.scales, tensor.zero_points):
                if span is not None:
                    data[span.start : span.end] = bytes(span.end - span.start)
        return bytes(data)

    def replaced(self, head: Head | QuantisedHead) -> ModelFile:
        """Return the model with another head, without a contract.

        Args:
            head: A `QuantisedHead` if the layer `is_int8`, else a `Head`.
        """
        data = bytearray(self._data)
        place = self._place
        if isinstance(head, QuantisedHead):
            bias_scale = np.float32(self.embedding_scale * head.weight_scale)
            changes = [
                (place.weights.data, head.weights.astype("<i1")),
                (place.bias.data, head.bias.astype("<i4")),
                (place.weights.scales, np.full(1, head.weight_scale, "<f4")),
                (place.bias.scales, np.full(1, bias_scale, "<f4")),
                (place.logits.scales, np.full(1, head.logit_scale, "<f4")),
            ]
            if place.logits.zero_points is not None:
                changes.append((place.logits.zero_points, np.full(1, head.logit_zero_point, "<i8")))
        else:
            changes = [
                (place.weights.data, head.weights.astype("<f4")),
                (place.bias.data, head.bias.astype("<f4")),
            ]
        for span, values in changes:
            assert span is not None
            content = values.tobytes()
            assert len(content) == span.end - span.start
            data[span.start : span.end] = content
        return ModelFile(self._file.name, bytes(data))

    def _array(self, span: Span | None, kind: str) -> NDArray[np.generic]:
        assert span is not None
        return np.frombuffer(self._data[span.start : span.end], kind)

    def _zero_point(self, tensor: TensorPlace) -> int:
        points = tensor.zero_points
        return 0 if points is None else int(self._array(points, "<i8")[0])


def dequantise(head: QuantisedHead, embedding_scale: np.float32) -> Head:
    """Return the real values of an int8 head.

    Args:
        head: The int8 head.
        embedding_scale: Scale of its int8 input.
    """
    step = float(np.float32(embedding_scale * head.weight_scale))
    return Head(
        head.weights.astype(np.float64) * float(head.weight_scale),
        head.bias.astype(np.float64) * step,
    )
