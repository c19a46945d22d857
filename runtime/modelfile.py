"""A model file and the contract inside it.

A `.tflite` carries `sernet.json` and `labels.txt` in a zip archive appended to the
flatbuffer, the "associated files" convention of TensorFlow Lite Metadata: interpreters
ignore what follows the flatbuffer, and any zip tool can list it. A third member holds the
flatbuffer's checksum, since interpreters crash on a damaged one rather than say so. A
`.keras` file is a zip archive already and carries the first two.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from io import BytesIO
from pathlib import Path

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError, ModelError

CONTRACT_MEMBER = "sernet.json"
LABELS_MEMBER = "labels.txt"
CHECKSUM_MEMBER = "flatbuffer.sha256"

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
        ModelError: A flatbuffer's bytes are not those its checksum was made of.
    """
    checksum = b""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            text = archive.read(CONTRACT_MEMBER)
            if is_flatbuffer(data):
                checksum = archive.read(CHECKSUM_MEMBER)
    # Where an archive is damaged decides what zipfile raises: nearly anything.
    except Exception as error:
        if isinstance(error, KeyError) or CONTRACT_MEMBER.encode() not in data:
            raise ContractError(
                f"{where}: the model has no contract; the file is truncated, or was not made "
                "by sernet-edge, and nobody can know which features it wants",
                "get the file again, or make it with `sernet-edge train` or `sernet-edge convert`",
            ) from error
        raise ContractError(
            f"{where}: the model's contract is damaged: {error}",
            "get the file again, or convert it again with `sernet-edge convert`",
        ) from error
    if is_flatbuffer(data) and checksum != _checksum(strip_contract(data)):
        raise ModelError(
            f"{where}: the model is damaged: its bytes do not match their checksum",
            "get the file again, or convert it again with `sernet-edge convert`",
        )
    return Contract.from_json(text, where)


def strip_contract(data: bytes) -> bytes:
    """Return the flatbuffer alone, without the archive that follows it.

    Where there is no archive, or one too damaged to be found, that is all of `data`.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return data[: min(info.header_offset for info in archive.infolist())]
    except Exception:  # as in `read_contract`; an archive without members is a ValueError
        return data


def with_contract(data: bytes, contract: Contract) -> bytes:
    """Return `data` (a flatbuffer or a `.keras` archive) with the contract added to it.

    The same model and contract give the same bytes.
    """
    members: dict[str, str | bytes] = {
        CONTRACT_MEMBER: contract.to_json(),
        LABELS_MEMBER: "".join(f"{label}\n" for label in contract.labels),
    }
    if is_flatbuffer(data):
        data = strip_contract(data)
        members[CHECKSUM_MEMBER] = _checksum(data)
    buffer = BytesIO(data)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), content)
    return buffer.getvalue()


def _checksum(flatbuffer: bytes) -> bytes:
    return hashlib.sha256(flatbuffer).hexdigest().encode() + b"\n"
