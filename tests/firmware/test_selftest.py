"""`sernet-edge selftest` talks to firmware on this computer, over good and bad lines."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import serial
from bundle_cases import C_FOLDER, build, read_wav, small_model, with_statistics, write_bundle
from object_files import SANITIZE
from serial_line import answering, line, unchanged
from stream_graphs import stream_contract, stream_model
from support import Run, quickly, write_wav

from sernet_edge.firmware_export.golden_pcm import golden_pcm
from sernet_edge.firmware_export.identity import model_checksum
from sernet_edge.firmware_export.plan import Plan, Schedule
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.firmware_export.selftest.board_run import read_board_run
from sernet_edge.firmware_export.selftest.command import selftest
from sernet_edge.runtime.contract import Features, Level
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.new_contract import new_contract

SAMPLE = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


_OPTIONS = (*SANITIZE, "-D_POSIX_C_SOURCE=200809L", "-Wl,--wrap=sernet_poll")


@pytest.fixture(scope="module")
def board(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    return build(bundle, folder / "serial_host", C_FOLDER / "serial_host.c", _OPTIONS)


Talk = Callable[..., str]


@pytest.fixture
def talk(shipped_model: Path, capsys: pytest.CaptureFixture[str]) -> Talk:
    """Run the command on a port, in this process; return its output."""

    def run(port: object, *arguments: object) -> str:
        selftest.main(
            [str(shipped_model), "--port", str(port), *map(str, arguments)], "", None, False
        )
        return capsys.readouterr().out

    return run


def refusal(talk: Talk, port: object, *arguments: object) -> str:
    with pytest.raises(SernetError) as caught:
        talk(port, *arguments)
    return str(caught.value)


def test_a_board_that_computes_the_model_passes(
    board: Path, talk: Talk, shipped_model: Path, tmp_path: Path
) -> None:
    speech = read_wav(SAMPLE)[:80_000]
    write_wav(tmp_path / "speech.wav", speech)
    with line([board]) as port:
        said = talk(port, "--input", tmp_path / "speech.wav", "--out", tmp_path / "run.json")
    run = read_board_run(tmp_path / "run.json")
    assert "passed" in said and run.passed
    file = ModelFile.read(shipped_model)
    contract = file.require_contract()
    frames = (len(speech) - 1024) // 256 + 1
    assert run.windows > 3
    assert run.windows == (frames - contract.window_frames) // contract.hop_frames + 1
    assert run.contract_id == contract.id
    assert int(run.flatbuffer_sha256[:16], 16) == model_checksum(file)
    assert (run.board, run.clock_hz, run.audio) == ("a PC", 1_000_000, "speech.wav")
    assert run.features == run.windows * 184 * 40
    assert run.features_differing < run.features / 1000
    assert (run.scores, run.frames_repeated) == (run.windows * len(contract.labels), 0)


def test_cycles_are_those_of_the_boards_counter(
    board: Path, talk: Talk, shipped_model: Path, tmp_path: Path
) -> None:
    with line([board]) as port:
        said = talk(port, "--out", tmp_path / "run.json")
    run = read_board_run(tmp_path / "run.json")
    # Each read of the counter adds 1,000: once for each part of the network's work, and once for
    # each of the 187 chunks of 256 samples in a window.
    parts = parts_of_a_window(PlannedModel.read(ModelFile.read(shipped_model)).plan)
    assert run.cycles_per_inference == 1000 * parts
    assert run.cycles_per_inference_range == (1000 * parts, 1000 * parts)
    assert run.frontend_cycles_per_second == round(187_000 / 184 * 62.5)
    assert f"{1000 * parts:,} a result" in said and f"{parts / 1000:.3f} s a result" in said


def parts_of_a_window(plan: Plan) -> int:
    """Return the parts of a window's work: those of each row, and a last one that finds none."""
    schedule, parts = Schedule(list(plan.stages)), 0
    for _ in range(plan.stages[0].steps):
        schedule.done[0] += 1
        parts += 1
        while order := schedule.advance():
            for index in order:
                schedule.done[index] += 1
            parts += 1
    return parts


@pytest.mark.parametrize(
    ("fault", "words"),
    [("features", "1 is allowed"), ("scores", "DIFFER"), ("labels", "0 of 1 as on this")],
)
def test_a_board_that_computes_something_else_fails(
    fault: str,
    words: str,
    board: Path,
    talk: Talk,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with line([board, fault]) as port:
        assert "does not compute" in refusal(talk, port, "--out", tmp_path / "run.json")
    said = capsys.readouterr().out
    assert words in said and "FAILED" in said
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["passed"] is False
    # The scores are computed from the board's own features, so they are still right.
    assert (run["scores_differing"] > 0) == (fault == "scores")


@pytest.mark.slow
@pytest.mark.parametrize(("features", "level"), [("spectrogram", "running"), ("mel", "window")])
def test_boards_with_models_of_other_features_pass(
    features: Features, level: Level, tmp_path: Path
) -> None:
    contract = new_contract(("a", "b", "c"), level, 40, features).replace(hop_frames=9)
    voice = golden_pcm(contract)
    contract = with_statistics(contract, [voice])
    model = tmp_path / "model.tflite"
    model.write_bytes(small_model(contract))
    bundle = write_bundle(tmp_path / "bundle", model.read_bytes())
    program = build(bundle, tmp_path / "serial", C_FOLDER / "serial_host.c", _OPTIONS)
    write_wav(tmp_path / "voice.wav", np.concatenate([voice, voice[::-1]]))
    out = tmp_path / "run.json"
    with line([program]) as port:
        arguments = (model, "--port", port, "--input", tmp_path / "voice.wav", "--out", out)
        selftest.main(list(map(str, arguments)), "", None, False)
    run = read_board_run(out)
    assert run.passed and run.windows > 3
    assert run.features == run.windows * contract.window_frames * contract.feature_count


def test_a_board_whose_windows_share_rows_passes(tmp_path: Path) -> None:
    contract = stream_contract(hop_frames=8)
    voice = np.tile(golden_pcm(contract), 3)
    contract = with_statistics(contract, [voice])
    model = tmp_path / "model.tflite"
    model.write_bytes(stream_model(contract))
    bundle = write_bundle(tmp_path / "bundle", model.read_bytes())
    program = build(bundle, tmp_path / "serial", C_FOLDER / "serial_host.c", _OPTIONS)
    write_wav(tmp_path / "voice.wav", voice)
    arguments = [str(model), "--input", str(tmp_path / "voice.wav"), "--port"]
    out = tmp_path / "run.json"
    with line([program]) as port:
        selftest.main([*arguments, port, "--out", str(out)], "", None, False)
    run = read_board_run(out)
    frames = (len(voice) - 1024) // 256 + 1
    assert run.passed
    assert run.windows == (frames - contract.window_frames) // 8 + 1 == 10
    assert run.features == run.windows * contract.window_frames * contract.feature_count
    # The first result takes the work of a window, the others that of a hop: leave out the first.
    assert run.cycles_per_inference is not None and run.cycles_per_inference_range is not None
    assert run.cycles_per_inference_range[1] < 8 * 1000 * 10
    for fault, words in (("scores", "does not compute"), ("labels", "does not compute")):
        with line([program, fault]) as port, pytest.raises(SernetError, match=words):
            selftest.main([*arguments, port], "", None, False)


def test_the_decisions_of_a_board_equal_those_of_listen(tmp_path: Path) -> None:
    contract = stream_contract()
    voice = np.tile(golden_pcm(contract), 3)
    contract = with_statistics(contract, [voice])
    model = tmp_path / "model.tflite"
    model.write_bytes(stream_model(contract))
    bundle = write_bundle(tmp_path / "bundle", model.read_bytes())
    # Short times, so that events start and end within a few windows.
    settings = ("EVIDENCE_S=0.1", "RELEASE_S=0.15", "REFRACTORY_S=0.1", "DECIDE_SMOOTHING=0.2")
    options = (*_OPTIONS, "-Wl,--wrap=sernet_decide", "-DSERNET_DECIDE", "-DSERNET_MEASURE_DRIFT")
    options += tuple(f"-DSERNET_{setting}" for setting in settings)
    program = build(bundle, tmp_path / "serial", C_FOLDER / "serial_host.c", options)
    write_wav(tmp_path / "voice.wav", np.concatenate([voice, voice[::-1]]))
    arguments = [str(model), "--input", str(tmp_path / "voice.wav"), "--port"]
    out = tmp_path / "run.json"
    with line([program]) as port:
        selftest.main([*arguments, port, "--out", str(out)], "", None, False)
    run = read_board_run(out)
    assert run.passed and run.windows > 20 and run.decisions_differing == 0
    with line([program, "events"]) as port, pytest.raises(SernetError, match="does not compute"):
        selftest.main([*arguments, port, "--out", str(out), "--force"], "", None, False)
    run = read_board_run(out)
    assert run.decisions_differing and run.labels_differing == 0


def test_two_programs_one_after_the_other_find_the_same_board(board: Path, talk: Talk) -> None:
    with line([board]) as port:
        assert "passed" in talk(port)
        assert "passed" in talk(port)


# Bad lines.


def every(places: set[int], change: Callable[[int], bytes]) -> Callable[[bytes], bytes]:
    """Return a line that changes the bytes at some places."""
    passed = 0

    def changed(data: bytes) -> bytes:
        nonlocal passed
        out = bytearray()
        for byte in data:
            out += change(byte) if passed in places else bytes([byte])
            passed += 1
        return bytes(out)

    return changed


CHANGES: dict[str, Callable[[int], bytes]] = {
    "flipped": lambda byte: bytes([byte ^ 0x20]),
    "lost": lambda byte: b"",
    "put in": lambda byte: b"SE\xff\xff" + bytes([byte]),
}


@pytest.mark.parametrize(
    ("way", "change"),
    quickly(
        [("to_board", "lost"), ("from_board", "flipped"), ("to_board", "flipped")]
        + [("from_board", "lost"), ("to_board", "put in"), ("from_board", "put in")],
        2,
    ),
)
def test_a_frame_that_is_damaged_on_the_line_is_sent_again(
    way: str, change: str, board: Path, talk: Talk, tmp_path: Path
) -> None:
    # In the length of a header, in a payload, in a checksum; also in the hello.
    places = {524, 5_004, 40_300} if way == "to_board" else {4, 1_000, 2_600, 5_000}
    with line([board], **{way: every(places, CHANGES[change])}) as port:
        assert "passed" in talk(port, "--out", tmp_path / "run.json")
    run = read_board_run(tmp_path / "run.json")
    assert 1 <= run.frames_repeated <= len(places) + 1
    assert run.scores_differing == 0 and run.features_largest_difference <= 1


def test_garbage_before_and_after_frames_is_ignored(board: Path, talk: Talk) -> None:
    noise = np.random.default_rng(1).bytes(3000) + b"SE\x68\x01\x00\x02 hello\r\nSE"
    first = True

    def chatter(data: bytes) -> bytes:
        nonlocal first
        before, first = (noise if first else b"ok\r\n"), False
        return before + data + b"log: all is well\r\n"

    with line([board], from_board=chatter) as port:
        assert "passed" in talk(port)


def test_a_board_that_stops_in_mid_transfer_is_reported(board: Path, talk: Talk) -> None:
    left = 30_000

    def dying(data: bytes) -> bytes:
        nonlocal left
        left -= len(data)
        return data if left > 0 else b""

    with line([board], to_board=dying) as port:
        said = refusal(talk, port, "--timeout", 2)
    assert "stopped answering" in said and port in said and "--timeout" in said


def test_a_silent_line_and_a_line_with_other_bytes_get_different_errors(talk: Talk) -> None:
    with answering(lambda data: b"") as port:
        said = refusal(talk, port, "--timeout", 0.5)
    assert "nothing answers" in said and "--baud" in said
    with answering(lambda data: b"Arduino ready\r\n") as port:
        said = refusal(talk, port, "--timeout", 0.5)
    assert "sends bytes, but none" in said
    # A line that sends back every byte.
    with answering(unchanged) as port:
        assert "sends bytes, but none" in refusal(talk, port, "--timeout", 0.5)


def frame(kind: bytes, number: int, payload: bytes) -> bytes:
    """Return a frame in the form of docs/guides/selftest.md."""
    body = kind + bytes([number]) + struct.pack("<H", len(payload)) + payload
    return b"SE" + body + struct.pack("<I", zlib.crc32(body))


def hello(contract_id: int, checksum: int, version: int = 1) -> bytes:
    facts = (version, 0, 256, contract_id, checksum, 0, 184, 31, 40, 7, 0.5)
    return struct.pack("<BBHQQIIIIIf", *facts) + b"a board"


def test_a_board_that_runs_another_model_is_refused(talk: Talk, shipped_model: Path) -> None:
    file = ModelFile.read(shipped_model)
    ours = int(file.require_contract().id, 16), model_checksum(file)
    for contract_id, checksum, words in (
        (ours[0] ^ 1, ours[1], "its contract is"),
        (ours[0], ours[1] ^ 1, "its weights' checksum is"),
    ):
        with answering(lambda _, a=contract_id, b=checksum: frame(b"h", 1, hello(a, b))) as port:  # type: ignore[misc]
            said = refusal(talk, port)
        assert "a board" in said and "runs another model" in said and words in said
        assert f"{contract_id:016x}" in said or f"{checksum:016x}" in said
        assert "sernet-edge export" in said


def test_a_board_that_runs_the_model_before_it_was_taught_needs_its_head(
    shipped_model: Path, tmp_path: Path
) -> None:
    file = ModelFile.read(shipped_model)
    contract, checksum = file.require_contract(), model_checksum(file)
    base = {"base_contract": contract.id, "base_sha256": f"{checksum:016x}"}
    provenance = {**contract.provenance, "taught": base}
    other = contract.replace(unsure_below=0.9, provenance=provenance)
    taught = tmp_path / "taught.tflite"
    taught.write_bytes(file.with_contract(other).data)
    answer = frame(b"h", 1, hello(int(contract.id, 16), checksum))
    with answering(lambda _: answer) as port, pytest.raises(SernetError, match="add --teach"):
        selftest.main([str(taught), "--port", str(port)], "", None, False)


def test_firmware_with_another_protocol_is_refused(talk: Talk) -> None:
    with answering(lambda data: frame(b"h", 1, hello(1, 2, version=2))) as port:
        said = refusal(talk, port)
    assert "version 2" in said and "export the firmware again" in said


def test_an_error_of_the_board_is_reported(talk: Talk) -> None:
    with answering(lambda data: frame(b"e", 1, struct.pack("<i", -4))) as port:
        assert "the error -4" in refusal(talk, port)


# Bad ports.


def test_an_unusable_port_is_named_with_a_remedy(talk: Talk, tmp_path: Path) -> None:
    said = refusal(talk, "/dev/ttyNONE7")
    assert "there is no port /dev/ttyNONE7" in said
    (tmp_path / "file").write_text("mine")
    for port in (tmp_path / "file", tmp_path):
        said = refusal(talk, port)
        assert str(port) in said and "serial port" in said
    assert (tmp_path / "file").read_text() == "mine"


def test_a_port_in_use_is_refused(talk: Talk) -> None:
    with answering(lambda data: b"") as port:
        other = os.open(port, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(other, fcntl.LOCK_EX)
        said = refusal(talk, port)
        os.close(other)
    assert "another program uses the port" in said


def test_without_permission_the_error_names_the_group(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*arguments: object, **options: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "Serial", denied)
    said = refusal(talk, "/dev/ttyACM0")
    assert "permission denied" in said and "dialout" in said


# Options.


def test_a_short_recording_is_padded_and_an_empty_one_refused(
    board: Path, talk: Talk, tmp_path: Path
) -> None:
    write_wav(tmp_path / "short.wav", read_wav(SAMPLE)[8_000:30_000])
    write_wav(tmp_path / "empty.wav", np.zeros(0, np.int16))
    with line([board]) as port:
        assert "windows: 1" in talk(port, "--input", tmp_path / "short.wav")
        assert "no audio" in refusal(talk, port, "--input", tmp_path / "empty.wav")


def test_an_existing_file_is_overwritten_only_with_force(
    board: Path, talk: Talk, tmp_path: Path
) -> None:
    out = tmp_path / "run.json"
    out.write_text("mine")
    with line([board]) as port:
        assert "--force" in refusal(talk, port, "--out", out)
        assert out.read_text() == "mine"
        talk(port, "--out", out, "--force")
    assert read_board_run(out).passed


def test_a_file_that_is_not_a_board_run_is_refused(tmp_path: Path) -> None:
    for text, words in (
        ("", "is empty"),
        ('{"format": "sernet-board-run", "ver', "cut off"),
        ("[1]", "is not the result of a self-test"),
        ('{"format": "sernet-board-run", "version": 9}', "version 9"),
        ('{"format": "sernet-board-run", "version": 1}', "damaged"),
    ):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(SernetError, match=words):
            read_board_run(tmp_path / "run.json")


def test_bad_options_and_missing_packages_are_errors_of_one_line(
    sernet_edge: Run, shipped_model: Path
) -> None:
    assert sernet_edge("selftest", shipped_model).returncode == 2
    code = (
        "import sys; sys.modules['serial'] = None\n"
        "from sernet_edge.cli import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "selftest", str(shipped_model), "--port", "/dev/null"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "pip install 'sernet-edge[board]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
