"""Outputs are written whole or not at all."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from support import Run

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import replacing, write_bytes, write_text


def test_a_file_is_replaced_whole_and_readable_by_others(tmp_path: Path) -> None:
    out = tmp_path / "a.txt"
    write_text(out, "one\n")
    write_text(out, "zwei ä\n")
    assert out.read_bytes() == "zwei ä\n".encode()
    plain = tmp_path / "plain"
    plain.touch()
    assert out.stat().st_mode == plain.stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "plain"]


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "a.bin"
    write_bytes(out, b"precious")
    with pytest.raises(RuntimeError), replacing(out) as temporary:
        Path(temporary).write_bytes(b"half of the n")
        raise RuntimeError
    assert out.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["none/a", "file/a", "a" * 300])
def test_a_place_that_cannot_be_written_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / name
    with pytest.raises(SernetError, match=f"cannot write {path}: .*check that the folder exists"):
        write_bytes(path, b"x")
    assert [file.name for file in tmp_path.rglob("*")] == ["file"]


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name in ("there.txt", "not yet there.txt"):
        link, file = tmp_path / name, tmp_path / "elsewhere" / name
        link.symlink_to(file)
        write_text(link, "first\n")
        write_text(link, "second\n")
        assert link.is_symlink()
        assert file.read_text() == "second\n"
    assert len(list(tmp_path.rglob("*"))) == 5


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "to pipe").symlink_to(tmp_path / "pipe")
    before = {path: path.lstat() for path in tmp_path.iterdir()}
    for name, kind in (
        ("pipe", "not a regular file"),
        ("folder", "a directory"),
        ("loop", "not a regular file"),
        ("to pipe", "not a regular file"),
    ):
        with pytest.raises(SernetError) as caught:
            write_bytes(tmp_path / name, b"x")
        assert caught.value.message == f"cannot write {tmp_path / name}: it is {kind}"
    assert {path: path.lstat().st_ino for path in tmp_path.iterdir()} == {
        path: status.st_ino for path, status in before.items()
    }


def test_a_full_disk_is_reported_and_leaves_nothing_behind(
    shipped_model: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    out = tmp_path / "model.h"

    def small_disk() -> None:
        # The kernel lets no file grow beyond this, like a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    result = sernet_edge("export", shipped_model, "--header", out, preexec_fn=small_disk)
    assert result.returncode == 1
    assert f"cannot write {out}" in result.stderr
    assert list(tmp_path.iterdir()) == []
