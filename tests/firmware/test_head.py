"""With a head loaded at run time, a device has the scores of the taught model's own export."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from api_results import MAIN, results
from bundle_cases import C_FOLDER, build, write_bundle
from cores import on_cores
from graphs import SAME, RandomGraph
from object_files import FAST, SANITIZE
from serial_line import line
from stream_graphs import RandomStream, stream_body, stream_contract
from support import quickly

from sernet_edge.firmware_export import quantisation
from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.emit import c_array
from sernet_edge.firmware_export.golden import golden_outputs, stream_windows
from sernet_edge.firmware_export.golden_pcm import golden_features, golden_pcm
from sernet_edge.firmware_export.measure import cross
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.firmware_export.selftest.command import selftest
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import BOX
from sernet_edge.runtime.teach.head import Head, HeadPlace
from sernet_edge.runtime.teach.head_block import head_block, model_id
from sernet_edge.runtime.teach.teaching import head_digest
from sernet_edge.train.new_contract import new_contract

REPLAY = C_FOLDER / "head_replay.c"


def small_model(labels: int, features: int) -> ModelFile:
    """Return a network that ends in a dense layer of this size and a softmax."""
    contract = new_contract(tuple("abcdefghij"[:labels]), "running", 40)
    random = RandomGraph(3)
    last = random.graph.input((1, 40, contract.feature_count, 1), 1 / 32, 0)
    last = random.conv(last, features, window=(SAME, (3, 5), (4, 4)))
    return scored(random, last, labels).with_contract(contract)


def small_stream() -> ModelFile:
    """Return such a network with shared rows."""
    contract = stream_contract()
    random = RandomStream(3)
    shape = (1, contract.window_frames, contract.feature_count, 1)
    last = stream_body(random, random.graph.input(shape, 1 / 32, 0))
    return scored(random, last, len(contract.labels)).with_contract(contract)


def scored(random: RandomGraph, last: int, labels: int) -> ModelFile:
    """Finish a network with a mean, a dense layer and a softmax, like a trained one."""
    last = random.mean(last, (1, 2), keep_dims=False)
    features = random.shape(last)[1]
    weights = random.rng.integers(-127, 128, (labels, features)).astype(np.int8)
    embedding = random.graph.entries[last].scales[0]
    constants = [
        random.graph.constant(weights, (0.02,)),
        random.graph.constant(np.zeros(labels, np.int32), (float(np.float32(embedding * 0.02)),)),
    ]
    logits = random.graph.tensor((1, labels), 0.05, -3)
    random.graph.operator("FULLY_CONNECTED", [last, *constants], logits, "FullyConnectedOptions")
    scores = random.graph.tensor((1, labels), 1 / 256, -128)
    random.graph.operator("SOFTMAX", [logits], scores, "SoftmaxOptions", {"Beta": 1.0})
    return ModelFile("small", random.graph.finish(scores))


def with_other_head(file: ModelFile, seed: int = 1) -> ModelFile:
    """Return the model with a random other head, as if it were taught."""
    place, rng = HeadPlace(file), np.random.default_rng(seed)
    spread = 4 / (float(place.embedding_scale) * 128 * np.sqrt(place.features))
    head = Head(
        rng.normal(0, spread, place.head.weights.shape), rng.normal(0, 1, len(place.head.bias))
    )
    embeddings = place.dequantised(rng.integers(-128, 128, (50, place.features)))
    fitted = place.quantise(head, embeddings)
    old = file.require_contract()
    taught = {"base_contract": old.id, "base_sha256": file.sha256}
    contract = old.replace(taught=head_digest(fitted), provenance={"taught": taught})
    return place.replaced(fitted).with_contract(contract)


def write_taught(folder: Path, base: ModelFile) -> tuple[Path, Path]:
    """Write the base's bundle, and a C file of a taught head; return both."""
    bundle = write_bundle(folder, base.data)
    taught, other = with_other_head(base), with_other_head(small_model(4, 5))
    model = Model(base)
    features = golden_features(model, golden_pcm(model.contract))
    # The inputs of sernet_golden.c, made like in bundle.py.
    noise = np.random.default_rng(0).integers(-128, 128, features.size, np.int8)
    windows = np.stack([features.ravel(), noise]).reshape(2, *features.shape)
    if stride := model.contract.stride_frames:
        height = model.contract.window_frames
        rows = np.concatenate(windows)[: height + height // stride * stride]
        windows = stream_windows(rows, height, stride)
    outputs = golden_outputs(taught, windows)
    assert not np.array_equal(outputs, golden_outputs(base, windows)), "the heads are alike"
    text = "#include <stdint.h>\n"
    for name, block in (("taught_block", head_block(taught)), ("other_block", head_block(other))):
        size = f"{name}_bytes"
        text += shared_array("uint8_t", name, block)
        text += f"extern const uint32_t {size};\nconst uint32_t {size} = {len(block)};\n"
    text += shared_array("int8_t", "taught_outputs", outputs.ravel().tolist())
    (folder / "taught.c").write_text(text)
    return bundle, folder / "taught.c"


BASES = {
    **{
        f"{labels}-{size}": small_model(labels, size)
        for labels, size in ((7, 21), (2, 16), (3, 50))
    },
    "shared rows": small_stream(),
}


def shared_array(kind: str, name: str, values: Iterable[int]) -> str:
    """Return C that defines an array with external linkage."""
    return c_array(kind, name, values).replace("static ", f"extern const {kind} {name}[];\n")


def extras(bundle: Path, taught: Path) -> list[Path]:
    return [taught, bundle / "examples/sernet_golden.c"]


def test_the_block_holds_the_numbers_of_an_export(shipped_model: Path) -> None:
    taught = with_other_head(ModelFile.read(shipped_model))
    network = read_network(taught)
    dense, softmax = network.layers[-2:]
    source = network.layers[dense.inputs[0]].output
    tables = quantisation.conv_tables(dense, source)
    block = head_block(taught)
    numbers = np.frombuffer(block[28:52], "<i4").tolist()
    assert numbers[:2] == [tables.multipliers[0], tables.shifts[0]]
    assert numbers[2] == dense.output.zero_point
    assert numbers[3:] == quantisation.softmax_parameters(softmax, dense.output)
    labels = len(tables.bias)
    assert np.array_equal(np.frombuffer(block, "<i4", labels, 52), tables.bias)
    weights = np.frombuffer(block, np.int8, dense.weights.size, 52 + 4 * labels)
    assert np.array_equal(weights, dense.weights.ravel())


def test_the_guide_states_the_size_of_the_block() -> None:
    guide = Path(__file__).parents[2] / "docs/guides/teaching.md"
    size = len(head_block(ModelFile.read(BOX["emodb"])))
    assert f"{size:,} bytes for the model `emodb`" in " ".join(guide.read_text().split())


def test_models_that_differ_only_in_their_heads_have_the_same_id(shipped_model: Path) -> None:
    base = ModelFile.read(shipped_model)
    taught = with_other_head(base)
    assert taught.sha256 != base.sha256 and model_id(taught) == model_id(base)
    contract = base.require_contract()
    louder = base.with_contract(contract.replace(clip=3.0))
    assert model_id(louder) != model_id(base), "features of another kind"


@pytest.mark.parametrize("base", quickly(reversed(BASES), 1))
@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_a_loaded_head_computes_the_taught_models_bits(
    base: str, compiler: str, tmp_path: Path
) -> None:
    bundle, taught = write_taught(tmp_path, BASES[base])
    options = (*SANITIZE, "-DSERNET_HEAD")
    program = build(bundle, tmp_path / "replay", REPLAY, options, compiler, extras(bundle, taught))
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr


@pytest.mark.parametrize("base", quickly(["shared rows", "7-21"], 1))
def test_a_stream_with_a_loaded_head_has_the_results_of_the_taught_model(
    base: str, tmp_path: Path
) -> None:
    bundle, block = write_taught(tmp_path / "base", BASES[base])
    full = write_bundle(tmp_path / "full", with_other_head(BASES[base]).data)
    options = (*SANITIZE, "-DSERNET_HEAD", "-DTAUGHT")
    loaded = build(bundle, tmp_path / "loaded", MAIN, options, extra=[block])
    flashed, untaught = (
        build(folder, tmp_path / f"{folder.name}-plain", MAIN) for folder in (full, bundle)
    )
    contract = BASES[base].require_contract()
    noise = np.random.default_rng(4).normal(0, 3000, 9 * contract.window_samples)
    audio = (noise * np.linspace(0.02, 3, len(noise))).astype(np.int16)
    found = results(loaded, [audio, audio[::-1]], 0, "work")
    assert found == results(flashed, [audio, audio[::-1]], 512, "poll")
    assert found != results(untaught, [audio, audio[::-1]], 512, "poll")


@pytest.mark.parametrize("name", on_cores(["m4", "m55"]))
@pytest.mark.parametrize("base", [small_model(7, 320), small_stream()], ids=["whole", "shared"])
def test_a_loaded_head_computes_the_taught_models_bits_on_cores(
    name: str, base: ModelFile, tmp_path: Path
) -> None:
    core = CORES[name]
    if core.missing:
        pytest.skip(f"{' and '.join(core.missing)} are not installed")
    bundle, taught = write_taught(tmp_path, base)
    sources = [*(bundle / "src").glob("*.c"), *(bundle / "src").glob("*.S"), REPLAY]
    program = tmp_path / "replay.elf"
    cross.build(core, [*sources, *extras(bundle, taught)], program, ["-DSERNET_HEAD"])
    done = cross.run(core, program)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def heads(shipped_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model's bundle, `taught.tflite` and `stranger.tflite`."""
    folder = tmp_path_factory.mktemp("heads")
    base = small_model(7, 21)
    write_bundle(folder, base.data)
    (folder / "base.tflite").write_bytes(base.data)
    (folder / "taught.tflite").write_bytes(with_other_head(base).data)
    (folder / "stranger.tflite").write_bytes(with_other_head(small_model(7, 50)).data)
    return folder


def board(folder: Path, *options: str) -> Path:
    wrapped = ("-D_POSIX_C_SOURCE=200809L", "-Wl,--wrap=sernet_poll")
    program = folder / f"board{len(options)}"
    return build(folder, program, C_FOLDER / "serial_host.c", (*FAST, *wrapped, *options))


def talk(model: Path, port: str) -> None:
    selftest.main([str(model), "--port", port, "--teach"], "", None, False)


def test_a_board_is_taught_over_its_serial_line(
    heads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with line([board(heads, "-DSERNET_HEAD")]) as port:
        talk(heads / "taught.tflite", port)
    said = capsys.readouterr().out
    assert "all equal to the bit" in said and "passed" in said


def test_a_board_that_cannot_take_the_head_says_so(heads: Path) -> None:
    with (
        line([board(heads)]) as port,
        pytest.raises(SernetError, match="compile it with SERNET_HEAD"),
    ):
        talk(heads / "taught.tflite", port)
    with line([board(heads, "-DSERNET_HEAD")]) as port:
        with pytest.raises(SernetError, match="does not run the model that"):
            talk(heads / "stranger.tflite", port)
        with pytest.raises(SernetError, match="was not taught"):
            talk(heads / "base.tflite", port)
