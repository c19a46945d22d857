"""`sernet-edge listen` when its microphone goes away, comes back, or delivers wrong samples.

PortAudio and ALSA are real. A PulseAudio null sink is a microphone that delivers in real time;
killing its daemon simulates unplugging, and stopping it a device that hangs.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pytest
from sound_server import PATIENCE_S, SoundServer, needs_sound_server
from support import Run

pytestmark = needs_sound_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SoundServer]:
    running = SoundServer(tmp_path)
    yield running
    running.kill()


class Listening:
    """A running `sernet-edge listen --json`, and its output."""

    def __init__(self, environment: dict[str, str], prelude: str = "", *options: str) -> None:
        arguments = ["listen", "--json", *options]
        code = f"{prelude}\nfrom sernet_edge.cli import main\nmain({arguments!r})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        assert self._process.stdout
        threading.Thread(target=self._read, args=[self._process.stdout], daemon=True).start()

    def _read(self, file: IO[str]) -> None:
        for line in file:
            self._lines.put(line)

    def next_record(self) -> dict[str, Any]:
        """The next record of any type."""
        record: dict[str, Any] = json.loads(self._lines.get(timeout=PATIENCE_S))
        return record

    def next_of(self, kind: str, code: str | None = None) -> dict[str, Any]:
        """The next record of a type and code; others are skipped."""
        until = time.monotonic() + PATIENCE_S
        while True:
            line = self._lines.get(timeout=max(0.1, until - time.monotonic()))
            record: dict[str, Any] = json.loads(line)
            if record["type"] == kind and code in (None, record.get("code")):
                return record

    def stop_for(self, seconds: float) -> None:
        """Stop the process, as Ctrl-Z does, and continue it."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)
        self.ended()

    def ended(self) -> None:
        """Wait for an end without an error."""
        _, complaints = self._process.communicate(timeout=PATIENCE_S)
        assert self._process.returncode == 0, complaints
        assert "Traceback" not in complaints


@pytest.fixture
def listen() -> Iterator[Callable[..., Listening]]:
    """Start to listen; takes what `Listening` takes."""
    started: list[Listening] = []

    def start(*arguments: Any) -> Listening:
        started.append(Listening(*arguments))
        return started[-1]

    yield start
    for listening in started:
        listening.kill()


@pytest.mark.parametrize(
    ("away", "back", "why"),
    [
        (SoundServer.kill, SoundServer.start, "has gone"),
        (SoundServer.unload, SoundServer.load, "has gone"),
        (SoundServer.stop, SoundServer.go_on, "stopped delivering"),
    ],
    ids=["the sound server restarts", "the device is unplugged", "the device hangs"],
)
def test_a_lost_device_is_reported_and_recorded_again_when_it_is_back(
    away: Any, back: Any, why: str, server: SoundServer, listen: Callable[..., Listening]
) -> None:
    listening = listen(server.environment, "", "--hop", "0.1")
    before = listening.next_of("result")
    away(server)
    lost = listening.next_of("notice", "device-lost")
    assert lost["level"] == "warning" and f"'default' {why}" in lost["text"]
    back(server)
    found = listening.next_of("notice", "device-back")
    assert found["level"] == "info" and "'default' is back after" in found["text"]
    gap_s = found["time_s"] - lost["time_s"]
    assert f"back after {gap_s:.1f} s" in found["text"]
    after = listening.next_of("result")
    # The window contains only audio from after the gap.
    assert after["time_s"] >= found["time_s"] + before["time_s"] - 0.2
    listening.end()


@pytest.mark.parametrize("seconds", [3, 10])
def test_audio_recorded_while_the_program_is_stopped_is_dropped_and_times_are_right(
    seconds: int, server: SoundServer, listen: Callable[..., Listening]
) -> None:
    listening = listen(server.environment, "", "--hop", "0.1", "--gate", "off")
    before = listening.next_of("result")
    for _ in range(5):
        before = listening.next_of("result")
    listening.stop_for(seconds)
    went_on = datetime.now(UTC)
    # Results that were being computed come first; then this notice, and none about the microphone.
    notice = listening.next_of("notice")
    assert (notice["code"], notice["level"]) == ("suspended", "warning")
    assert f"stood still for {seconds}." in notice["text"]
    after = listening.next_of("result")
    # The window is from after the stop, and comes at most two seconds late.
    late_s = (datetime.fromisoformat(after["utc"]) - went_on).total_seconds()
    assert 2.9 < late_s < 5.5
    # The stream's time advances like the clock.
    passed_s = datetime.fromisoformat(after["utc"]) - datetime.fromisoformat(before["utc"])
    assert after["time_s"] - before["time_s"] == pytest.approx(passed_s.total_seconds(), abs=0.7)
    assert (after["overflows"], after["skipped"]) == (before["overflows"], before["skipped"])
    times = [listening.next_of("result") for _ in range(10)]
    spread = datetime.fromisoformat(times[-1]["utc"]) - datetime.fromisoformat(times[0]["utc"])
    assert spread.total_seconds() == pytest.approx(9 * 0.096, abs=0.3)
    listening.end()


def test_the_watchdog_gets_its_signal_while_a_device_is_lost(
    server: SoundServer, listen: Callable[..., Listening], tmp_path: Path
) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(PATIENCE_S)
    listening = listen(
        server.environment | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
    )
    assert manager.recv(4096) == b"READY=1\nSTATUS=listening to default"
    server.kill()
    while (told := manager.recv(4096)) == b"WATCHDOG=1":
        pass
    assert told.startswith(b"STATUS=the microphone 'default' has gone")
    assert [manager.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    listening.end()
    manager.close()


def test_a_signal_ends_the_wait_for_a_lost_device(
    server: SoundServer, listen: Callable[..., Listening]
) -> None:
    listening = listen(server.environment)
    listening.next_of("result")
    server.kill()
    listening.next_of("notice", "device-lost")
    listening.end(signal.SIGINT)


def test_a_signal_during_the_search_for_devices_ends_listening_without_an_error(
    server: SoundServer, listen: Callable[..., Listening]
) -> None:
    # sounddevice counts PortAudio's starts, and checks PortAudio's answer before it counts.
    amid = """
import os, signal, sounddevice
check = sounddevice._check
def checked(answer, text=""):
    if "terminating" in text and sounddevice._check is checked:
        sounddevice._check = check
        os.kill(os.getpid(), signal.SIGINT)
    return check(answer, text)
sounddevice._check = checked"""
    listening = listen(server.environment, amid)
    listening.next_of("result")
    server.kill()
    listening.next_of("notice", "device-lost")
    listening.ended()


def test_digital_silence_is_reported(server: SoundServer, listen: Callable[..., Listening]) -> None:
    # A null sink that nobody plays to delivers digital silence.
    shorter = "import sernet_edge.runtime.stream as stream; stream._LASTING_S = 1"
    listening = listen(server.environment, shorter)
    assert "digital silence for 1 s" in listening.next_of("notice")["text"]
    # It is reported once: the next records are results.
    assert [listening.next_record()["type"] for _ in range(4)] == ["result"] * 4
    listening.end()


def test_a_device_with_a_wrong_rate_is_reported(
    tmp_path: Path, listen: Callable[..., Listening]
) -> None:
    # ALSA's `file` plugin delivers as fast as it is read, whatever rate it claims.
    (tmp_path / "asound.conf").write_text(
        "</usr/share/alsa/alsa.conf>\n"
        "pcm.tape { type file; slave.pcm null; file /dev/null; infile /dev/urandom; format raw }\n"
        "pcm.!default { type plug; slave.pcm tape }\n"
    )
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")}
    shorter = "import sernet_edge.runtime.audio.device_checks as checks; checks.RATE_PERIOD_S = 1"
    listening = listen(environment, shorter)
    notice = listening.next_of("notice", "device-rate")
    assert "says 16000 Hz and gives" in notice["text"]
    listening.end()


def test_a_device_that_cannot_be_opened_is_named(server: SoundServer, sernet_edge: Run) -> None:
    server.unload()
    result = sernet_edge("listen", env=server.environment)
    assert result.returncode == 1
    assert "cannot open the microphone 'default': " in result.stderr.splitlines()[-1]


def test_the_list_shows_which_devices_work(server: SoundServer, sernet_edge: Run) -> None:
    def listed() -> dict[str, Any]:
        result = sernet_edge("listen", "--list-devices", "--json", env=server.environment)
        devices = map(json.loads, result.stdout.splitlines())
        return next(device for device in devices if device["name"] == "default")

    device = listed()
    assert device["works"] and device["problem"] is None and device["is_default"]
    assert device["used_hz"] == 16_000 and {16_000, 48_000} <= set(device["rates_hz"])
    assert device["host_api"] == "ALSA" and device["channels"] >= 1
    server.unload()
    device = listed()
    assert not device["works"] and "'default'" in device["problem"]


def test_the_doctor_records_from_the_microphone(server: SoundServer, sernet_edge: Run) -> None:
    def microphone() -> tuple[int, dict[str, str]]:
        result = sernet_edge("doctor", "--json", env=server.environment)
        found = map(json.loads, result.stdout.splitlines())
        return result.returncode, next(item for item in found if item["check"] == "microphone")

    code, finding = microphone()
    # A null sink that nobody plays to.
    assert code == 0 and finding["state"] == "note"
    assert finding["text"] == "default, 16000 Hz, 1 ch: gives digital silence"
    server.unload()
    code, finding = microphone()
    assert code == 1 and finding["state"] == "fail"
    assert "cannot open the microphone 'default'" in finding["text"]


def test_a_clock_that_is_set_changes_nothing(
    server: SoundServer, listen: Callable[..., Listening]
) -> None:
    # Three years ahead and back, several times a second.
    jumping = (
        "import time; real = time.time\n"
        "time.time = lambda: real() + 1e8 * (int(time.monotonic() * 5) % 3 - 1)"
    )
    listening = listen(server.environment, jumping, "--hop", "0.5", "--gate", "off")
    times = [listening.next_of("result")["time_s"] for _ in range(4)]
    assert [round(b - a, 3) for a, b in itertools.pairwise(times)] == [0.496] * 3
    listening.end()
