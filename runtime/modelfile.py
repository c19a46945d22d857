"""A model file and the contract inside it.

A `.tflite` carries `sernet.json` and `labels.txt` in a zip archive appended to the
flatbuffer, the "associated files" convention of TensorFlow Lite Metadata: interpreters
ignore what follows the flatbuffer, and any zip tool can list it. A `.keras` file is a zip
archive already and carries the same members.
"""

from __future__ import annotations

import os
import zipfile
from io import BytesIO
from pathlib import Path

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError, ModelError

CONTRACT_MEMBER = "sernet.json"
LABELS_MEMBER = "labels.txt"

_FLATBUFFER_IDENTIFIER = b"TFL3"  # at offset 4, from the file_identifier of schema.fbs
# The format's earliest date: the archive must not depend on when it was written.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a model file.

    Raises:
        ModelError: The file is missing or unreadable.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the model {path}: {error.strerror}") from error


def is_flatbuffer(data: bytes) -> bool:
    """Whether `data` starts as a TensorFlow Lite model does."""
    return data[4:8] == _FLATBUFFER_IDENTIFIER


def read_contract(data: bytes, where: str) -> Contract:
    """Return the contract in the bytes of a `.tflite` or `.keras` file.

    Args:
        data: The whole file.
        where: The file's name, for errors.

    Raises:
        ContractError: There is none, or it is damaged or newer than this program.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            text = archive.read(CONTRACT_MEMBER)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, NotImplementedError) as error:
        if isinstance(error, KeyError) or CONTRACT_MEMBER.encode() not in data:
            raise ContractError(
                f"{where}: the model has no contract, so nobody can know which features it wants",
                "use a model made by `sernet-edge train` or `sernet-edge convert`",
            ) from error
        raise ContractError(
            f"{where}: the model's contract is damaged: {error}",
            "get the file again, or convert it again with `sernet-edge convert`",
        ) from error
    return Contract.from_json(text, where)


def strip_contract(data: bytes) -> bytes:
    """Return the flatbuffer alone, without the archive that follows it."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return data[: min(info.header_offset for info in archive.infolist())]
    except (zipfile.BadZipFile, ValueError):
        return data


def with_contract(data: bytes, contract: Contract) -> bytes:
    """Return `data` (a flatbuffer or a `.keras` archive) with the contract added to it.

    The same model and contract give the same bytes.
    """
    buffer = BytesIO(strip_contract(data) if is_flatbuffer(data) else data)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (
            (CONTRACT_MEMBER, contract.to_json()),
            (LABELS_MEMBER, "".join(f"{label}\n" for label in contract.labels)),
        ):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), text)
    return buffer.getvalue()
