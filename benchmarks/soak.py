"""Runs hours of audio through the real `sernet-edge listen`, faster than real time.

The command runs in a process of its own with the speech gate, recordings, MQTT and the web page,
and reads raw samples from a pipe. A broker receives what it publishes; readers follow the page,
come and go, and ask for its state. The script checks the time of every result, so that none is lost
or repeated, and reads the process's resident memory from /proc. It exits with 1 if a result is
missing or memory has grown.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge.runtime import interpreter
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.models import DEFAULT_MODEL

_SPEECH = Path(__file__).parents[1] / "docs" / "demo" / "two_moods.wav"

# Memory at the end is compared with memory after this much audio.
SETTLED_S = 600.0
MOST_GROWTH_MB = 2.0
# Memory is read after each such stretch of audio.
_READ_EVERY_S = 60.0
# How long a reader of the web page stays before the next one comes.
_VISIT_S = 5.0


def main() -> None:
    """Run the soak and print its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=10.0, help="hours of audio [10]")
    parser.add_argument("--hop", type=float, help="seconds between results [the model's]")
    parser.add_argument("--alone", action="store_true", help="without gate and outputs")
    parser.add_argument("--paced", action="store_true", help="audio comes in real time")
    parser.add_argument("--out", type=Path, help="file for the figures, as JSON")
    arguments = parser.parse_args()
    figures = soak(arguments.hours, arguments.hop, arguments.alone, arguments.paced)
    text = json.dumps(figures, indent=1) + "\n"
    print(text, end="")
    if arguments.out is not None:
        arguments.out.write_text(text)
    sys.exit(0 if figures["passed"] else 1)


def soak(hours: float, hop_s: float | None, alone: bool, paced: bool) -> dict[str, Any]:
    """Return the figures of `hours` of audio; memory is in MB of 10^6 bytes."""
    contract = interpreter.load(DEFAULT_MODEL).contract
    hop_frames = contract.hop_frames
    options = ["--input", "-", "--json", "--no-timing", "--gate", "off" if alone else "on"]
    if hop_s is not None:
        hop_frames = max(1, round(hop_s / contract.frame_step_s))
        options += ["--hop", str(hop_s)]
    samples = round(hours * 3600 * contract.sample_rate_hz)
    with ExitStack() as stack:
        around = None if alone else _Around(Path(stack.enter_context(_folder())))
        if around is not None:
            stack.callback(around.close)
            options += around.options
        process = subprocess.Popen(
            [sys.executable, "-m", "sernet_edge", "listen", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        reader = _Reader(process, contract, hop_frames, samples)
        if around is not None:
            around.start()
        took_s = _feed(process, reader, samples, contract.sample_rate_hz if paced else None)
        code = process.wait()
        counts = around.counts() if around is not None else {}
    growth_mb = reader.end_mb - reader.settled_mb
    return {
        "passed": code == 0
        and not reader.complaint
        and reader.count == reader.expected
        and all(counts.values())
        and growth_mb <= MOST_GROWTH_MB,
        "complaint": reader.complaint,
        "hours": hours,
        "paced": paced,
        "hop_s": round(hop_frames * contract.frame_step_s, 3),
        "outputs": [] if alone else ["gate", "record", "mqtt", "web"],
        "interpreter": interpreter.interpreter_module().__name__.split(".")[0],
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "took_s": round(took_s),
        "times_real_time": round(hours * 3600 / took_s),
        "results": reader.count,
        "results_expected": reader.expected,
        "other_records": dict(reader.others),
        "counts": counts,
        "resident_after_10_minutes_mb": reader.settled_mb,
        "resident_at_the_end_mb": reader.end_mb,
        "resident_at_most_mb": max(reader.readings_mb, default=0.0),
        "resident_each_hour_mb": reader.readings_mb[:: round(3600 / _READ_EVERY_S)],
        "growth_mb": round(growth_mb, 3),
    }


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="soak-")


def _feed(
    process: subprocess.Popen[bytes], reader: _Reader, samples: int, paced_hz: int | None
) -> float:
    """Write audio to the process, and wait for its last result; return the seconds taken."""
    assert process.stdin is not None
    began = time.monotonic()
    reader.start()
    written = 0
    for data in _audio(samples):
        process.stdin.write(data)
        written += len(data)
        if paced_hz:
            process.stdin.flush()
            time.sleep(max(0.0, began + written / (2 * paced_hz) - time.monotonic()))
        if reader.complaint or process.poll() is not None:
            break
    # The pipe stays open until the last result, so that the process goes on listening.
    process.stdin.flush()
    reader.all_here.wait(timeout=600)
    took_s = time.monotonic() - began
    process.stdin.close()
    reader.join()
    return took_s


def _audio(samples: int) -> Iterator[bytes]:
    """Yield speech, loud and soft, with pauses, in pieces of any size."""
    with wave.open(str(_SPEECH)) as file:
        speech = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)
    rng = np.random.default_rng(1)
    variants = []
    for gain in (0.02, 0.1, 0.3, 1.0, 3.0):
        pause = rng.normal(0, 20, rng.integers(16_000, 160_000))
        sound = np.concatenate([speech * gain, pause])
        variants.append(np.clip(sound, -32768, 32767).astype("<i2").tobytes())
    left = 2 * samples
    while left:
        data = memoryview(variants[rng.integers(len(variants))])[:left]
        left -= len(data)
        while data:
            # The size may be odd: a piece may end in the middle of a sample.
            piece = data[: int(rng.integers(1, 40_000))]
            data = data[len(piece) :]
            yield bytes(piece)


class _Around:
    """What surrounds a listener in use: a folder, a broker, and readers of the web page."""

    def __init__(self, folder: Path) -> None:
        self._kept = folder / "kept"
        self._web_port, mqtt_port = _free_port(), _free_port()
        config = folder / "mosquitto.conf"
        config.write_text(f"listener {mqtt_port} 127.0.0.1\nallow_anonymous true\n")
        # Debian installs it in a folder that is only in root's path.
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            sys.exit("the Debian package mosquitto is needed, or --alone")
        log = subprocess.DEVNULL
        self._broker = subprocess.Popen([program, "-c", config], stdout=log, stderr=log)
        self.options = [
            # The sample has synthetic voices: every leading label counts as an event.
            *("--unsure-below", "0", "--evidence", "0"),
            *("--record", str(self._kept), "--record-limit", "20"),
            *("--mqtt", f"mqtt://127.0.0.1:{mqtt_port}/soak"),
            *("--web", f"127.0.0.1:{self._web_port}"),
        ]
        self._answers: Counter[str] = Counter()
        self._ends = threading.Event()
        self._readers = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._ask, daemon=True),
        ]

    def start(self) -> None:
        """Start reading the page, once the listener serves it."""
        for reader in self._readers:
            reader.start()

    def counts(self) -> dict[str, int]:
        """Return the numbers of messages and files; none may be 0."""
        paths = ("/events", "/health", "/state", "/metrics", "/recordings")
        recordings = {"recordings": len(list(self._kept.glob("*.wav")))}
        return {path: self._answers[path] for path in paths} | recordings

    def close(self) -> None:
        """Stop the readers and the broker."""
        self._ends.set()
        for reader in self._readers:
            reader.join(_VISIT_S + 30)
        self._broker.terminate()
        self._broker.wait()

    def _read_events(self) -> None:
        """Follow the page, with a new connection every few seconds."""
        while not self._ends.wait(0.1):
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self._web_port, timeout=30)
                connection.request("GET", "/events")
                response = connection.getresponse()
                until_s = time.monotonic() + _VISIT_S
                while response.readline() and time.monotonic() < until_s:
                    self._answers["/events"] += 1
                connection.close()

    def _ask(self) -> None:
        """Request the page's state again and again."""
        while not self._ends.wait(0.2):
            for path in ("/health", "/state", "/metrics", "/recordings"):
                with suppress(OSError, http.client.HTTPException):
                    connection = http.client.HTTPConnection("127.0.0.1", self._web_port, timeout=30)
                    connection.request("GET", path)
                    response = connection.getresponse()
                    response.read()
                    self._answers[path] += response.status == 200
                    connection.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


class _Reader(threading.Thread):
    """Reads the records, checks each result's time, and reads memory meanwhile."""

    def __init__(
        self, process: subprocess.Popen[bytes], contract: Contract, hop_frames: int, samples: int
    ) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._contract = contract
        self._hop_samples = hop_frames * contract.frame_step_samples
        self.expected = (samples - contract.window_samples) // self._hop_samples + 1
        self.count = 0
        self.others: Counter[str] = Counter()
        self.complaint = ""
        self.settled_mb = self.end_mb = 0.0
        self.readings_mb: list[float] = []
        self.all_here = threading.Event()

    def run(self) -> None:
        """Read until the process ends."""
        assert self._process.stdout is not None
        read_at_s = 0.0
        for line in self._process.stdout:
            record = json.loads(line)
            if record["type"] != "result":
                self.others[record.get("code", record["type"])] += 1
                continue
            end_samples = self._contract.window_samples + self.count * self._hop_samples
            expected_s = round(end_samples / self._contract.sample_rate_hz, 3)
            if record["time_s"] != expected_s or record["skipped"] or record["overflows"]:
                self.complaint = self.complaint or f"expected {expected_s} s, got {line.decode()}"
            self.count += 1
            if record["time_s"] >= read_at_s:
                read_at_s += _READ_EVERY_S
                self.readings_mb.append(self._resident_mb())
                if not self.settled_mb and record["time_s"] >= SETTLED_S:
                    self.settled_mb = self.readings_mb[-1]
            if self.count == self.expected:
                self.end_mb = self._resident_mb()
                self.readings_mb.append(self.end_mb)
                self.all_here.set()
        self.end_mb = self.end_mb or max(self.readings_mb[-1:], default=0.0)
        self.all_here.set()

    def _resident_mb(self) -> float:
        """Return the process's resident memory, as the kernel counts it."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 3)
        return 0.0


if __name__ == "__main__":
    main()
