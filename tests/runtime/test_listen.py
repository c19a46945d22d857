"""`sernet-edge listen` on files and standard input, through the real command line."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from support import Run, write_wav

from sernet_edge.runtime import FrontEnd, interpreter
from sernet_edge.runtime.frontend import feature_rows
from sernet_edge.runtime.modelfile import ModelFile

RATE = 16_000


def speech_like(seconds: float, seed: int = 5) -> NDArray[np.int16]:
    """A tone with a changing frequency, in noise with a changing level."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * (200 + 60 * np.sin(3 * time)) * time)
    noise = rng.normal(0, 1, len(time)) * (1 + np.sin(5 * time))
    sound: NDArray[np.int16] = (3000 * tone + 800 * noise).astype(np.int16)
    return sound


AUDIO = speech_like(6)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("listen") / "six.wav"
    write_wav(path, AUDIO)
    return path


def records(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The results; events are tested elsewhere."""
    assert result.returncode == 0, result.stderr
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return [record for record in found if record["type"] == "result"]


def failure(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error."""
    assert result.returncode == 1, result
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("sernet-edge: ")]
    # Lines before it are about the model and the audio; nothing comes after it.
    assert len(lines) == 1 and result.stderr.endswith(lines[0] + "\n"), result.stderr
    return lines[0]


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sernet_edge", "listen", *map(str, arguments)]
    # If this is set, Python flushes by itself, and a missing flush is not noticed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options
    )


def test_a_recording_gives_one_record_per_hop(
    sernet_edge: Run, recording: Path, shipped_model: Path
) -> None:
    found = records(sernet_edge("listen", "--input", recording, "--json"))
    contract = interpreter.load(shipped_model).contract
    frames = (len(AUDIO) - contract.frame_length_samples) // contract.frame_step_samples + 1
    assert len(found) == (frames - contract.window_frames) // contract.hop_frames + 1
    for index, record in enumerate(found):
        assert list(record) == [
            *("type", "version", "time_s", "label", "scores", "sure", "arousal", "speech"),
            *(
                "level_dbfs",
                "clipped",
                "drift",
                "feature_ms",
                "inference_ms",
                "overflows",
                "skipped",
                "utc",
            ),
        ]
        end_s = contract.window_s + index * contract.hop_frames * contract.frame_step_s
        assert record["time_s"] == round(end_s, 3)
        assert list(record["scores"]) == list(contract.labels)
        assert sum(record["scores"].values()) == pytest.approx(1, abs=0.02)
        assert record["label"] == max(record["scores"], key=record["scores"].__getitem__)
        assert record["overflows"] == 0


def test_the_scores_are_the_model_s_own(
    in_process: Run, recording: Path, shipped_model: Path
) -> None:
    found = records(in_process("listen", "--input", recording, "--json", "--smoothing", 0))
    # Batch features, cut into windows by hand, are given to the interpreter directly.
    model = interpreter.load(shipped_model)
    contract = model.contract
    front_end = FrontEnd(contract)
    rows = feature_rows(front_end, AUDIO)
    for index, record in enumerate(found):
        start = index * contract.hop_frames
        window = front_end.window_features(rows[start : start + contract.window_frames])
        scores = [round(float(score), 4) for score in model.run(window)]
        assert list(record["scores"].values()) == scores


def test_without_timing_two_runs_are_the_same_byte_for_byte(
    sernet_edge: Run, recording: Path
) -> None:
    runs = [sernet_edge("listen", "--input", recording, "--json", "--no-timing") for _ in "ab"]
    assert runs[0].stdout == runs[1].stdout != ""
    assert "_ms" not in runs[0].stdout


def test_raw_pcm_on_standard_input_is_the_same_as_the_file(
    sernet_edge: Run, recording: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "six.raw"
    raw.write_bytes(AUDIO.astype("<i2").tobytes())
    options = ("--json", "--no-timing")
    with raw.open("rb") as stdin:
        piped = sernet_edge("listen", "--input", "-", *options, stdin=stdin)
    assert piped.stdout == sernet_edge("listen", "--input", recording, *options).stdout != ""


def test_raw_stereo_at_another_rate_is_the_same_as_the_file(
    sernet_edge: Run, tmp_path: Path
) -> None:
    samples = np.repeat(speech_like(11), 2).astype("<i2").tobytes()  # 4 s of 44.1 kHz stereo
    header = struct.pack("<HHIIHH", 1, 2, 44_100, 44_100 * 4, 4, 16)
    chunks = b"WAVEfmt \x10\0\0\0" + header + b"data" + struct.pack("<I", len(samples)) + samples
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    (tmp_path / "a.raw").write_bytes(samples)
    options = ("--json", "--no-timing")
    with (tmp_path / "a.raw").open("rb") as stdin:
        piped = sernet_edge(
            "listen", "--input", "-", "--rate", 44100, "--channels", 2, *options, stdin=stdin
        )
    file = sernet_edge("listen", "--input", tmp_path / "a.wav", *options)
    assert piped.stdout == file.stdout
    assert len(records(file)) > 1
    assert "44100 Hz, 2 ch, resampled to 16000 Hz" in file.stderr


def piped(content: bytes, *options: object) -> subprocess.CompletedProcess[str]:
    """Run `listen --input -` on bytes from a pipe."""
    process = start(
        "--input", "-", "--json", "--no-timing", "--gate", "off", *options, stdin=subprocess.PIPE
    )
    out, err = process.communicate(content, timeout=300)
    assert b"Traceback" not in err
    return subprocess.CompletedProcess([], process.returncode, out.decode(), err.decode())


def test_a_wav_through_a_pipe_is_the_same_as_the_file(sernet_edge: Run, recording: Path) -> None:
    content = bytearray(recording.read_bytes())
    whole = piped(bytes(content))
    assert (
        whole.stdout == sernet_edge("listen", "--input", recording, "--json", "--no-timing").stdout
    )
    assert whole.stdout != ""
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"  # as ffmpeg cannot know the length
    assert piped(bytes(content)).stdout == whole.stdout


def test_a_container_through_a_pipe_is_refused_by_name_with_a_command(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", AUDIO, RATE)
    line = failure(piped((tmp_path / "a.flac").read_bytes(), "--rate", 8000))
    assert "standard input holds a FLAC file, which cannot be read from a pipe" in line
    assert "ffmpeg -i - -f s16le -ar 8000 -ac 1 - | sernet-edge listen --input -" in line


def test_raw_samples_of_another_format_are_the_same_sound(
    sernet_edge: Run, recording: Path
) -> None:
    expected = sernet_edge("listen", "--input", recording, "--json", "--no-timing").stdout
    assert piped(AUDIO.astype(">i2").tobytes(), "--format", "s16be").stdout == expected != ""
    floats = (AUDIO / 32768).astype("<f4").tobytes()
    assert piped(floats, "--format", "f32le").stdout == expected


def test_one_channel_of_an_array_is_the_same_as_that_alone(
    in_process: Run, recording: Path, tmp_path: Path
) -> None:
    loud = np.random.default_rng(3).integers(-20_000, 20_000, (len(AUDIO), 6)).astype(np.int16)
    loud[:, 2] = AUDIO
    soundfile.write(tmp_path / "six.wav", loud, RATE)
    options = ("--json", "--no-timing")
    alone = in_process("listen", "--input", recording, *options)
    found = in_process("listen", "--input", tmp_path / "six.wav", "--channel", 2, *options)
    assert found.stdout == alone.stdout != ""
    assert "6 ch, of which channel 2 is heard" in found.stderr
    mixed = in_process("listen", "--input", tmp_path / "six.wav", *options)
    assert mixed.stdout != alone.stdout
    assert "6 ch, whose mean is heard: --channel N takes one" in mixed.stderr
    line = failure(in_process("listen", "--input", tmp_path / "six.wav", "--channel", 6))
    assert "six.wav has no channel 6 (it has 6 channels, 0 to 5)" in line


def test_a_live_pipe_gives_results_before_it_ends() -> None:
    process = start("--input", "-", "--json", stdin=subprocess.PIPE)
    assert process.stdin and process.stdout
    process.stdin.write(AUDIO[: 3 * RATE].tobytes())
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["time_s"] < 3
    process.communicate()
    assert process.returncode == 0


@pytest.mark.slow
def test_audio_that_waits_in_a_live_pipe_while_the_program_is_stopped_is_dropped() -> None:
    process = start("--input", "-", "--json", "--gate", "off", stdin=subprocess.PIPE)
    assert process.stdin and process.stdout
    os.set_blocking(process.stdin.fileno(), False)
    ended = threading.Event()

    def record_in_real_time() -> None:
        began_s, block = time.monotonic(), 0
        while not ended.wait(max(0, began_s + block * 0.05 - time.monotonic())):
            start_sample = block * 800 % (len(AUDIO) - 800)
            with suppress(BlockingIOError):  # the pipe is full: lost, as with arecord
                os.write(process.stdin.fileno(), AUDIO[start_sample:][:800].tobytes())
            block += 1

    writer = threading.Thread(target=record_in_real_time)
    writer.start()
    found = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGSTOP)
    time.sleep(4)
    process.send_signal(signal.SIGCONT)
    went_on = datetime.now(UTC)
    while found[-1].get("code") != "suspended":
        found.append(json.loads(process.stdout.readline()))
    while found[-1]["type"] != "result":
        found.append(json.loads(process.stdout.readline()))
    ended.set()
    writer.join()
    process.communicate()
    # The window is from after the stop, although the pipe held two seconds of older sound.
    heard = datetime.fromisoformat(found[-1]["utc"])
    assert 2.5 < (heard - went_on).total_seconds() < 5
    before = [record for record in found if record["type"] == "result"][-2]
    passed_s = (heard - datetime.fromisoformat(before["utc"])).total_seconds()
    assert found[-1]["time_s"] - before["time_s"] == pytest.approx(passed_s, abs=0.8)


@pytest.mark.slow
def test_a_recording_through_a_pipe_loses_nothing_while_the_program_is_stopped(
    sernet_edge: Run, tmp_path: Path
) -> None:
    sound = speech_like(120)
    write_wav(tmp_path / "a.wav", sound)
    options = ("--json", "--no-timing", "--gate", "off")
    process = start("--input", "-", *options, stdin=subprocess.PIPE)
    assert process.stdin and process.stdout
    content = sound.astype("<i2").tobytes()
    half = len(content) // 4 * 2
    process.stdin.write(content[:half])
    process.stdin.flush()
    found = process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    process.send_signal(signal.SIGCONT)

    def write_the_rest(stdin: IO[bytes]) -> None:
        stdin.write(content[half:])
        stdin.close()

    threading.Thread(target=write_the_rest, args=[process.stdin]).start()
    found += process.stdout.read()
    assert process.wait(timeout=60) == 0
    for pipe in (process.stdout, process.stderr):
        assert pipe
        pipe.close()
    of_file = sernet_edge("listen", "--input", tmp_path / "a.wav", *options).stdout
    assert found.decode() == of_file


def test_the_hop_is_rounded_to_whole_frames_and_printed(in_process: Run, recording: Path) -> None:
    result = in_process("listen", "--input", recording, "--json", "--hop", 1)
    times = [record["time_s"] for record in records(result)]
    assert np.diff(times) == pytest.approx(62 * 0.016)  # 62.5 frames, half to even
    assert "every 0.992 s (62 frames)" in result.stderr


def test_smoothing_weighs_the_earlier_scores(in_process: Run, recording: Path) -> None:
    def scores(weight: float) -> NDArray[np.float64]:
        result = in_process("listen", "--input", recording, "--json", "--smoothing", weight)
        return np.array([list(record["scores"].values()) for record in records(result)])

    raw, smoothed = scores(0), scores(0.8)
    expected = raw[0]
    for index in range(1, len(raw)):
        expected = 0.8 * expected + 0.2 * raw[index]
        # Both sides are rounded to four decimals.
        np.testing.assert_allclose(smoothed[index], expected, atol=1.1e-4)


def test_a_short_recording_is_padded_and_a_note_says_so(in_process: Run, tmp_path: Path) -> None:
    write_wav(tmp_path / "short.wav", AUDIO[:RATE])
    write_wav(
        tmp_path / "long.wav", np.concatenate([AUDIO[:RATE], np.zeros(47_872 - RATE, np.int16)])
    )
    options = ("--json", "--no-timing")
    short = in_process("listen", "--input", tmp_path / "short.wav", *options)
    by_hand = in_process("listen", "--input", tmp_path / "long.wav", *options)
    # The level does not include the padding.
    expected = records(by_hand)[0] | {"padded": True, "level_dbfs": records(short)[0]["level_dbfs"]}
    assert records(short) == [expected]
    assert "short.wav is shorter than the model's window of 2.992 s: padded" in short.stderr


def test_a_plain_line_per_hop_and_a_summary_without_a_terminal(
    sernet_edge: Run, recording: Path
) -> None:
    lines = sernet_edge("listen", "--input", recording, "--no-timing").stdout.splitlines()
    found = records(sernet_edge("listen", "--input", recording, "--json"))
    assert len(lines) == len(found) + 1
    for line, record in zip(lines, found, strict=False):
        score = record["scores"][record["label"]]
        match = re.match(r" +([\d.]+) s  (\w+) (\d+) %  ", line)
        assert match, line
        assert float(match[1]) == pytest.approx(record["time_s"], abs=0.006)
        assert match[2] == record["label"]
        # To make percentages add up, each is rounded up or down.
        assert abs(int(match[3]) - 100 * score / sum(record["scores"].values())) < 1
    labels = [record["label"] for record in found]
    leader = max(set(labels) - {"none"}, key=labels.count)
    silent = f" ({labels.count('none')} no speech)" if "none" in labels else ""
    assert lines[-1].startswith(
        f"{len(found)} windows{silent}: {leader} leads in {labels.count(leader)}"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    process = start("--input", "-", "--json", stdin=subprocess.PIPE)
    assert process.stdin and process.stdout
    process.stdin.write(AUDIO.tobytes())
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(number)
    assert process.wait(timeout=30) == 0
    assert process.stderr and b"Traceback" not in process.stderr.read()
    # `communicate` would close the pipe, which also ends the program.
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def test_a_reader_that_goes_away_causes_no_traceback(recording: Path) -> None:
    process = start("--input", recording, "--json", "--hop", 0.016)
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    complaints = process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()
    assert b"Traceback" not in complaints and b"BrokenPipe" not in complaints


@pytest.mark.parametrize(
    ("of_the_model", "option", "told"),
    [(0.4, [], False), (0.4, ["--unsure-below", 0], True), (0.0, [], True)]
    + [(0.0, ["--unsure-below", 0.4], False)],
)
def test_the_output_says_if_every_result_counts_as_sure(
    of_the_model: float,
    option: list[object],
    told: bool,
    in_process: Run,
    shipped_model: Path,
    recording: Path,
    tmp_path: Path,
) -> None:
    shipped = ModelFile.read(shipped_model)
    contract = shipped.require_contract().replace(unsure_below=of_the_model, drift_limit=0.0)
    (tmp_path / "m.tflite").write_bytes(shipped.with_contract(contract).data)
    result = in_process("listen", "--model", tmp_path / "m.tflite", "--input", recording, *option)
    assert ("every result counts as sure" in result.stderr) is told
    assert "nothing warns of sound unlike the training's" in result.stderr


def test_a_missing_file_is_named(in_process: Run, tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    line = failure(in_process("listen", "--input", path))
    assert line == f"sernet-edge: cannot read the audio {path}: No such file or directory"


def test_a_directory_is_named(in_process: Run, tmp_path: Path) -> None:
    assert f"{tmp_path}: Is a directory" in failure(in_process("listen", "--input", tmp_path))


def test_a_file_that_is_not_a_wav_is_named(in_process: Run) -> None:
    line = failure(in_process("listen", "--input", __file__))
    assert f"{__file__} is not an audio file (convert it" in line


def test_a_truncated_wav_is_named(in_process: Run, recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(recording.read_bytes()[:-1000])
    line = failure(in_process("listen", "--input", path))
    assert f"{path} is truncated: 1000 of its 192000 bytes of audio are missing" in line


def test_a_compressed_wav_is_named(in_process: Run, recording: Path, tmp_path: Path) -> None:
    content = bytearray(recording.read_bytes())
    content[20:22] = b"\x11\0"
    (tmp_path / "adpcm.wav").write_bytes(content)
    line = failure(in_process("listen", "--input", tmp_path / "adpcm.wav"))
    assert "format tag 0x0011 (IMA ADPCM) is not supported" in line


def test_a_recording_without_audio_is_refused(sernet_edge: Run, tmp_path: Path) -> None:
    write_wav(tmp_path / "zero.wav", AUDIO[:0])
    assert "zero.wav holds no audio" in failure(
        sernet_edge("listen", "--input", tmp_path / "zero.wav")
    )
    assert "standard input holds no audio" in failure(
        sernet_edge("listen", "--input", "-", stdin=subprocess.DEVNULL)
    )


def test_a_second_chunk_of_samples_is_reported(
    in_process: Run, recording: Path, tmp_path: Path
) -> None:
    path = tmp_path / "two.wav"
    path.write_bytes(recording.read_bytes() + b"data\x04\0\0\0abcd")
    result = in_process("listen", "--input", path, "--json")
    assert len(records(result)) == 7
    assert result.stderr.splitlines()[-1].endswith("second 'data' chunk: its 4 bytes were not read")


def test_standard_input_that_ends_within_a_sample_is_reported(
    sernet_edge: Run, tmp_path: Path
) -> None:
    (tmp_path / "odd.raw").write_bytes(AUDIO.tobytes() + b"\1")
    with (tmp_path / "odd.raw").open("rb") as stdin:
        result = sernet_edge("listen", "--input", "-", "--json", stdin=stdin)
    assert len(records(result)) == 7
    assert "ended in the middle of a sample: 1 of 2 bytes dropped" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rate", "8000"], "--input - only"),
        (["--format", "u8", "--input", "a.wav"], "--input - only"),
        (["--input", "-", "--format", "mp3"], "--format"),
        (["--input", "a.wav", "--channel", "-1"], "--channel"),
        (["--channels", "2", "--input", "a.wav"], "--input - only"),
        (["--input", "a.wav", "--device", "0"], "does not go with --input"),
        (["--hop", "0"], "--hop"),
        (["--hop", "nan"], "--hop"),
        (["--hop", "inf"], "--hop"),
        (["--hop", "1e308"], "--hop"),
        (["--smoothing", "1"], "--smoothing"),
        (["--smoothing", "nan"], "--smoothing"),
        (["--threads", "0"], "--threads"),
        (["--threads", "99999999999999"], "--threads"),
        (["--input", "-", "--rate", "7"], "--rate"),
        (["a.wav"], "A recording is given with --input: --input a.wav"),
    ],
)
def test_wrong_usage_is_reported_and_exits_with_2(
    arguments: list[str], complaint: str, in_process: Run
) -> None:
    result = in_process("listen", *arguments)
    assert result.returncode == 2
    assert complaint in result.stderr.splitlines()[-1]


def with_model(tmp_path: Path, content: bytes) -> list[object]:
    (tmp_path / "bad.tflite").write_bytes(content)
    write_wav(tmp_path / "a.wav", AUDIO)
    return ["listen", "--input", tmp_path / "a.wav", "--model", tmp_path / "bad.tflite"]


def test_a_missing_model_is_named(in_process: Run, recording: Path, tmp_path: Path) -> None:
    line = failure(in_process("listen", "--input", recording, "--model", tmp_path / "no.tflite"))
    assert "no.tflite: No such file or directory" in line


@pytest.mark.parametrize("content", [b"", b"not a model at all, but text"])
def test_a_model_that_is_not_a_flatbuffer_is_named(
    content: bytes, in_process: Run, tmp_path: Path
) -> None:
    line = failure(in_process(*with_model(tmp_path, content)))
    assert "bad.tflite is not a TensorFlow Lite model" in line


@pytest.mark.parametrize("part", [0.001, 0.3, 0.9, 0.998])
def test_a_truncated_model_is_named(
    part: float, in_process: Run, tmp_path: Path, shipped_model: Path
) -> None:
    whole = shipped_model.read_bytes()
    line = failure(in_process(*with_model(tmp_path, whole[: int(part * len(whole))])))
    assert "bad.tflite" in line


def test_a_model_without_contract_is_named(
    in_process: Run, tmp_path: Path, shipped_model: Path
) -> None:
    bare = ModelFile.read(shipped_model).flatbuffer
    line = failure(in_process(*with_model(tmp_path, bare)))
    assert "bad.tflite: the model has no contract" in line


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"window_frames": 100}, "one input of shape (1, 100, 40, 1)"),
        ({"labels": ("a", "b")}, "one output of shape (1, 2)"),
        ({"level": "clip"}, "whole recording"),
    ],
)
def test_a_model_that_does_not_fit_its_contract_is_named(
    change: dict[str, Any],
    complaint: str,
    in_process: Run,
    tmp_path: Path,
    shipped_model: Path,
) -> None:
    file = ModelFile.read(shipped_model)
    other = file.with_contract(file.require_contract().replace(**change))
    line = failure(in_process(*with_model(tmp_path, other.data)))
    assert complaint in line


def test_every_recording_of_the_corpus_gives_the_same_results_as_in_batch(
    emodb: Path, shipped_model: Path, in_process: Run
) -> None:
    model = interpreter.load(shipped_model)
    contract, front_end = model.contract, FrontEnd(model.contract)
    for path in sorted((emodb / "wav").glob("*.wav"))[::107]:
        found = records(in_process("listen", "--input", path, "--json", "--smoothing", 0))
        samples = np.frombuffer(path.read_bytes()[44:], "<i2")
        samples = np.pad(samples, (0, max(0, contract.window_samples - len(samples))))
        rows = feature_rows(front_end, samples.astype(np.int16))
        window = front_end.window_features(rows[: contract.window_frames])
        scores = [round(float(score), 4) for score in model.run(window)]
        assert list(found[0]["scores"].values()) == scores
