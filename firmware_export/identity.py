"""Emits the constant that tells which model a firmware was exported from."""

from __future__ import annotations

from sernet_edge.firmware_export.emit import banner
from sernet_edge.runtime.modelfile import ModelFile


def model_checksum(file: ModelFile) -> int:
    """Return the first 64 bits of the SHA-256 of a `.tflite` without its contract."""
    return int(file.sha256[:16], 16)


def identity_header(file: ModelFile) -> str:
    """Return sernet_identity.h.

    Two models trained with the same settings have the same contract id; their checksums differ.

    Args:
        file: The `.tflite`.
    """
    return f"""\
{banner()}\
#ifndef SERNET_IDENTITY_H
#define SERNET_IDENTITY_H

/* The first 64 bits of the SHA-256 of the flatbuffer. */
#define SERNET_MODEL_CHECKSUM_U64 0x{model_checksum(file):016x}ULL

#endif
"""
