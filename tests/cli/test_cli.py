"""The command line: its help without loading a stage, and its errors when a package is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from support import Run

from sernet_edge import __version__
from sernet_edge.commands import _missing_package
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora import CORPORA

ROOT = Path(__file__).parents[2]


def test_help_lists_every_command(sernet_edge: Run) -> None:
    result = sernet_edge("--help")
    assert result.returncode == 0
    for command in ("train", "cross-validate", "convert", "export", "listen"):
        assert f"  {command} " in result.stdout


@pytest.mark.parametrize("arguments", [["dance"], ["listen", "--nonsense"], ["train"]])
def test_wrong_usage_exits_with_2(arguments: list[str], in_process: Run) -> None:
    result = in_process(*arguments)
    assert result.returncode == 2
    assert "Usage:" in result.stderr


def test_a_mistyped_command_is_guessed(in_process: Run) -> None:
    result = in_process("lisen", "--input", "a.wav")
    assert result.returncode == 2
    assert "No such command 'lisen'. Did you mean listen?" in result.stderr


def _in_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("module", ["click", "numpy", "tflite_runtime"])
def test_ctrl_c_during_loading_shows_no_traceback(module: str) -> None:
    # Python raises this wherever it is when the signal comes; here, in an import.
    result = _in_python(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "from sernet_edge.cli import main\n"
        "sys.meta_path.insert(0, Finder())\n"
        "main(['listen', '--input', 'none.wav'])"
    )
    assert result.returncode == 130
    assert result.stderr.strip() == "interrupted"


def test_bench_measures_without_a_corpus_where_scipy_is_missing() -> None:
    result = _in_python(
        "import sys; sys.modules['scipy'] = None\n"
        "import sernet_edge.bench.command\n"
        "from sernet_edge.bench.measure import accuracy, run, tflm_cores"
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_hint_for_a_corpus_in_bench_names_an_extra_that_has_scipy() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert any(line.startswith("scipy") for line in extras["oracle"])
    assert "sernet-edge[oracle]" in extras["train"]
    assert any(line.startswith("scipy") for line in extras["convert"])
    error = _missing_package("bench", ModuleNotFoundError(name="scipy"))
    assert "pip install 'sernet-edge[train]'" in str(error)


def test_a_closed_standard_output_gives_one_line(sernet_edge: Run) -> None:
    result = sernet_edge("listen", "--input", "none.wav", preexec_fn=lambda: os.close(1))
    assert result.returncode == 1
    assert result.stderr == "sernet-edge: standard output is closed\n"


def test_a_closed_standard_error_changes_nothing(sernet_edge: Run) -> None:
    result = sernet_edge("--version", preexec_fn=lambda: os.close(2))
    assert result.returncode == 0
    assert __version__ in result.stdout


@pytest.mark.parametrize(
    ("missing", "extra", "arguments"),
    [
        ("keras", "train", ["train", "--corpus", "emodb", "CORPUS", "--out", "OUT/m.keras"]),
        (
            "tflite",
            "convert",
            ["convert", "KERAS", "--corpus", "emodb", "CORPUS", "--out", "OUT/a.tflite"],
        ),
    ],
)
def test_the_error_names_a_missing_package_and_its_extra(
    missing: str,
    extra: str,
    arguments: list[str],
    small_corpus: Path,
    tmp_path: Path,
) -> None:
    # Without the package, the command never reads the weights.
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as empty:
        empty.writestr("config.json", "{}")
    provenance = {"corpus": "emodb", "holdout_speakers": ["09"]}
    contract = Contract(CORPORA["emodb"].labels, (0.0,), (1.0,), provenance=provenance)
    model = tmp_path / "a.keras"
    model.write_bytes(ModelFile.read(tmp_path / "m.keras").with_contract(contract).data)
    places = {"CORPUS": str(small_corpus), "KERAS": str(model), "OUT": str(tmp_path / "out")}
    (tmp_path / "out").mkdir()
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    # Python marks a module that cannot be imported with None in sys.modules.
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from sernet_edge.cli import main; main({arguments!r})"
    )
    result = _in_python(code)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        f"sernet-edge: `sernet-edge {extra}` needs the Python package {missing!r} "
        f"(pip install 'sernet-edge[{extra}]')"
    )
