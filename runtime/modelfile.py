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
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError, ModelError

CONTRACT_MEMBER = "sernet.json"
LABELS_MEMBER = "labels.txt"
CHECKSUM_MEMBER = "flatbuffer.sha256"

_MOST_MEMBER_BYTES = 1 << 20
"""A contract takes some kilobytes; a few bytes of a zip can hold gigabytes."""

_FLATBUFFER_IDENTIFIER = b"TFL3"  # at offset 4, from the file_identifier of schema.fbs
# The format's earliest date: the archive must not depend on when it was written.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ModelFile:
    """A `.tflite` or `.keras` file: read once with `read`, then passed on.

    Nothing is parsed until it is asked for, so a damaged file raises where it is used.

    Attributes:
        name: For messages; the path as it was given, where the file was read.
        data: The whole file.
    """

    name: str
    data: bytes = field(repr=False)

    @staticmethod
    def read(path: str | os.PathLike[str]) -> ModelFile:
        """Read a file.

        Raises:
            ModelError: The file is missing or unreadable.
        """
        try:
            return ModelFile(str(path), Path(path).read_bytes())
        except OSError as error:
            raise ModelError(f"cannot read the model {path}: {error.strerror}") from error

    @property
    def is_flatbuffer(self) -> bool:
        """Whether the file starts as a TensorFlow Lite model does."""
        return self.data[4:8] == _FLATBUFFER_IDENTIFIER

    @cached_property
    def flatbuffer(self) -> bytes:
        """The flatbuffer alone, without the archive that follows it.

        All of `data` where the archive is missing or too damaged to be found, and where the file
        is not a flatbuffer.
        """
        if not self.is_flatbuffer:
            return self.data
        try:
            with zipfile.ZipFile(BytesIO(self.data)) as archive:
                return self.data[: min(info.header_offset for info in archive.infolist())]
        # Where an archive is damaged decides what zipfile raises: nearly anything; one without
        # members is a ValueError.
        except Exception:
            return self.data

    @cached_property
    def sha256(self) -> str:
        """Of `flatbuffer`, 64 hex digits: the same with any contract or none."""
        return hashlib.sha256(self.flatbuffer).hexdigest()

    @cached_property
    def contract(self) -> Contract | None:
        """The contract inside; None: there is none.

        Raises:
            ContractError: It is damaged or newer than this program.
            ModelError: The flatbuffer's bytes are not those its checksum was made of.
        """
        if CONTRACT_MEMBER.encode() not in self.data:
            return None
        checksum = b""
        try:
            with zipfile.ZipFile(BytesIO(self.data)) as archive:
                text = _member(archive, CONTRACT_MEMBER)
                if self.is_flatbuffer:
                    checksum = _member(archive, CHECKSUM_MEMBER)
        except KeyError as error:
            raise self._without_contract() from error
        except Exception as error:  # as in `flatbuffer`
            raise ContractError(
                f"{self.name}: the model's contract is damaged: {error}",
                "get the file again, or convert it again with `sernet-edge convert`",
            ) from error
        if self.is_flatbuffer and checksum != _checksum(self):
            raise ModelError(
                f"{self.name}: the model is damaged: its bytes do not match their checksum",
                "get the file again, or convert it again with `sernet-edge convert`",
            )
        return Contract.from_json(text, self.name)

    def require_flatbuffer(self) -> None:
        """Refuse a file that is not a TensorFlow Lite model.

        Raises:
            ModelError: It does not start as one does.
        """
        if not self.is_flatbuffer:
            raise ModelError(f"{self.name} is not a TensorFlow Lite model", "give a .tflite file")

    def require_contract(self) -> Contract:
        """Return the contract.

        Raises:
            ContractError: There is none, or as `contract` says.
            ModelError: As `contract` says.
        """
        if self.contract is None:
            raise self._without_contract()
        return self.contract

    def with_contract(self, contract: Contract) -> ModelFile:
        """Return the same model with another contract, or with one where it had none.

        The same model and contract give the same bytes.
        """
        members = {
            CONTRACT_MEMBER: contract.to_json().encode(),
            LABELS_MEMBER: "".join(f"{label}\n" for label in contract.labels).encode(),
        }
        if self.is_flatbuffer:
            members[CHECKSUM_MEMBER] = _checksum(self)
        buffer = BytesIO(self.flatbuffer)
        with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), content)
        return ModelFile(self.name, buffer.getvalue())

    def _without_contract(self) -> ContractError:
        return ContractError(
            f"{self.name}: the model has no contract, which names its features; the file is "
            "truncated, or was not made by sernet-edge",
            "get the file again, or make it with `sernet-edge train` or `sernet-edge convert`",
        )


def _checksum(file: ModelFile) -> bytes:
    return f"{file.sha256}\n".encode()


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a member's content.

    Raises:
        KeyError: There is no such member.
        ValueError: There are several, or it is too large.
    """
    if archive.namelist().count(name) > 1:
        raise ValueError(f"{name} is there twice")
    with archive.open(name) as member:
        # What the archive says of the size may be wrong.
        content = member.read(_MOST_MEMBER_BYTES + 1)
    if len(content) > _MOST_MEMBER_BYTES:
        raise ValueError(f"{name} is larger than {_MOST_MEMBER_BYTES:,} bytes")
    return content
