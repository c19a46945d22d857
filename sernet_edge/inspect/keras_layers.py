"""Reads what a `.keras` file says of its layers, without Keras: it is a zip archive with JSON."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile

# Layers without weights and MACs.
_PLAIN = {
    *("InputLayer", "ReLU", "LeakyReLU", "Activation", "Softmax", "Dropout", "GaussianNoise"),
    *("SpatialDropout1D", "SpatialDropout2D", "Concatenate", "Add", "Subtract", "Multiply"),
    *("Average", "Maximum", "Flatten", "Reshape", "Permute", "ZeroPadding2D", "Cropping2D"),
    *("AveragePooling1D", "MaxPooling1D", "GlobalAveragePooling1D", "GlobalMaxPooling1D"),
    *("AveragePooling2D", "MaxPooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"),
    "UpSampling2D",
}


@dataclass(frozen=True)
class Layer:
    """A layer.

    Attributes:
        kind: Its class.
        name: Its name.
        shape: Of what it makes, batch first, -1 for a size that is not fixed; None: not told.
        type: Such as "float32".
        parameters: Its weights, those that training does not touch included; None: not known.
        macs: Multiply-accumulates of one window; None: not known.
    """

    kind: str
    name: str
    shape: tuple[int, ...] | None
    type: str
    parameters: int | None
    macs: int | None


def read_layers(file: ModelFile) -> tuple[str, list[Layer]]:
    """Return the Keras version that wrote a file, and its layers in order.

    Args:
        file: The `.keras` file.

    Raises:
        ModelError: It is none, or is damaged.
    """
    try:
        with zipfile.ZipFile(BytesIO(file.data)) as archive:
            if (broken := archive.testzip()) is not None:
                raise ValueError(f"{broken} does not match its checksum")
            config = json.loads(archive.read("config.json"))
            version = str(json.loads(archive.read("metadata.json")).get("keras_version", "?"))
        entries = config["config"]["layers"]
        made = _shapes(entries)
        return version, [_layer(entry, made) for entry in entries]
    # Where an archive is damaged decides what zipfile raises: nearly anything.
    except Exception as error:
        raise ModelError(
            f"{file.name}: the Keras model is damaged or truncated: {error}",
            "get the file again, or train it again",
        ) from error


def _tensors(node: Any) -> Iterator[dict[str, Any]]:
    """Yield the tensors that a call of a layer got, wherever they are among its arguments."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            yield node["config"]
            return
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from _tensors(part)


def _shapes(entries: list[dict[str, Any]]) -> dict[str, tuple[int, ...]]:
    """Return what layers make, as far as other layers take it."""
    made: dict[str, tuple[int, ...]] = {}
    for entry in entries:
        for tensor in _tensors(entry.get("inbound_nodes")):
            made[tensor["keras_history"][0]] = _fixed(tensor["shape"])
    return made


def _fixed(shape: list[int | None]) -> tuple[int, ...]:
    return tuple(-1 if n is None else int(n) for n in shape)


def _layer(entry: dict[str, Any], made: dict[str, tuple[int, ...]]) -> Layer:
    kind, config = str(entry["class_name"]), entry["config"]
    name = str(config.get("name", entry.get("name", "?")))
    taken = [_fixed(tensor["shape"]) for tensor in _tensors(entry.get("inbound_nodes"))]
    shape = made.get(name)
    if shape is None and "batch_shape" in config:
        shape = _fixed(config["batch_shape"])
    if shape is None and kind == "Dense" and taken:
        shape = (*taken[0][:-1], int(config["units"]))
    dtype = config.get("dtype", "?")
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name", "?")
    parameters, macs = _counts(kind, config, taken[0] if taken else None, shape)
    return Layer(kind, name, shape, str(dtype), parameters, macs)


def _counts(
    kind: str, config: dict[str, Any], taken: tuple[int, ...] | None, made: tuple[int, ...] | None
) -> tuple[int | None, int | None]:
    """Return a layer's parameters and MACs, None where they are not known."""
    if kind in _PLAIN:
        return 0, 0
    if taken is None or taken[-1] < 1:
        return None, None
    channels = taken[-1]
    bias = bool(config.get("use_bias"))
    positions = math.prod(made[1:-1]) if made and -1 not in made[1:] else None

    def counts(weights: int, biases: int) -> tuple[int, int | None]:
        return weights + biases * bias, None if positions is None else positions * weights

    if kind in ("BatchNormalization", "LayerNormalization"):
        vectors = bool(config.get("scale", True)) + bool(config.get("center", True))
        return channels * (vectors + 2 * (kind == "BatchNormalization")), 0
    if kind == "Dense":
        return counts(channels * int(config["units"]), int(config["units"]))
    kernel = math.prod(config.get("kernel_size", ()))
    if kind == "Conv2D":
        filters = int(config["filters"])
        return counts(kernel * channels // int(config.get("groups", 1)) * filters, filters)
    if kind == "DepthwiseConv2D":
        out = channels * int(config["depth_multiplier"])
        return counts(kernel * out, out)
    if kind == "SeparableConv2D":
        out, filters = channels * int(config["depth_multiplier"]), int(config["filters"])
        return counts(kernel * out + out * filters, filters)
    return None, None
