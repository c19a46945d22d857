"""`sernet-edge listen` with real PortAudio, from ALSA devices that play a file.

ALSA's `file` plugin delivers the samples of its `infile`, exactly and as fast as they are read.
After the file's end it starts again, so only as many records are compared as the file has. This
device is faster than any listener, which skips hops as on a slow machine; the
results that it gives must be those of the file.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import Run

from sernet_edge.runtime.audio.microphone import Microphone
from sernet_edge.runtime.audio.sources import Incident

pytestmark = pytest.mark.programs

needs_portaudio = pytest.mark.skipif(
    ctypes.util.find_library("portaudio") is None or not Path("/usr/share/alsa/alsa.conf").exists(),
    reason="PortAudio or ALSA is not installed (apt install libportaudio2)",
)

ANY_RATE = """
pcm.tape { type file; slave.pcm null; file /dev/null; infile "INFILE"; format raw }
pcm.!default { type plug; slave.pcm tape }
"""

# Stereo at 44.1 kHz and nothing else: `multi` fixes the channels; the rate is fixed by a `plug`
# whose rate converter does not exist. `linear` lays the samples out as `file` expects them.
STEREO_44100 = """
pcm.rate { type plug; slave { pcm null; rate 44100; channels 2; format S16_LE }
           rate_converter "no such converter" }
pcm.stereo { type multi; slaves.a { pcm rate; channels 2 }
             bindings.0 { slave a; channel 0 }; bindings.1 { slave a; channel 1 } }
pcm.interleaved { type linear; slave { pcm stereo; format S16_LE } }
pcm.!default { type file; slave.pcm interleaved; file /dev/null; infile "INFILE"; format raw }
"""

# Six channels, in the same way.
SIX_CHANNELS = """
pcm.rate { type plug; slave { pcm null; rate 16000; channels 6; format S16_LE } }
pcm.six { type multi; slaves.a { pcm rate; channels 6 }
          bindings { 0 { slave a; channel 0 } 1 { slave a; channel 1 } 2 { slave a; channel 2 }
                     3 { slave a; channel 3 } 4 { slave a; channel 4 } 5 { slave a; channel 5 } } }
pcm.interleaved { type linear; slave { pcm six; format S16_LE } }
pcm.!default { type file; slave.pcm interleaved; file /dev/null; infile "INFILE"; format raw }
"""


def alsa(folder: Path, devices: str, frames: NDArray[np.int16]) -> dict[str, str]:
    """Return an environment whose default microphone delivers these frames."""
    (folder / "tape.raw").write_bytes(frames.astype("<i2").tobytes())
    text = "</usr/share/alsa/alsa.conf>\n" + devices.replace("INFILE", str(folder / "tape.raw"))
    (folder / "asound.conf").write_text(text)
    return {**os.environ, "ALSA_CONFIG_PATH": str(folder / "asound.conf")}


def wav(path: Path, rate: int, frames: NDArray[np.int16]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((frames.shape[1], 2, rate, 0, "NONE", ""))
        file.writeframes(frames.astype("<i2").tobytes())
    return path


def record(
    environment: dict[str, str],
    lines: int,
    *options: object,
    stop: int = signal.SIGINT,
    pause_s: float = 0,
) -> tuple[list[str], str]:
    """Listen for `lines` lines, then stop as with Ctrl-C; return them and standard error.

    After the first line, nothing is read for `pause_s`.
    """
    arguments = ["listen", "--json", "--no-timing", *map(str, options)]
    process = subprocess.Popen(
        [sys.executable, "-m", "sernet_edge", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        pipesize=4096,  # some 20 lines
    )
    assert process.stdout
    found = [process.stdout.readline()]
    time.sleep(pause_s)
    found += [process.stdout.readline() for _ in range(lines - 1)]
    process.send_signal(stop)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    assert "Traceback" not in complaints
    return found, complaints


def noise(frames: int, channels: int) -> NDArray[np.int16]:
    """Noise with a changing level and, in stereo, balance, so that all windows differ."""
    rng = np.random.default_rng(11)
    seconds = np.arange(frames)[:, None] / 16_000
    loudness = 2500 * (1.1 + np.sin(seconds * [2.0, 3.1][:channels]))
    sound: NDArray[np.int16] = (loudness * rng.normal(0, 1, (frames, channels))).astype(np.int16)
    return sound


# Without smoothing a skipped window changes no other; without a gate every window is judged.
PLAIN = ("--smoothing", 0, "--gate", "off")


def of_the_file(sernet_edge: Run, path: Path, *options: object) -> str:
    """The output of `listen` for a file."""
    return sernet_edge("listen", "--input", path, "--json", "--no-timing", *PLAIN, *options).stdout


def check_same(found: list[str], expected: str) -> None:
    """Check that a microphone's lines are those of a file, except for skipped hops."""
    of_file = {r["time_s"]: r for r in map(json.loads, expected.splitlines()) if "scores" in r}
    results = [r for r in map(json.loads, found) if "scores" in r and r["time_s"] in of_file]
    assert results
    for result in results:
        same = of_file[result["time_s"]]
        for key in ("label", "scores", "drift"):
            assert result[key] == same[key]
        assert result["overflows"] == 0
    # Every hop up to the last result is either judged or counted as skipped.
    hops = [time_s for time_s in of_file if time_s <= results[-1]["time_s"]]
    assert len(results) + results[-1]["skipped"] == len(hops)


@needs_portaudio
def test_a_microphone_gives_the_results_of_the_same_file(sernet_edge: Run, tmp_path: Path) -> None:
    frames = noise(8 * 16_000, 1)
    path = wav(tmp_path / "a.wav", 16_000, frames)
    expected = of_the_file(sernet_edge, path)
    count = expected.count("\n")
    assert count > 8
    found, told = record(alsa(tmp_path, ANY_RATE, frames), count, *PLAIN)
    check_same(found, expected)
    assert "default, 16000 Hz, 1 ch\n" in told


@needs_portaudio
def test_a_microphone_of_44100_hz_stereo_gives_the_results_of_the_same_file(
    sernet_edge: Run, tmp_path: Path
) -> None:
    frames = noise(8 * 44_100, 2)
    path = wav(tmp_path / "a.wav", 44_100, frames)
    expected = of_the_file(sernet_edge, path)
    count = expected.count("\n")
    assert count > 8
    found, told = record(alsa(tmp_path, STEREO_44100, frames), count, *PLAIN)
    check_same(found, expected)
    assert "default, 44100 Hz, 2 ch, resampled to 16000 Hz" in told
    # The right channel is used, too.
    left = wav(tmp_path / "left.wav", 44_100, frames[:, :1])
    assert of_the_file(sernet_edge, left) != expected


@needs_portaudio
def test_a_real_recording_gives_the_same_results_through_the_microphone(
    emodb: Path, sernet_edge: Run, tmp_path: Path
) -> None:
    path = max((emodb / "wav").glob("*.wav"), key=lambda path: path.stat().st_size)
    samples = np.frombuffer(path.read_bytes()[44:], "<i2").reshape(-1, 1)
    expected = of_the_file(sernet_edge, path)
    found, _ = record(alsa(tmp_path, ANY_RATE, samples), expected.count("\n"), *PLAIN)
    check_same(found, expected)


@pytest.mark.slow
@needs_portaudio
def test_a_slow_reader_loses_no_audio_of_a_device_that_can_wait(
    sernet_edge: Run, tmp_path: Path
) -> None:
    # Far more audio than the pipe and the queue can hold.
    frames = noise(20 * 16_000, 1)
    path = wav(tmp_path / "a.wav", 16_000, frames)
    expected = of_the_file(sernet_edge, path, "--hop", 0.032)
    environment = alsa(tmp_path, ANY_RATE, frames)
    found, _ = record(environment, 100, *PLAIN, "--hop", 0.032, pause_s=2)
    check_same(found, expected)


@needs_portaudio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_microphone_and_exits_with_0(
    number: signal.Signals, tmp_path: Path
) -> None:
    environment = alsa(tmp_path, ANY_RATE, noise(16_000, 1))
    found, told = record(environment, 1, stop=number)
    assert json.loads(found[0])["time_s"] < 3
    assert "sernet-edge:" not in told


@needs_portaudio
def test_microphones_are_listed_with_the_default_marked(sernet_edge: Run, tmp_path: Path) -> None:
    environment = alsa(tmp_path, STEREO_44100, noise(10, 2))
    result = sernet_edge("listen", "--list-devices", env=environment)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    default = r"\* +\d+  default  \(ALSA, 2 channels, rates 44100\)  works at 44100 Hz"
    assert [line for line in lines if re.fullmatch(default, line)]
    assert [line for line in lines if re.match(r"  +\d+  interleaved  ", line)]


@needs_portaudio
@pytest.mark.parametrize("by", ["index", "name", "part of the name"])
def test_a_microphone_can_be_chosen(by: str, sernet_edge: Run, tmp_path: Path) -> None:
    environment = alsa(tmp_path, ANY_RATE, noise(16_000, 1))
    listed = sernet_edge("listen", "--list-devices", env=environment).stdout
    match = re.search(r"(\d+)  tape ", listed)
    assert match
    choice = {"index": match[1], "name": "tape", "part of the name": "TAP"}[by]
    _, told = record(environment, 1, "--device", choice)
    assert "audio   tape, 16000 Hz" in told


@needs_portaudio
@pytest.mark.parametrize("name", ["no such thing", "99", "9" * 20, "a"])
def test_an_unknown_or_ambiguous_microphone_is_named(
    name: str, sernet_edge: Run, tmp_path: Path
) -> None:
    environment = alsa(tmp_path, ANY_RATE, noise(10, 1))
    result = sernet_edge("listen", "--device", name, env=environment)
    assert result.returncode == 1
    named = name if name.isdecimal() else repr(name)
    assert result.stderr.startswith(f"sernet-edge: no microphone {named}: ")
    assert result.stderr.endswith("(see --list-devices)\n")
    assert result.stderr.count("\n") == 1


@needs_portaudio
@pytest.mark.skipif(any(Path("/dev").glob("snd/pcm*c")), reason="this machine has a microphone")
def test_without_a_microphone_the_error_says_so(sernet_edge: Run, tmp_path: Path) -> None:
    # No sound server either, whatever the user's own configuration says.
    (tmp_path / "asound.conf").write_text("</usr/share/alsa/alsa.conf>\n")
    environment = {
        **os.environ,
        "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf"),
        "PULSE_SERVER": f"unix:{tmp_path}/none",
        "HOME": str(tmp_path),
    }
    for arguments in (["listen"], ["listen", "--list-devices"]):
        result = sernet_edge(*arguments, env=environment)
        assert result.returncode == 1
        assert result.stderr == (
            "sernet-edge: no microphone found "
            "(plug one in, or give a recording with --input FILE)\n"
        )


def in_python(prelude: str) -> subprocess.CompletedProcess[str]:
    """`sernet-edge listen` in an interpreter where something is missing."""
    code = f"{prelude}\nfrom sernet_edge.cli import main\nmain(['listen'])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_a_missing_portaudio_names_the_package_to_install() -> None:
    result = in_python("import ctypes.util; ctypes.util.find_library = lambda name: None")
    assert result.returncode == 1
    assert result.stderr == (
        "sernet-edge: a microphone needs the PortAudio library: PortAudio library not found "
        "(apt install libportaudio2)\n"
    )


def test_a_missing_sounddevice_names_the_package_to_install() -> None:
    result = in_python("import sys; sys.modules['sounddevice'] = None")
    assert result.returncode == 1
    assert result.stderr == (
        "sernet-edge: a microphone needs the Python package sounddevice (pip install sounddevice)\n"
    )


class FakeStream:
    """A stream of three blocks that loses audio before the second."""

    active = False

    def __init__(self, **settings: object) -> None:
        self._callback = settings["callback"]

    def start(self) -> None:
        assert callable(self._callback)
        for value, lost in ((1, False), (2, True), (3, False)):
            block = np.full(4, value, np.int16).tobytes()
            self._callback(block, 4, None, types.SimpleNamespace(input_overflow=lost))

    def close(self) -> None:
        pass


def test_lost_audio_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.SimpleNamespace(
        PortAudioError=RuntimeError,
        RawInputStream=FakeStream,
        check_input_settings=lambda *_, **__: None,
        query_hostapis=lambda _: {"name": "none"},
        query_devices=lambda *_: {
            "index": 0, "name": "fake", "hostapi": 0, "max_input_channels": 1,
            "default_samplerate": 48e3,
        },
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    microphone = Microphone(16_000)
    blocks = microphone.blocks()
    counts = []
    for value in (1, 2, 3):
        block = next(blocks)
        assert not isinstance(block, Incident)
        assert block.tolist() == [[value]] * 4
        counts.append(microphone.overflows)
    assert counts == [0, 1, 1]
    microphone.close()


@needs_portaudio
def test_one_channel_of_a_microphone_array_can_be_chosen(sernet_edge: Run, tmp_path: Path) -> None:
    wanted = noise(8 * 16_000, 1)
    frames = np.random.default_rng(2).integers(-9_000, 9_000, (len(wanted), 6)).astype(np.int16)
    frames[:, 4] = wanted[:, 0]
    expected = of_the_file(sernet_edge, wav(tmp_path / "a.wav", 16_000, wanted))
    environment = alsa(tmp_path, SIX_CHANNELS, frames)
    found, told = record(environment, expected.count("\n"), *PLAIN, "--channel", 4)
    check_same(found, expected)
    assert "6 ch, of which channel 4 is heard" in told
    refused = sernet_edge("listen", "--channel", 6, env=environment)
    assert refused.returncode == 1
    assert "has no channel 6 (it has 6 channels, 0 to 5)" in refused.stderr
