"""The saved cross-validations: runs that a page quotes are plain files, the rest is an archive.

    python benchmarks/runs_archive.py unpack benchmarks/runs FOLDER
    python benchmarks/runs_archive.py pack benchmarks/runs FOLDER

`unpack` writes all runs to FOLDER; `pack` makes the archive from the runs in FOLDER. The archive is
RUNS.tar.xz beside the folder of plain runs, its checksum RUNS.tar.xz.sha256, for
`sha256sum --check`.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import click
from page_command import run_page_command

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_bytes, write_text


@contextmanager
def all_runs(runs: Path) -> Iterator[Path]:
    """Yield a folder with the plain runs in `runs` and those of the archive beside it.

    If there is no archive, that is `runs` itself.

    Raises:
        SernetError: See `unpack`.
    """
    if not archive_of(runs).exists():
        yield runs
        return
    with tempfile.TemporaryDirectory() as folder:
        unpack(runs, Path(folder))
        yield Path(folder)


def archive_of(runs: Path) -> Path:
    """Return the path of the archive beside the plain runs in `runs`."""
    return runs.with_name(f"{runs.name}.tar.xz")


def unpack(runs: Path, folder: Path) -> None:
    """Write the runs in `runs` and in the archive beside it to `folder`.

    Raises:
        SernetError: The archive or its checksum cannot be read, or they do not match.
    """
    archive = archive_of(runs)
    again = f"get {archive} and {_checksum_of(archive).name} again, both of one commit"
    try:
        data = archive.read_bytes()
        expected = _checksum_of(archive).read_text().split()[:1]
    except (OSError, ValueError) as error:
        raise SernetError(f"cannot read the archive {archive}: {error}", again) from error
    found = hashlib.sha256(data).hexdigest()
    if [found] != expected:
        raise SernetError(
            f"{archive} is damaged: its SHA-256 is {found}, but {_checksum_of(archive).name} says "
            f"{' '.join(expected) or 'nothing'}",
            again,
        )
    with tarfile.open(fileobj=BytesIO(data), mode="r:xz") as tar:
        tar.extractall(folder, filter="data")
    shutil.copytree(runs, folder, dirs_exist_ok=True)


def pack(runs: Path, folder: Path) -> None:
    """Make the archive beside `runs` from the runs in `folder`.

    The same files always give the same bytes.
    """
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*.json")):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(member, file)
    archive = archive_of(runs)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    write_bytes(archive, buffer.getvalue())
    write_text(_checksum_of(archive), f"{digest}  {archive.name}\n")


def _checksum_of(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.sha256")


@click.command()
@click.argument("action", type=click.Choice(["pack", "unpack"]))
@click.argument("runs", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(action: str, runs: Path, folder: Path) -> None:
    """Pack the runs in FOLDER into the archive beside RUNS, or unpack all runs to FOLDER."""
    if action == "pack":
        pack(runs, folder)
    else:
        unpack(runs, folder)


if __name__ == "__main__":
    run_page_command(main)
