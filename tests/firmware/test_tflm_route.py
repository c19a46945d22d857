"""The bundle for TensorFlow Lite Micro works with a stand-in for it, and with a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from graphs import RandomGraph
from object_files import STRICT
from state_graphs import RandomStates

from sernet_edge.firmware_export import tflm
from sernet_edge.firmware_export.bundle import write_files
from sernet_edge.firmware_export.network_bundle import tflm_network_bundle_files
from sernet_edge.runtime.modelfile import ModelFile

STAND_IN = Path(__file__).parent / "tflm_stand_in"


def network(keeps_state: bool) -> ModelFile:
    """Return a small network, with or without variables."""
    if keeps_state:
        states = RandomStates(0)
        last = states.streamed(states.graph.input((1, 3, 1, 8), 0.1, 0))
        for handle, value in states._assignments:
            states.graph.write(handle, value)
        return ModelFile("states", states.graph.finish(states.dense(last, 3)))
    random = RandomGraph(3)
    last = random.conv(random.graph.input((1, 8, 6, 2), 0.1, 3), 2)
    return ModelFile("plain", random.graph.finish(random.dense(last, 3)))


@pytest.fixture(params=[True, False], ids=["with variables", "without"])
def keeps_state(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def folder(keeps_state: bool, tmp_path: Path) -> Path:
    """The bundle of a network alone."""
    write_files(tflm_network_bundle_files(network(keeps_state)), tmp_path / "out", force=False)
    return tmp_path / "out"


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    return done.stdout


def test_every_c_file_of_a_network_alone_compiles_strictly(folder: Path) -> None:
    run(["gcc", *STRICT, "-fsyntax-only", *map(str, sorted((folder / "src").glob("*.c")))])


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_only_variables_keep_their_values_from_window_to_window(
    compiler: str, folder: Path, keeps_state: bool
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} not installed")
    names = tflm.operators(network(keeps_state))
    methods = "".join(f"METHOD(Add{tflm.method(name)})\n" for name in names)
    (folder / "methods.h").write_text(methods)
    c_compiler, objects = {"g++": "gcc", "clang++": "clang"}[compiler], []
    for source in sorted((folder / "src").glob("*.c")):
        objects.append(str(folder / f"{source.stem}.o"))
        run([c_compiler, *STRICT, "-c", str(source), "-o", objects[-1]])
    program = str(folder / "program")
    include = [f"-I{folder / 'src'}", f"-I{STAND_IN}", f"-I{folder}"]
    sanitized = ["-fsanitize=address,undefined", "-fno-sanitize-recover"]
    run([compiler, "-std=c++17", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror",
         *sanitized, *include, str(folder / "src/sernet_tflm.cc"), str(STAND_IN / "main.cc"),
         *objects, "-o", program])  # fmt: skip
    # Status, windows since the variables or the interpreter were created, the window's sum.
    rows = 3 if keeps_state else 8
    windows = [[1, n if keeps_state else 1, rows * n] for n in (1, 2, 3)]
    said = [[int(word) for word in line.split()] for line in run([program]).splitlines()]
    assert said == 2 * windows


@pytest.mark.skipif(
    not (os.environ.get("TFLM_INCLUDE") and os.environ.get("TFLM_LIBRARY")),
    reason="TFLM_INCLUDE and TFLM_LIBRARY name no TensorFlow Lite Micro for this computer",
)
def test_a_real_tflm_gives_the_golden_scores(folder: Path) -> None:
    build = folder / "build"
    options = [f"-D{name}={os.environ[name]}" for name in ("TFLM_INCLUDE", "TFLM_LIBRARY")]
    run(["cmake", "-S", str(folder), "-B", str(build), *options])
    run(["cmake", "--build", str(build)])
    assert "outputs that differ: 0 of" in run([str(build / "selftest")])
