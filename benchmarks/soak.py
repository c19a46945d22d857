"""Hours of audio through the real `sernet-edge listen`, faster than they last.

The command runs in a process of its own and reads raw samples from a pipe. Every result is
checked against where it must lie, so that none is lost or doubled, and the process's resident
memory is read from /proc. Exits with 1 when a result is missing or memory has grown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import threading
import time
import wave
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge.runtime import interpreter
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.models import DEFAULT_MODEL

_SPEECH = Path(__file__).parents[1] / "docs" / "demo" / "two_moods.wav"

# Memory at the end is compared with memory after so much audio.
_SETTLED_S = 300.0
_MOST_GROWTH_MB = 2.0
# How often memory is read, in audio.
_READ_EVERY_S = 60.0


def main() -> None:
    """Run the soak and print its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=10.0, help="hours of audio [10]")
    parser.add_argument("--hop", type=float, help="seconds between results [the model's]")
    parser.add_argument("--gate", choices=["on", "off"], default="off", help="[off]")
    parser.add_argument("--out", type=Path, help="write the figures there, as JSON")
    arguments = parser.parse_args()
    figures = soak(arguments.hours, arguments.hop, arguments.gate)
    text = json.dumps(figures, indent=1) + "\n"
    print(text, end="")
    if arguments.out is not None:
        arguments.out.write_text(text)
    sys.exit(0 if figures["passed"] else 1)


def soak(hours: float, hop_s: float | None, gate: str) -> dict[str, Any]:
    """Return the figures of `hours` of audio; those of memory in MB of 10^6 bytes."""
    contract = interpreter.load(DEFAULT_MODEL).contract
    hop_frames = contract.hop_frames
    options = ["--input", "-", "--json", "--no-timing", "--gate", gate]
    if hop_s is not None:
        hop_frames = max(1, round(hop_s / contract.frame_step_s))
        options += ["--hop", str(hop_s)]
    samples = round(hours * 3600 * contract.sample_rate_hz)
    process = subprocess.Popen(
        [sys.executable, "-m", "sernet_edge", "listen", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    reader = _Reader(process, contract, hop_frames, samples)
    began = time.monotonic()
    reader.start()
    for data in _audio(samples):
        process.stdin.write(data)
        if reader.complaint:
            break
    # The pipe stays open until the last result is here, so that the process is still listening.
    process.stdin.flush()
    reader.all_here.wait(timeout=600)
    took_s = time.monotonic() - began
    process.stdin.close()
    reader.join()
    code = process.wait()
    growth_mb = reader.end_mb - reader.settled_mb
    return {
        "passed": code == 0
        and not reader.complaint
        and reader.count == reader.expected
        and growth_mb <= _MOST_GROWTH_MB,
        "complaint": reader.complaint,
        "hours": hours,
        "hop_s": round(hop_frames * contract.frame_step_s, 3),
        "gate": gate,
        "interpreter": interpreter.interpreter_module().__name__.split(".")[0],
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "took_s": round(took_s),
        "times_real_time": round(hours * 3600 / took_s),
        "results": reader.count,
        "results_expected": reader.expected,
        "other_records": dict(reader.others),
        "resident_after_5_minutes_mb": reader.settled_mb,
        "resident_at_the_end_mb": reader.end_mb,
        "resident_at_most_mb": max(reader.readings_mb, default=0.0),
        "resident_each_hour_mb": reader.readings_mb[:: round(3600 / _READ_EVERY_S)],
        "growth_mb": round(growth_mb, 3),
    }


def _audio(samples: int) -> Iterator[bytes]:
    """Yield so many samples of speech, now loud, now soft, with pauses, in pieces of any size."""
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
            # Odd sizes too: a piece may end in the middle of a sample.
            piece = data[: int(rng.integers(1, 40_000))]
            data = data[len(piece) :]
            yield bytes(piece)


class _Reader(threading.Thread):
    """Reads the records, checks each result's place, and reads memory as they come."""

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
                if not self.settled_mb and record["time_s"] >= _SETTLED_S:
                    self.settled_mb = self.readings_mb[-1]
            if self.count == self.expected:
                self.end_mb = self._resident_mb()
                self.readings_mb.append(self.end_mb)
                self.all_here.set()
        self.all_here.set()

    def _resident_mb(self) -> float:
        """Return the process's resident memory, as the kernel counts it."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 3)
        return 0.0


if __name__ == "__main__":
    main()
