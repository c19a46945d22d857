"""`sernet-edge teach --guided` in a terminal, with a microphone and a loudspeaker in real time."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sound_server import PATIENCE_S, SoundServer, needs_sound_server

from sernet_edge.runtime.audio.recordings import read_recording

pytestmark = needs_sound_server

SPEECH = Path(__file__).parents[2] / "docs/demo/two_moods.wav"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SoundServer]:
    running = SoundServer(tmp_path)
    yield running
    running.kill()


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, environment: dict[str, str], *arguments: object) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "-m", "sernet_edge", *map(str, arguments)]
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)
        self.text = ""
        self._seen = 0

    def wait_for(self, text: str) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while text not in self.text[self._seen :]:
            assert time.monotonic() < until_s, self.text
            self._read()
        self._seen = self.text.index(text, self._seen) + len(text)

    def type(self, text: str) -> None:
        os.write(self._master, f"{text}\n".encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        while self._read():
            pass
        return self._process.wait(PATIENCE_S)

    def _read(self) -> bool:
        if select.select([self._master], [], [], 0.2)[0]:
            try:
                part = os.read(self._master, 4096)
            except OSError:  # Linux's error when the command has ended
                return False
            self.text += part.decode()
            return bool(part)
        return self._process.poll() is None


def test_a_clip_is_spoken_heard_and_kept_and_the_next_session_goes_on(
    server: SoundServer, shipped_model: Path, tmp_path: Path
) -> None:
    clips = tmp_path / "clips"
    terminal = Terminal(server.environment, "teach", "--guided", clips, "--model", shipped_model)
    terminal.wait_for("clip 1 of 32: anger")
    terminal.wait_for("[Enter: record")
    terminal.type("")
    terminal.wait_for("stop recording")
    speaks = subprocess.Popen(["paplay", "--device=mic", SPEECH], env=server.environment)
    terminal.wait_for("|##########")  # the level of speech
    time.sleep(2)
    terminal.type("")
    terminal.wait_for("stop playing")
    terminal.wait_for("[Enter: keep it, r: record again, p: play, q: end]")
    terminal.type("")
    terminal.wait_for("clip 2 of 32: boredom")
    terminal.type("q")
    assert terminal.end() == 0
    assert "anger 1, boredom 0" in terminal.text and "goes on where you were" in terminal.text
    assert f"sernet-edge teach {clips} --out mine.tflite" in terminal.text.replace("\r\n", " ")
    speaks.wait(PATIENCE_S)
    samples = read_recording(clips / "anger/guided-01.wav", 16_000)
    assert 1.0 < len(samples) / 16_000 < 10 and samples.std() > 300

    again = Terminal(server.environment, "teach", "--guided", clips, "--model", shipped_model)
    again.wait_for("clip 2 of 32: boredom")
    again.wait_for("[Enter: record")
    again.interrupt()
    assert again.end() == 130
    assert re.search(r"the clips stay in .*; the same command goes on", again.text)
    assert list(clips.rglob("*.wav")) == [clips / "anger/guided-01.wav"]
