"""Takes the pictures of the live view and the web page for the documentation.

It needs a browser (Debian's chromium and chromium-driver) and, for the page, EMO-DB in the folder
that SERNET_EMODB names: the page is shown after five minutes of EMO-DB's recordings, at the speed
of speech.
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import html
import os
import pty
import random
import shutil
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyte
from numpy.typing import NDArray
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from sernet_edge.runtime.audio.recordings import read_recording

_ROOT = Path(__file__).parents[1]
_SAMPLE = "docs/demo/two_moods.wav"
_RATE_HZ = 16_000
_LISTEN = (sys.executable, "-m", "sernet_edge", "listen")

_COLUMNS, _LINES = 80, 24
_BACKGROUND, _TEXT = "#15181f", "#e6e9f0"
_COLOURS = {
    "black": "#15181f", "red": "#e0564f", "green": "#3fb27f", "brown": "#d9a93a",
    "blue": "#5b8def", "magenta": "#b07be0", "cyan": "#3fb8c5", "white": "#d5d9e2",
    "brightred": "#ff6b63", "brightgreen": "#4fd18f", "brightbrown": "#f2c14e",
    "brightyellow": "#f2c14e", "brightblue": "#6ea8ff", "brightmagenta": "#c695ff",
    "brightcyan": "#5ad6e0", "brightblack": "#7d8697",
}  # fmt: skip


def main() -> None:
    """Take one picture or both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=_ROOT / "docs" / "pictures")
    parser.add_argument("--only", choices=["listen", "web"])
    arguments = parser.parse_args()
    if arguments.only != "web":
        _take_terminal(arguments.out / "listen.png")
    if arguments.only != "listen":
        emodb = os.environ.get("SERNET_EMODB")
        if not emodb:
            parser.error("SERNET_EMODB must name the folder of EMO-DB")
        _take_page(arguments.out / "web.png", Path(emodb))


def _take_terminal(path: Path) -> None:
    """Draw the terminal after `listen` with the demo's sample."""
    screen = pyte.Screen(_COLUMNS, _LINES)
    stream = pyte.ByteStream(screen)
    stream.feed(f"$ sernet-edge listen --input {_SAMPLE}\r\n".encode())
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
    process = subprocess.Popen(
        [*_LISTEN, "--input", _SAMPLE], cwd=_ROOT, stdout=its, stderr=its, stdin=its
    )
    os.close(its)
    while True:
        try:
            data = os.read(ours, 65_536)
        except OSError:  # the program has closed the other end
            break
        stream.feed(data.replace(b"\x1b[2m", b"\x1b[90m"))  # pyte does not support dim text
    os.close(ours)
    if process.wait() != 0:
        raise SystemExit("listen failed")
    page = (
        f'<body style="margin:0;background:{_BACKGROUND}"><pre style="margin:0;padding:24px 28px;'
        f"width:max-content;color:{_TEXT};font:16px/1.25 'DejaVu Sans Mono',monospace\">"
        + "\n".join(_row(screen, line) for line in range(_LINES))
        + "</pre>"
    )
    with _browser(900, 600) as browser:
        browser.get(
            "data:text/html;charset=utf-8;base64," + base64.b64encode(page.encode()).decode()
        )
        size = browser.execute_script(
            "const box = document.querySelector('pre').getBoundingClientRect();"
            "return [box.width, box.height];"
        )
        _save(browser, path, *size)


def _row(screen: pyte.Screen, line: int) -> str:
    """Return a line of the terminal as HTML."""
    text = ""
    for column in range(screen.columns):
        cell = screen.buffer[line][column]
        style = f"color:{_COLOURS.get(cell.fg, _TEXT)}"
        style += ";font-weight:bold" if cell.bold else ""
        text += f'<span style="{style}">{html.escape(cell.data)}</span>'
    return text


def _take_page(path: Path, emodb: Path) -> None:
    """Take a picture of the page after five minutes of speech."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    process = subprocess.Popen(
        [*_LISTEN, "--input", "-", "--gate", "on", "--quiet", "--web", str(port)],
        stdin=subprocess.PIPE,
    )
    assert process.stdin
    speech = _conversation(emodb, seconds=330)
    speaking = threading.Thread(target=_speak, args=(speech, process.stdin), daemon=True)
    speaking.start()
    with _browser(1280, 800) as browser:
        time.sleep(5)
        browser.get(f"http://127.0.0.1:{port}/")
        time.sleep(len(speech) / _RATE_HZ - 10)
        height = browser.execute_script("return document.documentElement.scrollHeight")
        _save(browser, path, 1280, height)
    process.terminate()
    process.wait()


def _conversation(emodb: Path, seconds: int) -> NDArray[np.int16]:
    """Return recordings in a row with pauses, a few of one speaker and emotion at a time."""
    chance = random.Random(4)
    by_mood: dict[tuple[str, str], list[Path]] = {}
    for file in sorted(emodb.rglob("*.wav")):
        # EMO-DB's names: two digits for the speaker, three for the text, a letter for the emotion.
        by_mood.setdefault((file.name[:2], file.name[5]), []).append(file)
    noise = np.random.default_rng(4)
    parts: list[NDArray[np.int16]] = []
    while sum(map(len, parts)) < seconds * _RATE_HZ:
        files = by_mood[chance.choice(sorted(by_mood))]
        for file in chance.sample(files, min(len(files), chance.choice([2, 3, 4]))):
            parts.append(read_recording(file, _RATE_HZ))
        pause = round(chance.choice([1.5, 3.0, 6.0]) * _RATE_HZ)
        parts.append(noise.normal(0, 6, pause).astype(np.int16))
    return np.concatenate(parts)[: seconds * _RATE_HZ]


def _speak(speech: NDArray[np.int16], pipe: IO[bytes]) -> None:
    """Write samples at the speed of speech, and keep the pipe open."""
    began_s = time.monotonic()
    block = _RATE_HZ // 10
    for start in range(0, len(speech), block):
        time.sleep(max(0.0, began_s + start / _RATE_HZ - time.monotonic()))
        pipe.write(speech[start : start + block].tobytes())
        pipe.flush()


@contextmanager
def _browser(width: int, height: int) -> Iterator[webdriver.Chrome]:
    """A headless Chromium of this size, with doubled resolution."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        raise SystemExit("the Debian packages chromium and chromium-driver are needed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--no-first-run", "--hide-scrollbars",
    ):  # fmt: skip
        options.add_argument(argument)
    browser = webdriver.Chrome(options, Service(driver))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1.5, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        theme = {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", theme)
        yield browser
    finally:
        browser.quit()


def _save(browser: webdriver.Chrome, path: Path, width: float, height: float) -> None:
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png", "clip": clip}
    )
    path.write_bytes(base64.b64decode(shot["data"]))
    print(path)


if __name__ == "__main__":
    main()
