"""A head as a block of bytes, which a device loads at run time: csrc/sernet_head.c.

All numbers are little-endian:

| bytes | content |
|---|---|
| 4 | `SEHD` |
| 2 | version, 1 |
| 2 | labels |
| 4 | features |
| 8 | the `model_id` of the model that it fits |
| 8 | `Contract.taught` |
| 4 | multiplier of the dense layer |
| 4 | its shift, negative to the right |
| 4 | zero point of the logits |
| 4 + 4 + 4 | the softmax's multiplier, shift and smallest difference |
| 4 x labels | biases, minus the embedding's zero point times the sum of the label's weights |
| labels x features | int8 weights, label by label |
| 4 | CRC-32 of everything before |
"""

from __future__ import annotations

import hashlib
import struct
import zlib

import numpy as np

from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.multiplier import quantize_multiplier, softmax_integers
from sernet_edge.runtime.teach.head import HeadPlace

VERSION = 1
_START = struct.Struct("<4sHHIQQiiiiii")


def model_id(file: ModelFile) -> int:
    """Return 64 bits that are equal for models that differ only in their heads.

    They are a hash of the flatbuffer with its head wiped, and of the contract's settings of
    features and labels.

    Raises:
        ModelError: See `HeadPlace`.
    """
    contract = file.require_contract().replace(taught="", unsure_below=0.0, provenance={})
    content = HeadPlace(file).wiped + contract.id.encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "little")


def head_block(file: ModelFile) -> bytes:
    """Return the block of a model's head.

    Raises:
        ModelError: The model is not int8, or see `HeadPlace`.
    """
    place = HeadPlace(file)
    if not place.is_int8:
        raise ModelError(
            f"{file.name} is a float model, and devices load int8 heads",
            "convert it to int8 with `sernet-edge convert`",
        )
    head = place.quantised
    labels, features = head.weights.shape
    # As in the interpreter, the product of the scales is rounded to float32.
    product = float(np.float32(place.embedding_scale * head.weight_scale))
    multiplier, shift = quantize_multiplier(product / float(head.logit_scale))
    sums = head.weights.astype(np.int64).sum(axis=1)
    bias = head.bias.astype(np.int64) - place.embedding_zero_point * sums
    start = _START.pack(
        b"SEHD",
        VERSION,
        labels,
        features,
        model_id(file),
        int(file.require_contract().taught or "0", 16),
        multiplier,
        shift,
        head.logit_zero_point,
        *softmax_integers(float(head.logit_scale)),
    )
    block = start + bias.astype("<i4").tobytes() + head.weights.astype("<i1").tobytes()
    return block + zlib.crc32(block).to_bytes(4, "little")


def block_bytes(labels: int, features: int) -> int:
    """Return the length of the block for a head of this size."""
    return _START.size + 4 * labels + labels * features + 4
