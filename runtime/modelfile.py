"""A model file and the contract inside it.

A `.tflite` carries `sernet.json` and `labels.txt` in a zip archive after the flatbuffer: the
"associated files" of TensorFlow Lite Metadata. Interpreters ignore what follows the flatbuffer, and
any zip tool can list the archive. A third member holds the flatbuffer's checksum, since a damaged
one makes interpreters crash without an error. A `.keras` file is itself a zip archive, and carries
the first two members.
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
"""A contract takes some kilobytes. The limit protects from zip members that unpack to gigabytes."""

_FLATBUFFER_IDENTIFIER = b"TFL3"  # at offset 4, from the file_identifier of schema.fbs
# The earliest date that a zip can hold: the archive must not depend on the time of writing.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ModelFile:
    """A `.tflite` or `.keras` file, read once with `read`.

    Its parts are parsed at their first use, so only then does a damaged part raise an error.

    Attributes:
        name: The file's name in messages, as the caller of `read` gave it.
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

        All of `data` if there is no archive, if it is too damaged to be found, or if the file is
        not a flatbuffer.
        """
        if not self.is_flatbuffer:
            return self.data
        try:
            with zipfile.ZipFile(BytesIO(self.data)) as archive:
                return self.data[: min(info.header_offset for info in archive.infolist())]
        # On damaged archives zipfile raises nearly any exception. An archive without members is a
        # ValueError, too.
        except Exception:
            return self.data

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of `flatbuffer`, 64 hex digits; it does not depend on the contract."""
        return hashlib.sha256(self.flatbuffer).hexdigest()

    @cached_property
    def contract(self) -> Contract | None:
        """The contract in the file; None if there is none.

        Raises:
            ContractError: It is damaged or newer than this program.
            ModelError: The flatbuffer does not match its checksum.
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
        except Exception as error:  # see `flatbuffer`
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
            ModelError: Its first bytes are not a TensorFlow Lite model's.
        """
        if not self.is_flatbuffer:
            raise ModelError(f"{self.name} is not a TensorFlow Lite model", "give a .tflite file")

    def require_contract(self) -> Contract:
        """Return the contract.

        Raises:
            ContractError: There is none, or see `contract`.
            ModelError: See `contract`.
        """
        if self.contract is None:
            raise self._without_contract()
        return self.contract

    def with_contract(self, contract: Contract) -> ModelFile:
        """Return the same model with this contract, added or in place of another.

        The same model and contract always give the same bytes.
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
            "get the file again, make it with `sernet-edge train` or `sernet-edge convert`, or "
            "give another project's int8 model a contract with `sernet-edge adopt`",
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
        # The size in the archive's directory may be wrong, so the member is read to its limit.
        content = member.read(_MOST_MEMBER_BYTES + 1)
    if len(content) > _MOST_MEMBER_BYTES:
        raise ValueError(f"{name} is larger than {_MOST_MEMBER_BYTES:,} bytes")
    return content
