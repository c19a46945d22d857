"""The archive of saved runs; runs may also be plain files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from runs_archive import all_runs, archive_of, main, pack
from saved_run_cases import saved_run

from sernet_edge.runtime.errors import SernetError

RUNS = Path(__file__).parents[2] / "benchmarks" / "runs"


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with a plain run and an archive of another run."""
    saved_run(tmp_path / "runs" / "plain")
    saved_run(tmp_path / "others" / "search" / "packed", seed=2)
    pack(tmp_path / "runs", tmp_path / "others")
    return tmp_path / "runs"


def test_the_reader_joins_plain_and_packed_runs_and_leaves_no_files(
    runs: Path, tmp_path: Path
) -> None:
    with all_runs(runs) as folder:
        together = files(folder)
    assert together == files(runs) | files(tmp_path / "others")
    assert not folder.exists()
    assert len(files(runs)) == 3  # no packed file lies beside the plain ones


def test_without_an_archive_the_reader_uses_the_plain_runs(tmp_path: Path) -> None:
    saved_run(tmp_path / "runs" / "plain")
    with all_runs(tmp_path / "runs") as folder:
        assert folder == tmp_path / "runs"


def test_equal_runs_give_an_equal_archive_with_a_standard_checksum(
    runs: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again" / "runs"
    again.mkdir(parents=True)
    shutil.copytree(tmp_path / "others", tmp_path / "copy")  # with other dates
    pack(again, tmp_path / "copy")
    assert archive_of(again).read_bytes() == archive_of(runs).read_bytes()
    check = ["sha256sum", "--check", "runs.tar.xz.sha256"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 0
    assert subprocess.run(check, cwd=RUNS.parent, capture_output=True).returncode == 0


@pytest.mark.parametrize("damage", ["truncated", "a bit", "checksum gone", "checksum empty"])
def test_a_damaged_archive_is_an_error(runs: Path, damage: str) -> None:
    archive = archive_of(runs)
    checksum = archive.with_name("runs.tar.xz.sha256")
    data = archive.read_bytes()
    if damage == "truncated":
        archive.write_bytes(data[:-1])
    elif damage == "a bit":
        archive.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    elif damage == "checksum gone":
        checksum.unlink()
    else:
        checksum.write_text("")
    with pytest.raises(SernetError, match="runs.tar.xz") as refused, all_runs(runs):
        pass
    assert "again, both of one commit" in str(refused.value)


@pytest.mark.parametrize("script", ["results.py", "ablations.py"])
def test_a_damaged_archive_makes_no_page_and_the_message_says_why(
    script: str, runs: Path, tmp_path: Path
) -> None:
    archive_of(runs).write_bytes(b"")
    page = tmp_path / "page.md"
    base = ["--base", "plain"] if script == "ablations.py" else []
    made = subprocess.run(
        [sys.executable, RUNS.parent / script, runs, *base, "--out", page],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 1
    assert "runs.tar.xz is damaged: its SHA-256 is" in made.stderr
    assert len(made.stderr.splitlines()) == 1 and not page.exists()


def test_unpack_writes_all_runs_to_a_folder(runs: Path, tmp_path: Path) -> None:
    main(["unpack", str(runs), str(tmp_path / "out")], standalone_mode=False)
    assert {path.parent.name for path in (tmp_path / "out").rglob("run.json")} == {
        "plain",
        "packed",
    }


def test_every_saved_run_is_either_plain_or_packed() -> None:
    plain = set(files(RUNS))
    with all_runs(RUNS) as folder:
        together = set(files(folder))
    with tarfile.open(archive_of(RUNS)) as tar:
        packed = set(tar.getnames())
    assert plain | packed == together
    assert not plain & packed
