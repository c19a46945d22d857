"""An exported model whose windows share rows gives the scores of each window computed whole."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from api_results import MAIN, results
from bundle_cases import C_FOLDER, Samples, build, run, with_contract, with_statistics, write_bundle
from click.testing import CliRunner
from engine_cases import tflm_outputs
from object_files import FAST, SANITIZE
from stream_graphs import RECEPTIVE, STRIDE, stream_contract, stream_model
from support import quickly

from sernet_edge.firmware_export.bundle import bundle_files
from sernet_edge.firmware_export.command import export
from sernet_edge.firmware_export.golden_pcm import golden_pcm
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.inspect.command import describe_tflite, inspect
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError, ModelError
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.stream import Listener


def stream(contract: Contract) -> Samples:
    """Some two hundred frames whose loudness and sound change."""
    voice = np.tile(golden_pcm(contract), 4)
    return np.concatenate([voice, voice[::-2], voice[::3]])


@pytest.fixture(scope="module")
def model() -> bytes:
    contract = stream_contract()
    contract = with_statistics(contract, [stream(contract)])
    # Features often come to their limits.
    return stream_model(contract.replace(std=tuple(0.4 * value for value in contract.std)))


@pytest.fixture(scope="module")
def shared(model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("shared"), model)


def windows_of(bundle: Path, folder: Path, audio: Samples, contract: Contract) -> np.ndarray:
    """Return the features of every window at the contract's hop as C computes them."""
    program = build(bundle, folder / "features", C_FOLDER / "frontend_features.c")
    shape = (-1, contract.window_frames, contract.feature_count)
    return np.frombuffer(run(program, [audio], 512), np.int8).reshape(shape)


@pytest.mark.parametrize("hop", quickly([3, 1, 2, 7], 1))
def test_every_window_has_the_scores_of_tflm(
    hop: int, model: bytes, shared: Path, tmp_path: Path
) -> None:
    contract = ModelFile("model", model).require_contract()
    audio = stream(contract)
    options = (*SANITIZE, f"-DSERNET_EVERY_FRAMES={hop * STRIDE}")
    program = build(shared, tmp_path / "program", MAIN, options)
    (lines,) = results(program, [audio], 512, "poll")
    windows = windows_of(shared, tmp_path, audio, contract)[::hop]
    assert len(lines) == len(windows) > 8
    expected = tflm_outputs(model, windows.reshape(len(windows), -1))
    found = Model(ModelFile("model", model))
    low, high = found.quantise(np.array([-contract.clip, contract.clip], np.float32))
    for number, (line, window, scores) in enumerate(zip(lines, windows, expected, strict=True)):
        assert line.int8 == tuple(scores)
        assert line.frames == contract.window_frames + number * hop * STRIDE
        assert line.saturated == ((window == low) | (window == high)).sum()
    # Were they always the same, equality would say nothing.
    assert len(np.unique(expected, axis=0)) > len(expected) // 4
    assert len({line.saturated for line in lines}) > 1


@pytest.mark.parametrize("queue", quickly([5, 1, 16], 1))
def test_neither_chunks_nor_the_time_of_polling_change_results(
    queue: int, shared: Path, model: bytes, tmp_path: Path
) -> None:
    audio = stream(ModelFile("model", model).require_contract())
    (expected,) = results(build(shared, tmp_path / "a", MAIN), [audio], 512, "poll")
    options = (*FAST, f"-DSERNET_QUEUE_ROWS={queue}")
    program = build(shared, tmp_path / "b", MAIN, options)
    chunks = ((1 << 20, "poll"), (256, "late"), (4001, "late"), (97, "work"), (1, "work"))
    for chunk, way in (*chunks, (0, "poll"), (0, "work"), (0, "late")):
        assert results(program, [audio], chunk, way) == [expected], (chunk, way)


def test_a_reset_forgets_the_stream(shared: Path, model: bytes, tmp_path: Path) -> None:
    audio = stream(ModelFile("model", model).require_contract())
    program = build(shared, tmp_path / "program", MAIN, SANITIZE)
    # It ends in the middle of a hop, a frame and a window's rows.
    both = results(program, [audio[::-1][:20_123], audio], 777, "work")
    assert both[1] == results(program, [audio], 512, "poll")[0]


@pytest.mark.parametrize("start", [2**32 - 30, 2**53])
def test_frames_go_on_beyond_32_bits(
    start: int, shared: Path, model: bytes, tmp_path: Path
) -> None:
    audio = stream(ModelFile("model", model).require_contract())
    program = build(shared, tmp_path / "program", MAIN, SANITIZE)
    (usual,), (late,) = (results(program, [audio], 512, "poll", *begin) for begin in ((), (start,)))
    moved = [dataclasses.replace(line, frames=line.frames + start) for line in usual]
    assert late == moved and moved[-1].frames > 2**32


def test_results_are_those_of_whole_windows(model: bytes, shared: Path, tmp_path: Path) -> None:
    planned = PlannedModel.read(ModelFile("model", model))
    assert planned.stream is not None
    for path, text in bundle_files(dataclasses.replace(planned, stream=None)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    audio = stream(planned.file.require_contract())
    found = [
        results(build(bundle, tmp_path / name, MAIN), [audio], 512, "poll")
        for name, bundle in (("whole", tmp_path), ("once", shared))
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_misuse_comes_back_as_its_error(compiler: str, shared: Path, tmp_path: Path) -> None:
    run(build(shared, tmp_path / "misuse", C_FOLDER / "api_misuse.c", SANITIZE, compiler), [])


def test_the_self_test_passes_and_notices_a_wrong_score(shared: Path, tmp_path: Path) -> None:
    golden = (shared / "examples" / "sernet_golden.c", shared / "examples" / "sernet_golden_pcm.c")
    main = shared / "examples" / "selftest.c"
    said = run(build(shared, tmp_path / "good", main, SANITIZE, extra=golden), []).decode()
    assert "scores that differ: 0 of" in said
    text = golden[0].read_text()
    start = text.index("outputs[] = {") + len("outputs[] = {\n    ")
    first = text[start:].split(",")[0]
    wrong = tmp_path / "sernet_golden.c"
    wrong.write_text(text[:start] + str(int(first) ^ 1) + text[start + len(first) :])
    program = build(shared, tmp_path / "bad", main, SANITIZE, extra=(wrong, golden[1]))
    done = subprocess.run([str(program)], capture_output=True, text=True)
    assert done.returncode == 1 and "scores that differ: 1 of" in done.stdout


def compiler_says(bundle: Path, folder: Path, *options: str) -> str:
    main = folder / "main.c"
    main.write_text('#include "sernet.h"\nint main(void) { return 0; }\n')
    command = ["gcc", "-std=c99", f"-I{bundle / 'src'}", "-fsyntax-only", *options, str(main)]
    return subprocess.run(command, capture_output=True, text=True).stderr


@pytest.mark.parametrize(
    ("hop", "nearest"), [(1, (4, 8)), (6, (4, 8)), (9, (8, 12)), (127, (124, 128))]
)
def test_c_refuses_hops_off_the_grid_with_the_nearest(
    hop: int, nearest: tuple[int, int], shared: Path, tmp_path: Path
) -> None:
    said = compiler_says(shared, tmp_path, f"-DSERNET_EVERY_FRAMES={hop}")
    assert f"the nearest that work are {nearest[0]} and {nearest[1]}" in said
    assert said.count('#error "SERNET_EVERY_FRAMES: the') == 2  # where it stands, and what it says
    assert "a multiple of 4" in compiler_says(shared, tmp_path, "-DSERNET_EVERY_FRAMES=1001")
    assert compiler_says(shared, tmp_path, "-DSERNET_EVERY_FRAMES=1000") == ""
    assert "SERNET_QUEUE_ROWS" in compiler_says(shared, tmp_path, "-DSERNET_QUEUE_ROWS=0")


@pytest.mark.parametrize(("hop", "nearest"), [(1, (4, 8)), (6, (4, 8)), (9, (8, 12))])
def test_python_refuses_the_same_hops_with_the_same_nearest(
    hop: int, nearest: tuple[int, int], model: bytes
) -> None:
    seconds = [f"{frames * 0.016:.3f} s" for frames in nearest]
    file = ModelFile("model", model)
    for refused in (
        lambda: Listener(Model(file), hop_frames=hop),
        lambda: file.require_contract().replace(hop_frames=hop),
    ):
        with pytest.raises(ContractError) as caught:
            refused()
        assert f"a hop of {hop} frames" in str(caught.value)
        assert f"the nearest that work are {seconds[0]} and {seconds[1]}" in str(caught.value)


def test_a_contract_that_contradicts_the_network_is_refused(
    model: bytes, shipped_model: Path
) -> None:
    contract = ModelFile("model", model).require_contract()

    def refusal(data: bytes, other: Contract) -> str:
        with pytest.raises(ModelError) as caught:
            PlannedModel.read(ModelFile("model", with_contract(data, other)))
        return str(caught.value)

    halved = contract.replace(stride_frames=2, hop_frames=2)
    assert "stride_frames is 2, the network's 4" in refusal(model, halved)
    short = contract.replace(receptive_frames=RECEPTIVE - STRIDE)
    assert "receptive_frames is 11, the network's 15" in refusal(model, short)
    padded = shipped_model.read_bytes()
    promising = (
        ModelFile("model", padded)
        .require_contract()
        .replace(level="none", hop_frames=32, stride_frames=32, receptive_frames=24)
    )
    assert "it puts 1 row of padding before a window" in refusal(padded, promising)


def test_export_and_inspect_say_which_way_a_model_runs_and_why(
    model: bytes, shipped_model: Path, tmp_path: Path
) -> None:
    path, plain = tmp_path / "model.tflite", tmp_path / "plain.tflite"
    path.write_bytes(model)
    contract = ModelFile("model", model).require_contract()
    plain.write_bytes(with_contract(model, contract.replace(stride_frames=0, receptive_frames=0)))
    expected = {
        path: ("each row once", "begin a multiple of 4 frames apart share their rows"),
        plain: ("each window whole", "its contract's stride_frames is 0"),
        shipped_model: ("each window whole", "it puts 1 row of padding before a window"),
    }
    for file, (way, reason) in expected.items():
        out = tmp_path / f"out-{file.stem}"
        done = CliRunner().invoke(export, [str(file), "--out", str(out)])
        assert f"the network computes {way}: " in done.output and reason in done.output
        windows = describe_tflite(ModelFile.read(file))["windows"]
        assert windows["share_rows"] == (file == path) and reason in windows["reason"]
        printed = json.loads(CliRunner().invoke(inspect, [str(file), "--json"]).output)
        assert printed["windows"] == windows
        shown = " ".join(CliRunner().invoke(inspect, [str(file)]).output.split())
        assert "by the native engine" in shown and reason in shown
        assert (out / "src" / "sernet_shared_rows.c").exists() == (file == path)
        assert (out / "src" / "sernet_windows.c").exists() == (file != path)
