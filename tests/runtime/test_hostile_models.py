"""A hostile model file cannot fill the memory, hide a second contract or write any file."""

from __future__ import annotations

import tracemalloc
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from sernet_edge.runtime.errors import ContractError, SernetError
from sernet_edge.runtime.modelfile import ModelFile


def with_members(model: Path, members: list[tuple[str, bytes]]) -> ModelFile:
    """The shipped model's flatbuffer with other members."""
    buffer = BytesIO(ModelFile.read(model).flatbuffer)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return ModelFile("hostile.tflite", buffer.getvalue())


@pytest.fixture
def members(shipped_model: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(shipped_model) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_members_that_are_written_back_unchanged_are_read(
    shipped_model: Path, members: dict[str, bytes]
) -> None:
    file = with_members(shipped_model, list(members.items()))
    assert file.require_contract() == ModelFile.read(shipped_model).require_contract()


@pytest.mark.parametrize("name", ["sernet.json", "flatbuffer.sha256"])
def test_a_zip_bomb_is_refused_before_it_fills_the_memory(
    name: str, shipped_model: Path, members: dict[str, bytes]
) -> None:
    file = with_members(shipped_model, list((members | {name: bytes(100_000_000)}).items()))
    tracemalloc.start()
    with pytest.raises(ContractError, match="larger than 1,048,576 bytes"):
        file.require_contract()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["sernet.json", "flatbuffer.sha256"])
def test_a_member_that_is_there_twice_is_refused(
    name: str, shipped_model: Path, members: dict[str, bytes]
) -> None:
    file = with_members(shipped_model, [*members.items(), (name, members[name])])
    with pytest.raises(ContractError, match=f"{name} is there twice"):
        file.require_contract()


def test_members_with_paths_are_never_written(
    shipped_model: Path, members: dict[str, bytes], tmp_path: Path
) -> None:
    strange = [("../../escaped", b"x"), ("/escaped", b"x"), (f"{tmp_path}/escaped", b"x")]
    file = with_members(shipped_model, [*members.items(), *strange])
    file.require_contract()
    assert not list(tmp_path.parent.rglob("escaped")) and not Path("/escaped").exists()


def test_a_contract_that_is_nested_too_deep_is_refused(
    shipped_model: Path, members: dict[str, bytes]
) -> None:
    deep = b"[" * 200_000
    file = with_members(shipped_model, list((members | {"sernet.json": deep}).items()))
    with pytest.raises(SernetError, match="is not JSON"):
        file.require_contract()
