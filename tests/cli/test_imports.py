"""Checks in the source which stages import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]

# Stage -> other stages that it may import. There are no cycles.
_ALLOWED = {
    "runtime": set[str](),
    "train": {"runtime"},
    "firmware_export": {"runtime"},
    "convert": {"runtime", "train", "firmware_export"},
}
_SOURCES = {stage: sorted((_ROOT / stage).rglob("*.py")) for stage in (*_ALLOWED, "sernet_edge")}
_STAGE_FILES = [(stage, path) for stage in _ALLOWED for path in _SOURCES[stage]]
_IDS = [str(path.relative_to(_ROOT)) for _, path in _STAGE_FILES]

# Folder of `runtime` -> folders of `runtime` that it may not import; "" is the top folder.
_LOWER = {"": {"audio", "listen", "outputs"}, "audio": {"listen", "outputs"}}
_RUNTIME_FILES = [path for path in _SOURCES["runtime"] if path.parent.name in ("runtime", "audio")]

# These exist only in a clone.
_NOT_INSTALLED = {
    "benchmarks",
    "tests",
    *(path.stem for path in (_ROOT / "benchmarks").glob("*.py")),
}

# A Pi does not have these; `runtime` may not even try to import them.
_WORKSTATION_ONLY = {"tensorflow", "keras", "scipy", "matplotlib", "python_speech_features"}


def _imports(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the absolute dotted names that `node` and its children import.

    `from a import b` yields a.b: b may be a module.
    """
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            parents = package.split(".")[: -child.level + 1 or None] if child.level else []
            base = ".".join([*parents, *filter(None, [child.module])])
            yield from (f"{base}.{alias.name}" for alias in child.names)


def _import_time_statements(tree: ast.Module) -> ast.Module:
    """Return `tree` without the bodies of its functions: only the code that runs at import."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
            return None

    return Strip().visit(tree)


def _package(stage: str, path: Path) -> str:
    inside = path.relative_to(_ROOT / stage).parent.parts
    return ".".join(["sernet_edge", *([] if stage == "sernet_edge" else [stage]), *inside])


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("import scipy.signal as s", "scipy.signal"),
        ("from sernet_edge.train import fit", "sernet_edge.train.fit"),
        ("from sernet_edge import train", "sernet_edge.train"),
        ("from . import frontend", "sernet_edge.runtime.frontend"),
        ("from ..train.fit import fit", "sernet_edge.train.fit.fit"),
        ("def f():\n    import keras", "keras"),
    ],
)
def test_the_helper_finds_every_kind_of_import(statement: str, name: str) -> None:
    assert list(_imports(ast.parse(statement), "sernet_edge.runtime")) == [name]


def test_every_stage_has_sources() -> None:
    assert all(_SOURCES.values())


@pytest.mark.parametrize(("stage", "path"), _STAGE_FILES, ids=_IDS)
def test_a_stage_imports_only_allowed_stages(stage: str, path: Path) -> None:
    names = list(_imports(ast.parse(path.read_text()), _package(stage, path)))
    own = [name.split(".") for name in names if name.split(".")[0] == "sernet_edge"]
    stages = {parts[1] for parts in own if parts[1:2] != ["__version__"]}
    assert stages <= _ALLOWED[stage] | {stage}
    if stage == "runtime":
        assert not {name.split(".")[0] for name in names} & _WORKSTATION_ONLY


@pytest.mark.parametrize("path", _RUNTIME_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_runtimes_core_imports_no_device_command_or_output(path: Path) -> None:
    folder = "" if path.parent == _ROOT / "runtime" else path.parent.name
    names = _imports(ast.parse(path.read_text()), _package("runtime", path))
    inside = [name.split(".")[2:] for name in names if name.startswith("sernet_edge.runtime.")]
    assert not {parts[0] for parts in inside} & _LOWER[folder]


def test_installed_code_never_imports_benchmarks_or_tests() -> None:
    for stage, paths in _SOURCES.items():
        for path in paths:
            names = _imports(ast.parse(path.read_text()), _package(stage, path))
            assert not {name.split(".")[0] for name in names} & _NOT_INSTALLED, path


def test_imports_do_not_rename() -> None:
    usual = {"np", "tf"}
    folders = ("benchmarks", "tests", "sernet_edge", *_ALLOWED)
    for path in (path for folder in folders for path in (_ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                # `import x as x` tells type checkers that a package exports x.
                renamed = {a.asname for a in node.names if a.asname not in (None, a.name)}
                assert renamed <= usual, f"{path}:{node.lineno}"


def test_only_one_module_parses_flatbuffers() -> None:
    parsing = {
        str(path.relative_to(_ROOT))
        for stage, paths in _SOURCES.items()
        for path in paths
        for name in _imports(ast.parse(path.read_text()), _package(stage, path))
        if name.split(".")[0] in ("tflite", "flatbuffers")
    }
    assert parsing == {"firmware_export/graph.py"}


# Modules that combine stages lie beside cli.py, which imports them only when needed.
_FRONT_DOOR = [
    p for p in _SOURCES["sernet_edge"] if p.stem in ("__init__", "__main__", "cli", "commands")
]


@pytest.mark.parametrize("path", _FRONT_DOOR, ids=lambda path: path.name)
def test_the_command_line_loads_a_stage_only_when_needed(path: Path) -> None:
    names = _imports(
        _import_time_statements(ast.parse(path.read_text())), _package("sernet_edge", path)
    )
    stages = tuple(f"sernet_edge.{stage}" for stage in _ALLOWED)
    loaded = {name for name in names if name.startswith(stages)}
    assert {name for name in loaded if not name.startswith("sernet_edge.runtime.errors")} == set()
