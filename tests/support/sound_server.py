"""A separate PulseAudio daemon for one test: a microphone and a loudspeaker in real time."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

_INSTALLED = (
    ctypes.util.find_library("portaudio")
    and shutil.which("pulseaudio")
    and shutil.which("pactl")
    and list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
)
needs_sound_server = [
    pytest.mark.devices,
    pytest.mark.programs,
    pytest.mark.skipif(
        not _INSTALLED,
        reason="PortAudio, PulseAudio or ALSA's plugin for it is not installed "
        "(apt install libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins)",
    ),
]

PATIENCE_S = 60


class SoundServer:
    """A separate PulseAudio daemon. Its only microphone is the monitor of a null sink."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "socket"
        (folder / "asound.conf").write_text(
            "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\n"
        )
        (folder / "client.conf").write_text("autospawn = no\n")
        self.environment = {
            **os.environ,
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
            "PULSE_CLIENTCONFIG": str(folder / "client.conf"),
            "PULSE_SERVER": f"unix:{self._socket}",
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
        }
        self.start()

    def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"),
                *("-L", f"module-native-protocol-unix socket={self._socket} auth-anonymous=1"),
                *("-L", "module-null-sink sink_name=mic"),
            ],
            env=self.environment,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE_S
        while not self._socket.exists():
            assert time.monotonic() < until
            time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def unload(self) -> None:
        self._pactl("unload-module", "module-null-sink")

    def load(self) -> None:
        self._pactl("load-module", "module-null-sink", "sink_name=mic")

    def _pactl(self, *arguments: str) -> None:
        subprocess.run(["pactl", *arguments], env=self.environment, check=True, timeout=PATIENCE_S)
