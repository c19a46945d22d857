"""A wheel holds every folder of code and the data files beside the code."""

from __future__ import annotations

import tomllib
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_SETUPTOOLS = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
_TOPS = {_ROOT / folder: package for package, folder in _SETUPTOOLS["package-dir"].items()}


def _package(folder: Path) -> str:
    """Return the package name of a folder."""
    if folder in _TOPS:
        return _TOPS[folder]
    return f"{_package(folder.parent)}.{folder.name}"


def test_pyproject_lists_every_folder_of_code_as_a_package() -> None:
    folders = {path.parent for top in _TOPS for path in top.rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)
    assert sorted(map(_package, folders)) == sorted(_SETUPTOOLS["packages"])


def test_pyproject_installs_every_data_file() -> None:
    folders = {_package(path.parent): path.parent for t in _TOPS for path in t.rglob("__init__.py")}
    installed = set[Path]()
    for package, patterns in _SETUPTOOLS["package-data"].items():
        for pattern in patterns:
            found = {path for path in folders[package].glob(pattern) if path.is_file()}
            assert found, f"{package}: no file is called {pattern}"
            installed |= found
    beside = {path for top in _TOPS for path in top.rglob("*") if path.is_file()}
    assert {p for p in beside if p.suffix not in (".py", ".pyc")} == installed
