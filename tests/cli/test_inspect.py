"""`sernet-edge inspect`: its output, compared with other readers of the same models."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from graphs import Graph, RandomGraph
from support import Run

from sernet_edge.firmware_export.graph import read_graph
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.interpreter import interpreter_module, load
from sernet_edge.runtime.modelfile import ModelFile

if TYPE_CHECKING:
    # This import loads TensorFlow, which takes seconds in every process that collects tests.
    from sernet_edge.convert.quantize import Precision


@pytest.fixture(scope="module")
def shipped(sernet_edge: Run, shipped_model: Path) -> dict[str, Any]:
    result = sernet_edge("inspect", shipped_model, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_inspect_shows_the_whole_contract_and_the_models_origin(
    shipped: dict[str, Any], shipped_model: Path
) -> None:
    contract = ModelFile.read(shipped_model).require_contract()
    assert shipped["contract"]["id"] == contract.id
    assert tuple(shipped["contract"]["labels"]) == contract.labels
    assert tuple(shipped["contract"]["mean"]) == contract.mean
    assert shipped["provenance"] == contract.provenance


def test_layers_have_the_interpreters_shapes_and_scales(
    shipped: dict[str, Any], shipped_model: Path
) -> None:
    interpreter = interpreter_module().Interpreter(model_path=str(shipped_model))
    theirs = {tensor["name"]: tensor for tensor in interpreter.get_tensor_details()}
    tensors = [
        tensor
        for layer in shipped["layers"]
        for tensor in (*layer["inputs"], *layer["constants"], *layer["outputs"])
    ]
    assert len(tensors) > 50
    for tensor in tensors:
        other = theirs[tensor["name"]]
        parameters = other["quantization_parameters"]
        assert tensor["shape"] == other["shape"].tolist()
        assert tensor["type"] == np.dtype(other["dtype"]).name
        quantisation = tensor["quantisation"]
        assert (quantisation is None) == (not len(parameters["scales"]))
        if quantisation is not None:
            assert quantisation["channels"] == len(parameters["scales"])
            low, high = quantisation["scale_range"]
            assert (low, high) == (parameters["scales"].min(), parameters["scales"].max())
            assert quantisation["zero_points"] == sorted(set(parameters["zero_points"].tolist()))


def test_work_and_parameters_match_the_network(
    shipped: dict[str, Any], shipped_model: Path
) -> None:
    network = read_network(ModelFile.read(shipped_model))
    counted = sum(layer.weights.size + layer.bias.size for layer in network.layers)
    assert shipped["parameters"] == counted
    assert shipped["parameters"] == sum(layer["parameters"] for layer in shipped["layers"])
    # By the definition of a convolution, for one layer; the others use the same code.
    (largest,) = (layer for layer in shipped["layers"] if layer["macs"] == 101_744_640)
    assert largest["outputs"][0]["shape"] == [1, 92, 20, 64]
    assert 92 * 20 * 64 * (3 * 3 * 96) == 101_744_640
    assert shipped["macs"] == sum(layer["macs"] for layer in shipped["layers"])


def test_the_shipped_model_runs_everywhere(shipped: dict[str, Any]) -> None:
    assert shipped["runs_in"]["listen"] == "yes"
    assert shipped["runs_in"]["native engine"].startswith("yes")
    assert shipped["runs_in"]["TensorFlow Lite Micro"].startswith("yes, an arena of 423,6")


def _width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def test_the_text_fits_a_terminal_of_80_columns(
    in_process: Run, shipped_model: Path, small_keras: Path
) -> None:
    for path in (shipped_model, small_keras):
        text = in_process("inspect", path, cwd=path.parent).stdout
        assert max(map(_width, text.splitlines())) <= 80
        for word in ("contract", "labels", "made from", "runs in", "parameters", "MACs"):
            assert word in text
    text = in_process("inspect", shipped_model).stdout
    interpreter = load(shipped_model)._interpreter
    weights = [t for t in interpreter.get_tensor_details() if t["dtype"] is np.int8]
    scales = [t["quantization_parameters"]["scales"] for t in weights]
    for some in (some for some in scales if len(some) == 32):
        assert f"32 scales {min(some):.3g}..{max(some):.3g}, one a channel" in text


@pytest.fixture(scope="module")
def converted(small_keras: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Path]:
    import keras

    from sernet_edge.convert.quantize import convert_model

    out = tmp_path_factory.mktemp("converted")
    contract = ModelFile.read(small_keras).require_contract()
    model = keras.saving.load_model(small_keras, compile=False)
    window = np.zeros((1, contract.window_frames, contract.mfcc_count), np.float32)
    precisions: tuple[Precision, ...] = ("float32", "float16", "dynamic")
    paths = {precision: out / f"{precision}.tflite" for precision in precisions}
    for precision, path in paths.items():
        flatbuffer = convert_model(model, precision, window)
        path.write_bytes(ModelFile("model", flatbuffer).with_contract(contract).data)
    return paths


@pytest.mark.slow
def test_inspect_shows_float_models_and_why_firmware_refuses_them(
    in_process: Run, converted: dict[Precision, Path]
) -> None:
    for precision, path in converted.items():
        found = json.loads(in_process("inspect", path, "--json").stdout)
        assert found["macs"] == 159_326_400, precision
        assert found["runs_in"]["listen"] == "yes"
        assert found["runs_in"]["native engine"].startswith("no: ")
        types = {t["type"] for layer in found["layers"] for t in layer["constants"]}
        expected = {"float32": "float32", "float16": "float16", "dynamic": "int8"}[precision]
        assert expected in types
        # Batch normalisation is part of the convolutions.
        assert found["parameters"] == 460_743, precision


@pytest.mark.slow
def test_inspect_reads_a_keras_model_like_keras(in_process: Run, small_keras: Path) -> None:
    import keras

    found = json.loads(in_process("inspect", small_keras, "--json").stdout)
    model = keras.saving.load_model(small_keras, compile=False)
    assert found["parameters"] == model.count_params()
    assert found["macs"] == 159_326_400
    theirs = {
        layer.name: (tuple(layer.output.shape), layer.count_params()) for layer in model.layers
    }
    ours = {
        layer["name"]: (tuple(None if n < 0 else n for n in layer["shape"]), layer["parameters"])
        for layer in found["layers"]
    }
    assert ours == theirs
    assert "sernet-edge convert" in found["runs_in"]["listen"]


def test_a_keras_model_needs_no_keras(small_keras: Path, shipped_model: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'h5py', 'scipy', 'tflite_micro'):\n"
        "    sys.modules[name] = None\n"
        "from sernet_edge.cli import main\n"
        "main(['inspect', sys.argv[1]])\n"
    )
    for path in (small_keras, shipped_model):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "parameters" in done.stdout


def test_without_the_schemas_package_inspect_says_what_to_install(shipped_model: Path) -> None:
    code = (
        "import sys; sys.modules['tflite'] = None\n"
        "from sernet_edge.cli import main; main(['inspect', sys.argv[1]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(shipped_model)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "pip install 'sernet-edge[firmware]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_inspect_shows_a_model_and_says_that_it_has_no_contract(
    in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(ModelFile.read(shipped_model).flatbuffer)
    found = json.loads(in_process("inspect", bare, "--json").stdout)
    assert found["contract"] is None
    assert len(found["layers"]) == 19
    assert found["runs_in"]["listen"].startswith("no: ")
    assert found["runs_in"]["native engine"].startswith("the network alone")
    assert "contract   none" in in_process("inspect", bare).stdout


def test_inspect_names_an_operator_that_the_engine_does_not_know(
    in_process: Run, tmp_path: Path
) -> None:
    graph = Graph()
    source = graph.input((1, 8, 4, 2), 0.1, 0)
    made = graph.tensor((1, 8, 4, 2), 1 / 128, 0, "unit")
    data = graph.finish(graph.operator("L2_NORMALIZATION", [source], made, "L2NormOptions"))
    (tmp_path / "unit.tflite").write_bytes(data)
    found = json.loads(in_process("inspect", tmp_path / "unit.tflite", "--json").stdout)
    assert [layer["op"] for layer in found["layers"]] == ["L2_NORMALIZATION"]
    assert "does not know L2_NORMALIZATION" in found["runs_in"]["native engine"]
    assert found["runs_in"]["TensorFlow Lite Micro"].startswith("yes")


def test_inspect_names_every_operator_that_the_engine_does_not_know(
    in_process: Run, tmp_path: Path
) -> None:
    graph = Graph()
    last = graph.input((1, 8, 4, 2), 0.1, 0)
    for name in ("L2_NORMALIZATION", "CUMSUM", "L2_NORMALIZATION"):
        made = graph.tensor((1, 8, 4, 2), 1 / 128, 0)
        options = "CumsumOptions" if name == "CUMSUM" else "L2NormOptions"
        last = graph.operator(name, [last], made, options)
    (tmp_path / "several.tflite").write_bytes(graph.finish(last))
    found = json.loads(in_process("inspect", tmp_path / "several.tflite", "--json").stdout)
    assert "does not know L2_NORMALIZATION, nor CUMSUM" in found["runs_in"]["native engine"]


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_have_the_engines_parameter_count(seed: int) -> None:
    data = RandomGraph(seed).build()
    graph, network = read_graph(ModelFile("graph", data)), read_network(ModelFile("graph", data))
    assert len(graph.operators) >= 1
    counted = sum(layer.weights.size + layer.bias.size for layer in network.layers)
    # The reader adds zeros for a layer without a bias.
    assert graph.parameters <= counted
    assert graph.parameters >= sum(layer.weights.size for layer in network.layers)


def test_a_damaged_file_gives_an_error_of_one_line(
    in_process: Run, shipped_model: Path, small_keras: Path, tmp_path: Path
) -> None:
    whole, keras_file = shipped_model.read_bytes(), small_keras.read_bytes()
    flipped = bytearray(whole)
    flipped[200_000] ^= 1
    for name, data, words in (
        ("empty.tflite", b"", "empty"),
        ("text.tflite", b"some text that is no model", "neither"),
        ("cut.tflite", whole[:5000], "damaged"),
        ("flipped.tflite", bytes(flipped), "checksum"),
        ("cut.keras", keras_file[: len(keras_file) // 2], "damaged"),
    ):
        (tmp_path / name).write_bytes(data)
        result = in_process("inspect", tmp_path / name)
        assert result.returncode == 1, name
        assert result.stdout == ""
        assert name in result.stderr and words in result.stderr, result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert in_process("inspect", tmp_path / "missing.tflite").returncode == 1


def test_any_damage_to_a_flatbuffer_gives_only_an_error() -> None:
    # A small file that consists mostly of tables and lists.
    whole = RandomGraph(0).build()
    rng = np.random.default_rng(3)
    refused = 0
    for place in range(8, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        try:
            read_graph(ModelFile("model", bytes(damaged)))
        except ModelError as error:
            refused += 1
            assert "damaged" in str(error)
    assert refused > 50
    for length in range(8, len(whole), 41):
        with pytest.raises(ModelError, match="damaged"):
            read_graph(ModelFile("model", whole[:length]))


def test_inspect_shows_a_taught_model(taught: Path, in_process: Run) -> None:
    assert in_process("inspect", taught).returncode == 0
