"""Exports for TensorFlow Lite Micro: the arena, the resolver, and the bundle built with a TFLM."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tflite
from graphs import Graph
from object_files import STRICT
from support import Run

from sernet_edge.firmware_export import tflm
from sernet_edge.firmware_export.bundle import bundle_files, tflm_bundle_files
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile

SAMPLE = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


@pytest.fixture(scope="module")
def file(shipped_model: Path) -> ModelFile:
    return ModelFile.read(shipped_model)


@pytest.fixture(scope="module")
def windows(file: ModelFile) -> np.ndarray:
    size = read_network(file).input
    return np.random.default_rng(1).integers(-128, 128, (2, size.height * size.row_bytes), np.int8)


@pytest.fixture(scope="module")
def bundle(sernet_edge: Run, shipped_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tflm") / "bundle"
    result = sernet_edge("export", shipped_model, "--out", out, "--engine", "tflm")
    assert (result.returncode, result.stderr) == (0, "")
    return out


def macro(text: str, name: str) -> int:
    found = re.search(rf"#define {name} (\d+)$", text, re.MULTILINE)
    assert found is not None, name
    return int(found[1])


def test_the_model_runs_in_the_measured_arena_and_in_no_smaller_one(
    file: ModelFile, windows: np.ndarray
) -> None:
    measured = tflm.run(file, windows)
    again = tflm.run(file, windows, measured.arena_bytes)
    np.testing.assert_array_equal(again.outputs, measured.outputs)
    # Allocations are aligned to 16 bytes.
    with pytest.raises(ModelError, match=r"cannot run the model in .* bytes: Failed to allocate"):
        tflm.run(file, windows, measured.arena_bytes - 16)


def test_a_refusal_has_the_reason_of_the_interpreter() -> None:
    graph = Graph()
    source = graph.input((1, 4), 1.0, 0)
    graph.entries[source].kind = tflite.TensorType.INT64
    made = graph.tensor((1, 4), 1.0, 0)
    graph.entries[made].kind = tflite.TensorType.INT64
    graph.operator("ADD", [source, source], made, "AddOptions")
    with pytest.raises(ModelError, match="bytes: Type INT64 .4. not supported"):
        tflm.run(ModelFile("m.tflite", graph.finish(made)), np.zeros((1, 4), np.int64))


def test_the_outputs_of_the_interpreter_equal_those_of_the_runtime(
    file: ModelFile, windows: np.ndarray
) -> None:
    model = Model(file)
    expected = [model.run_int8(w.reshape(-1, model.contract.feature_count)) for w in windows]
    np.testing.assert_array_equal(tflm.run(file, windows).outputs, expected)


def test_the_margin_covers_the_measured_scratch_memory_of_cmsis_nn(file: ModelFile) -> None:
    # The widest kernel is 3 x 3 of 128 channels: four int8 columns of it, and 160 sums.
    assert tflm.margin_bytes(file) >= 4 * 9 * 128 + 4 * 160
    assert tflm.margin_bytes(file) % 1024 == 0


def test_an_arena_that_is_far_too_small_is_an_error_not_a_crash(
    file: ModelFile, windows: np.ndarray
) -> None:
    for arena_bytes in (64, 200, 5_000):
        with pytest.raises(ModelError, match="cannot run the model"):
            tflm.run(file, windows, arena_bytes)


def test_the_resolver_has_exactly_the_models_operators(file: ModelFile) -> None:
    header = tflm.ops_header(tflm.operators(file))
    assert re.findall(r"resolver\.Add(\w+)\(\)", header) == [
        "AveragePool2D",
        "Concatenation",
        "Conv2D",
        "FullyConnected",
        "Mean",
        "Softmax",
    ]
    assert "MicroMutableOpResolver<6>" in header


@pytest.mark.parametrize(
    ("operator", "method"),
    [
        ("DEPTHWISE_CONV_2D", "DepthwiseConv2D"),
        ("MAX_POOL_2D", "MaxPool2D"),
        ("L2_POOL_2D", "L2Pool2D"),
        ("L2_NORMALIZATION", "L2Normalization"),
        ("RELU6", "Relu6"),
        ("TANH", "Tanh"),
        ("BATCH_TO_SPACE_ND", "BatchToSpaceNd"),
        ("BATCH_MATMUL", "BatchMatMul"),
        ("PADV2", "PadV2"),
        ("SPLIT_V", "SplitV"),
        ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighbor"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "UnidirectionalSequenceLSTM"),
    ],
)
def test_operators_have_the_names_of_the_resolver(operator: str, method: str) -> None:
    assert tflm.method(operator) == method


def with_folded_input(model: Model) -> bytes:
    """A model of the shipped one's shapes with an operator that the native engine refuses."""
    contract, graph = model.contract, Graph()
    shape = (1, contract.window_frames, contract.feature_count, 1)
    source = graph.input(shape, model.input_scale, model.input_zero_point)
    folded = graph.tensor(
        (1, shape[1] // 2, shape[2] // 2, 4), model.input_scale, model.input_zero_point, "folded"
    )
    graph.operator("SPACE_TO_DEPTH", [source], folded, "SpaceToDepthOptions", {"BlockSize": 2})
    weights = np.random.default_rng(2).integers(
        -127, 128, (len(contract.labels), contract.window_frames * contract.feature_count), np.int8
    )
    scores = graph.tensor((1, len(contract.labels)), 0.1, 0, "scores")
    constant = graph.constant(weights, [0.01])
    graph.operator("FULLY_CONNECTED", [folded, constant], scores, "FullyConnectedOptions", {})
    output = graph.tensor((1, len(contract.labels)), 1 / 256, -128, "output")
    graph.operator("SOFTMAX", [scores], output, "SoftmaxOptions", {"Beta": 1.0})
    return ModelFile("model", graph.finish(output)).with_contract(contract).data


def test_a_model_that_the_native_engine_refuses_is_exported_for_tflm(file: ModelFile) -> None:
    other = with_folded_input(Model(file))
    with pytest.raises(ModelError, match="--engine tflm"):
        bundle_files(PlannedModel.read(ModelFile("model", other)))
    texts = tflm_bundle_files(Model(ModelFile("model", other)))
    assert "AddSpaceToDepth" in texts["src/sernet_tflm_ops.h"]
    assert macro(texts["src/sernet_model.h"], "SERNET_TFLM_ARENA_MEASURED_BYTES") > 2 * 184 * 40


def test_two_exports_are_equal(file: ModelFile) -> None:
    assert tflm_bundle_files(Model(file)) == tflm_bundle_files(Model(file))


def test_the_array_is_the_flatbuffer_without_the_contract(bundle: Path, file: ModelFile) -> None:
    text = (bundle / "src" / "sernet_model.c").read_text()
    found = bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})\b", text))
    assert found == file.flatbuffer


def test_the_c_files_compile_strictly(bundle: Path) -> None:
    for compiler in ("gcc", "clang"):
        if shutil.which(compiler) is None:
            continue
        sources = sorted((bundle / "src").glob("*.c"))
        command = [compiler, *STRICT, "-fsyntax-only", *map(str, sources)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]


def test_the_arena_is_a_constant_for_static_assert(bundle: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.cc"
    for limit, fits in ((1_000_000, True), (400_000, False)):
        program.write_text(
            '#include "sernet_model.h"\n'
            f'static_assert(SERNET_TFLM_ARENA_BYTES <= {limit}, "the arena is too large");\n'
        )
        done = subprocess.run(
            ["g++", "-std=c++17", "-fsyntax-only", f"-I{bundle / 'src'}", str(program)],
            capture_output=True,
            text=True,
        )
        assert (done.returncode == 0) == fits, done.stderr


def test_another_layout_with_tflm_is_wrong_usage(
    in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    options = ("--out", tmp_path / "out", "--engine", "tflm", "--layout", "arduino")
    result = in_process("export", shipped_model, *options)
    assert result.returncode == 2 and "cmake" in result.stderr


def test_without_the_package_the_command_says_how_to_get_it(
    shipped_model: Path, tmp_path: Path
) -> None:
    code = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, *a: None if n == 'tflite_micro' else find(n, *a)\n"
        "from sernet_edge.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["export", str(shipped_model), "--out", str(tmp_path / "out"), "--engine", "tflm"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install --pre tflite-micro" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_build_without_a_tflm_names_the_variables_to_set(bundle: Path, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    done = subprocess.run(
        ["cmake", "-S", str(bundle), "-B", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode != 0 and "TFLM_INCLUDE" in done.stderr


@pytest.mark.skipif(
    not (os.environ.get("TFLM_INCLUDE") and os.environ.get("TFLM_LIBRARY")),
    reason="TFLM_INCLUDE and TFLM_LIBRARY name no TensorFlow Lite Micro for this computer",
)
def test_the_bundle_with_a_real_tflm_gives_the_results_of_the_native_engine(
    bundle: Path, sernet_edge: Run, shipped_model: Path, tmp_path: Path
) -> None:
    build = tmp_path / "build"
    options = [f"-D{name}={os.environ[name]}" for name in ("TFLM_INCLUDE", "TFLM_LIBRARY")]
    flags = (
        "-DCMAKE_C_FLAGS=-O2 -Wall -Wextra -Werror",
        "-DCMAKE_CXX_FLAGS=-O2 -Wall -Wextra -Werror",
    )
    subprocess.run(
        ["cmake", "-S", str(bundle), "-B", str(build), *options, *flags],
        check=True,
        capture_output=True,
    )
    done = subprocess.run(["cmake", "--build", str(build)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    done = subprocess.run([str(build / "selftest")], capture_output=True, text=True)
    assert done.returncode == 0 and "scores that differ: 0 of" in done.stdout
    native = tmp_path / "native"
    assert sernet_edge("export", shipped_model, "--out", native).returncode == 0
    subprocess.run(["make", "demo_host"], cwd=native, check=True, capture_output=True)
    said = [
        subprocess.run([str(program), str(SAMPLE)], check=True, capture_output=True).stdout
        for program in (build / "demo_host", native / "demo_host")
    ]
    assert said[0] == said[1] and said[0].count(b"\n") > 2
