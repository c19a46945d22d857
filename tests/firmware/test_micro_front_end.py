"""The features "micro" in C equal those of the original frontend, on a PC and on an M4."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import api_results
import numpy as np
import pytest
from adopt_cases import SPEECH, WAKE_WORD, adopt, micro_speech
from bundle_cases import (
    C_FOLDER,
    build,
    run,
    small_model,
    utterances,
    write_bundle,
    write_front_end,
)
from cores import on_cores
from engine_cases import tflm_outputs
from frontend_cases import MAIN, c_features
from micro_contracts import MICRO_SETTINGS, MICRO_SPEECH, MICRO_WAKE_WORD, micro_contract
from micro_reference import Samples, originals, signals
from numpy.typing import NDArray
from object_files import FAST, SANITIZE, object_file
from stream_graphs import RECEPTIVE, STRIDE, stream_model
from support import SAMPLE, Run, quickly

from sernet_edge.firmware_export import frontend_tables
from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.golden import stream_windows
from sernet_edge.firmware_export.measure import cross
from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.records import Result
from sernet_edge.runtime.stream import Listener

BITS = C_FOLDER / "frontend_bits.c"


def coarse_and_fine(name: str) -> list[tuple[Contract, dict[str, Any]]]:
    """Return contracts: one step of the input is an output's whole range, or one step of it."""
    settings = MICRO_SETTINGS[name]
    most = 22.5 * 2 ** settings.get("scale_shift", 6)
    own = {"rate": 16_000, **settings}
    return [
        (micro_contract(**own, scale=255 / most).replace(clip=255.0, window_frames=12), own),
        (micro_contract(**own, scale=1.0).replace(clip=255.0, window_frames=12), own),
    ]


def expected_windows(contract: Contract, streams: list[Samples], **own: Any) -> NDArray[np.int8]:
    """Return the windows of int8 input from the original's features."""
    assert contract.micro_frontend is not None
    windows = []
    for samples in streams:
        values = originals(samples, **own).astype(np.float32)
        scaled = np.rint(values * np.float64(contract.micro_frontend.scale)) - 128
        rows = np.clip(scaled, -128, 127).astype(np.int8)
        starts = range(0, len(rows) - contract.window_frames + 1, contract.hop_frames)
        windows += [rows[n : n + contract.window_frames] for n in starts]
    return np.stack(windows)


@pytest.mark.parametrize("name", quickly(MICRO_SETTINGS, 2))
def test_features_equal_the_originals_with_every_setting(name: str, tmp_path: Path) -> None:
    for number, (contract, own) in enumerate(coarse_and_fine(name)):
        contract = contract.replace(hop_frames=12)
        streams = [np.tile(samples, 4) for samples in signals().values()]
        model = Model(ModelFile("model", small_model(contract, zero_point=-128)))
        folder = write_front_end(tmp_path / str(number), model)
        program = build(folder, folder / "program", MAIN, SANITIZE)
        found = c_features(program, contract, streams, 256)
        np.testing.assert_array_equal(found, expected_windows(contract, streams, **own))
        np.testing.assert_array_equal(c_features(program, contract, streams, 7), found)
        assert number or len(np.unique(found)) > 10


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("arguments", [MICRO_SPEECH, MICRO_WAKE_WORD], ids=["20 ms", "10 ms"])
def test_features_of_speech_equal_the_originals(
    arguments: dict[str, Any], compiler: str, emodb: Path, tmp_path: Path
) -> None:
    contract = micro_contract(**arguments, scale=1.0).replace(clip=255.0)
    streams = utterances(emodb, contract, 6)
    model = Model(ModelFile("model", small_model(contract, zero_point=-128)))
    program = build(write_front_end(tmp_path, model), tmp_path / "program", MAIN, FAST, compiler)
    found = c_features(program, contract, streams, 4096)
    np.testing.assert_array_equal(found, expected_windows(contract, streams, **arguments))


def whole_windows() -> bytes:
    contract = micro_contract(**MICRO_SPEECH).replace(window_frames=30, hop_frames=10)
    return small_model(contract, zero_point=-128)


def shared_rows() -> bytes:
    return stream_model(
        micro_contract(**MICRO_WAKE_WORD).replace(
            window_frames=RECEPTIVE + 4 * STRIDE,
            hop_frames=STRIDE,
            stride_frames=STRIDE,
            receptive_frames=RECEPTIVE,
        )  # fmt: skip
    )


@pytest.mark.parametrize("make", [whole_windows, shared_rows])
def test_results_of_firmware_are_those_of_tflm_on_the_originals_features(
    make: Callable[[], bytes], tmp_path: Path
) -> None:
    model = Model(ModelFile("model", make()))
    contract, settings = model.contract, model.contract.micro_frontend
    assert settings is not None
    audio = read_recording(SAMPLE, 16_000)[:60_000]
    step_ms = round(1000 * contract.frame_step_s)
    values = originals(audio, **{**MICRO_SPEECH, "window_step": step_ms})
    rows = model.quantise((values * settings.scale).astype(np.float32))
    expected = tflm_outputs(
        make(), stream_windows(rows, contract.window_frames, contract.hop_frames)
    )
    program = build(
        write_bundle(tmp_path, make()), tmp_path / "program", api_results.MAIN, SANITIZE
    )
    (lines,) = api_results.results(program, [audio], 512, "poll")
    assert [line.int8 for line in lines] == [tuple(scores) for scores in expected.tolist()]
    listener = Listener(model)
    heard = [record for record in listener.push(audio) if isinstance(record, Result)]
    assert len(heard) == len(lines) > 10 and len(np.unique(expected, axis=0)) > 3
    assert [contract.labels.index(str(record.label)) for record in heard] == [
        line.label for line in lines
    ]


@pytest.mark.parametrize(
    "settings", quickly([SPEECH, WAKE_WORD], 1), ids=["micro_speech", "microWakeWord"]
)
def test_an_adopted_model_is_exported_with_its_front_end(
    settings: dict[str, Any], sernet_edge: Run, tmp_path: Path
) -> None:
    assert adopt(sernet_edge, tmp_path, micro_speech(), settings).returncode == 0
    result = sernet_edge("export", tmp_path / "mine.tflite", "--out", tmp_path / "out")
    assert (result.returncode, result.stderr) == (0, "")
    check = subprocess.run(["make", "check"], cwd=tmp_path / "out", capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr
    assert not (tmp_path / "out/src/sernet_spectrum.c").exists()
    contract = ModelFile.read(tmp_path / "mine.tflite").require_contract()
    assert f"| front end's tables | {frontend_tables.table_bytes(contract):,} |" in (
        (tmp_path / "out/README.md").read_text()
    )


@pytest.fixture(scope="module")
def adopted(sernet_edge: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adopted")
    assert adopt(sernet_edge, folder, micro_speech(), SPEECH).returncode == 0
    return write_bundle(folder / "out", (folder / "mine.tflite").read_bytes())


@pytest.mark.parametrize("name", on_cores())
def test_the_self_test_of_an_adopted_model_passes_on_every_core(
    name: str, adopted: Path, tmp_path: Path
) -> None:
    core = CORES[name]
    if core.missing:
        pytest.skip(f"{' and '.join(core.missing)} are not installed")
    sources = sorted([*(adopted / "src").glob("*.c"), *(adopted / "src").glob("*.S")])
    sources += sorted((adopted / "examples").glob("sernet_golden*.c"))
    cross.build(core, [*sources, C_FOLDER / "selftest_board.c"], tmp_path / "selftest.elf")
    done = cross.run(core, tmp_path / "selftest.elf")
    assert done.returncode == 0, done.stdout
    assert "features that differ 0\n" in done.stdout and "scores that differ 0\n" in done.stdout


@pytest.mark.parametrize("name", on_cores())
def test_every_core_computes_the_same_bits(name: str, adopted: Path, tmp_path: Path) -> None:
    core = CORES[name]
    if core.missing:
        pytest.skip(f"{' and '.join(core.missing)} are not installed")
    pcm = adopted / "examples/sernet_golden_pcm.c"
    here = run(build(adopted, tmp_path / "bits", BITS, SANITIZE, extra=[pcm]), []).decode()
    names = ("sernet_micro.c", "sernet_frontend.c", "sernet_contract.c")
    sources = [*(adopted / "src" / file for file in names), BITS, pcm]
    cross.build(core, sources, tmp_path / "bits.elf")
    done = cross.run(core, tmp_path / "bits.elf")
    assert (done.returncode, done.stdout) == (0, here)


def test_the_tables_have_the_stated_size(adopted: Path, tmp_path: Path) -> None:
    source = adopted / "src/sernet_contract.c"
    built = object_file(["gcc", *FAST, f"-I{source.parent}"], source)
    sizes = subprocess.run(["nm", "-S", built], capture_output=True, text=True).stdout
    tables = [line.split() for line in sizes.splitlines() if "sernet_labels" not in line]
    contract = micro_contract(**MICRO_SPEECH)
    total = sum(int(fields[1], 16) for fields in tables if fields[-1].startswith("sernet_"))
    assert total == frontend_tables.table_bytes(contract)
