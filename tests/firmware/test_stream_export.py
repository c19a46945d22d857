"""An exported model with shared rows gives the scores of whole windows."""

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
from support import Run, quickly

from sernet_edge.firmware_export.bundle import bundle_files
from sernet_edge.firmware_export.command import export
from sernet_edge.firmware_export.golden import stream_windows
from sernet_edge.firmware_export.golden_pcm import golden_pcm
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.inspect.command import describe_tflite, inspect
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError, ModelError
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.stream import Listener


def stream(contract: Contract) -> Samples:
    """Return about two hundred frames with changing loudness and sound."""
    voice = np.tile(golden_pcm(contract), 4)
    return np.concatenate([voice, voice[::-2], voice[::3]])


@pytest.fixture(scope="module")
def model() -> bytes:
    contract = stream_contract()
    contract = with_statistics(contract, [stream(contract)])
    # Features often reach their limits.
    return stream_model(contract.replace(std=tuple(0.4 * value for value in contract.std)))


@pytest.fixture(scope="module")
def shared(model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("shared"), model)


def windows_of(bundle: Path, folder: Path, audio: Samples, contract: Contract) -> np.ndarray:
    """Return C's features of every window at the contract's hop."""
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


@pytest.mark.parametrize(("exported", "hop"), quickly([(2, 2), (1, 1), (1, 2), (2, 4), (1, 12)], 2))
def test_windows_closer_than_the_stride_have_the_scores_of_tflm(
    exported: int, hop: int, model: bytes, shared: Path, tmp_path: Path
) -> None:
    contract = ModelFile("model", model).require_contract()
    audio = stream(contract)
    bundle = write_bundle(tmp_path / "bundle", model, hop_frames=exported)
    options = [] if hop == exported else [f"-DSERNET_EVERY_FRAMES={hop}"]
    program = build(bundle, tmp_path / "program", MAIN, (*SANITIZE, *options))
    (lines,) = results(program, [audio], 512, "poll")
    apart = windows_of(shared, tmp_path, audio, contract)
    rows = np.concatenate([apart[0], *(window[-STRIDE:] for window in apart[1:])])
    windows = stream_windows(rows, contract.window_frames, hop)
    # The remaining frames are too few for a stride.
    assert len(windows) <= len(lines) < len(windows) + STRIDE
    expected = tflm_outputs(model, windows)
    for number, (line, scores) in enumerate(zip(lines, expected, strict=False)):
        assert line.int8 == tuple(scores), number
        assert line.frames == contract.window_frames + number * hop
    # Longer hops have fewer windows; most of their scores differ.
    assert len(np.unique(expected, axis=0)) > min(20, len(windows) // 2)


def test_windows_closer_than_the_stride_do_not_depend_on_chunks_resets_or_length(
    model: bytes, tmp_path: Path
) -> None:
    audio = stream(ModelFile("model", model).require_contract())
    bundle = write_bundle(tmp_path / "bundle", model, hop_frames=STRIDE // 2)
    program = build(bundle, tmp_path / "program", MAIN, SANITIZE)
    (expected,) = results(program, [audio], 512, "poll")
    for chunk, way in ((1 << 20, "poll"), (256, "late"), (97, "work"), (0, "work"), (0, "late")):
        assert results(program, [audio], chunk, way) == [expected], (chunk, way)
    assert results(program, [audio[::-1][:20_123], audio], 777, "work")[1] == expected
    (late,) = results(program, [audio], 512, "poll", 2**32 - 30)
    assert late == [dataclasses.replace(r, frames=r.frames + 2**32 - 30) for r in expected]


@pytest.mark.parametrize("queue", quickly([5, 1, 16], 1))
def test_neither_chunk_size_nor_time_of_polling_changes_results(
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
    # The stream ends within a hop, within a frame and within a window.
    both = results(program, [audio[::-1][:20_123], audio], 777, "work")
    assert both[1] == results(program, [audio], 512, "poll")[0]


@pytest.mark.parametrize("start", [2**32 - 30, 2**53])
def test_the_count_of_frames_has_more_than_32_bits(
    start: int, shared: Path, model: bytes, tmp_path: Path
) -> None:
    audio = stream(ModelFile("model", model).require_contract())
    program = build(shared, tmp_path / "program", MAIN, SANITIZE)
    (usual,), (late,) = (results(program, [audio], 512, "poll", *begin) for begin in ((), (start,)))
    moved = [dataclasses.replace(line, frames=line.frames + start) for line in usual]
    assert late == moved and moved[-1].frames > 2**32


def test_results_equal_those_of_whole_windows(model: bytes, shared: Path, tmp_path: Path) -> None:
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
def test_every_misuse_returns_its_error(compiler: str, shared: Path, tmp_path: Path) -> None:
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
    ("hop", "nearest"), [(5, (4, 8)), (6, (4, 8)), (9, (8, 12)), (127, (124, 128))]
)
def test_c_refuses_other_hops_and_names_the_nearest(
    hop: int, nearest: tuple[int, int], shared: Path, tmp_path: Path
) -> None:
    said = compiler_says(shared, tmp_path, f"-DSERNET_EVERY_FRAMES={hop}")
    assert f"the nearest that work are {nearest[0]} and {nearest[1]}" in said
    assert said.count('#error "SERNET_EVERY_FRAMES: the') == 2  # where it stands, and what it says
    assert "a multiple of 4" in compiler_says(shared, tmp_path, "-DSERNET_EVERY_FRAMES=1001")
    assert compiler_says(shared, tmp_path, "-DSERNET_EVERY_FRAMES=1000") == ""
    assert "SERNET_QUEUE_ROWS" in compiler_says(shared, tmp_path, "-DSERNET_QUEUE_ROWS=0")


def test_c_compiles_with_the_hops_of_the_export(model: bytes, shared: Path, tmp_path: Path) -> None:
    finer = "exported for 4 or more; sernet-edge export --hop has finer ones"
    assert finer in compiler_says(shared, tmp_path, "-DSERNET_EVERY_FRAMES=2")
    halved = write_bundle(tmp_path / "bundle", model, hop_frames=2)
    assert "exported for 2 or more" in compiler_says(halved, tmp_path, "-DSERNET_EVERY_FRAMES=1")
    for hop in (2, 4, 8):
        assert compiler_says(halved, tmp_path, f"-DSERNET_EVERY_FRAMES={hop}") == ""
    for hop, nearest in ((3, (2, 4)), (6, (4, 8))):
        said = compiler_says(halved, tmp_path, f"-DSERNET_EVERY_FRAMES={hop}")
        assert f"the nearest that work are {nearest[0]} and {nearest[1]}" in said


@pytest.mark.parametrize(("hop", "nearest"), [(3, (2, 4)), (6, (4, 8)), (9, (8, 12))])
def test_python_refuses_the_same_hops_and_names_the_same_nearest(
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


def test_export_and_inspect_say_whether_windows_share_rows_and_why(
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


def test_inspect_shows_the_cost_of_each_hop(model: bytes) -> None:
    file = ModelFile("model", model)
    found = describe_tflite(file)
    macs = {
        layer["outputs"][0]["shape"][-1]: layer["macs"] / layer["outputs"][0]["shape"][1]
        for layer in found["layers"]
        if layer["op"] == "CONV_2D"
    }
    (dense,) = (layer["macs"] for layer in found["layers"] if layer["op"] == "FULLY_CONNECTED")
    # The convolution to 6 channels makes a row every 2 frames, that to 8 every 4, or every hop.
    per_frame = {4: macs[6] / 2 + macs[8] / 4, 2: (macs[6] + macs[8]) / 2, 1: macs[6] + macs[8]}
    costs = found["windows"]["hops"]
    assert [cost["hop_frames"] for cost in costs] == [4, 2, 1]
    for cost in costs:
        hop = cost["hop_frames"]
        assert cost["hop_s"] == pytest.approx(hop * 0.016)
        assert cost["shared"]["macs"] == round((per_frame[hop] + dense / hop) / 0.016)
        assert cost["whole"]["macs"] == round(found["macs"] / cost["hop_s"])
        header = bundle_files(PlannedModel.read(file, hop_frames=hop))["src/sernet_model.h"]
        assert f"#define SERNET_MODEL_STATE_BYTES {cost['shared']['state_bytes']}\n" in header


@pytest.mark.slow
def test_export_plans_for_the_hop_of_its_option(
    model: bytes, shipped_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    out = tmp_path / "out"
    done = CliRunner().invoke(export, [str(path), "--out", str(out), "--hop", "0.032"])
    assert done.exit_code == 0, done.output
    (hops,) = (
        c for c in describe_tflite(ModelFile.read(path))["windows"]["hops"] if c["hop_frames"] == 2
    )
    millions = hops["shared"]["macs"] / 1e6
    assert f"a result every 0.032 s takes {millions:.1f} million MACs a second" in done.output
    assert "a result every n frames of 16 ms instead of every 2:" in (out / "README.md").read_text()
    (lines,) = results(
        build(out, tmp_path / "program", MAIN, SANITIZE),
        [stream(ModelFile.read(path).require_contract())],
        512,
        "poll",
    )
    assert lines[1].frames - lines[0].frames == 2
    # The contract, which `selftest` compares, is still the model's.
    assert (
        ModelFile.read(path).require_contract().id
        in (out / "src" / "sernet_contract.h").read_text()
    )
    whole = tmp_path / "whole"
    done = CliRunner().invoke(export, [str(shipped_model), "--out", str(whole), "--hop", "2"])
    assert "a result every 2.000 s takes " in done.output
    assert "#define SERNET_MODEL_HOP_ROWS 125" in (whole / "src" / "sernet_model.h").read_text()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--hop", "0.048"), 1, "a hop of 3 frames (0.048 s)"),
        (("--hop", "nan"), 2, "not finite"),
        (("--hop", "0"), 2, "--hop"),
        (("--hop", "0.064", "--engine", "tflm"), 2, "--hop belongs to --out"),
    ],
)
def test_an_impossible_hop_is_refused(
    options: tuple[str, ...], code: int, message: str, model: bytes, in_process: Run, tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    done = in_process("export", path, "--out", tmp_path / "out", *options)
    assert done.returncode == code and message in done.stderr
    assert not (tmp_path / "out").exists()
