"""Checks that a wheel contains the files of the repository's packages, and nothing else."""

from __future__ import annotations

import subprocess
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from sernet_edge.runtime.errors import SernetError


def installed_names(tracked: Iterable[str], folders: dict[str, str]) -> set[str]:
    """Return the paths in the wheel of the repository's files.

    Args:
        tracked: Paths in the repository.
        folders: Folder of each package in the repository, as in setuptools' `package-dir`.
    """
    place = {folder: package.replace(".", "/") for package, folder in folders.items()}
    names = map(PurePosixPath, tracked)
    return {
        "/".join([place[name.parts[0]], *name.parts[1:]])
        for name in names
        if name.parts[0] in place
    }


def check_wheel(wheel: Path, root: Path) -> None:
    """Compare a wheel with the files that git tracks below `root`.

    Raises:
        SernetError: Files are missing, or files are not tracked; names them.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    wanted = installed_names(tracked, project["tool"]["setuptools"]["package-dir"])
    with zipfile.ZipFile(wheel) as file:
        found = {name for name in file.namelist() if ".dist-info/" not in name}
    if missing := sorted(wanted - found):
        raise SernetError(f"{wheel.name} lacks {', '.join(missing)}", hint="see package-data")
    if extra := sorted(found - wanted):
        raise SernetError(f"{wheel.name} holds {', '.join(extra)}", hint="git does not track it")
