"""Which model a firmware was made of, as a constant in it."""

from __future__ import annotations

import hashlib

from sernet_edge.firmware_export.emit import banner
from sernet_edge.runtime import modelfile


def model_checksum(data: bytes) -> int:
    """Return the first 64 bits of the SHA-256 of a `.tflite` without its contract."""
    digest = hashlib.sha256(modelfile.strip_contract(data)).digest()
    return int.from_bytes(digest[:8], "big")


def identity_header(data: bytes) -> str:
    """Return sernet_identity.h.

    The contract's id does not tell two models apart that were trained with the same settings.

    Args:
        data: The whole `.tflite`.
    """
    return f"""\
{banner()}\
#ifndef SERNET_IDENTITY_H
#define SERNET_IDENTITY_H

/* The first 64 bits of the SHA-256 of the flatbuffer. */
#define SERNET_MODEL_CHECKSUM_U64 0x{model_checksum(data):016x}ULL

#endif
"""
