"""Measures the cost of `sernet-edge listen` on this machine: time, memory, start and size.

Times that are compared are processor times of alternating runs; each ratio is the median over the
runs. `--out` writes the page in docs.

The hop is measured with the default model, whose windows share rows, and with `emodb`, which
computes each window whole. The other figures are of the default model.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import json
import os
import platform
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge.runtime import FeatureStream, FrontEnd, Listener, interpreter
from sernet_edge.runtime.gate import SpeechGate, is_available
from sernet_edge.runtime.models import BOX, DEFAULT_MODEL
from sernet_edge.runtime.outputs.json_lines import JsonLines
from sernet_edge.runtime.outputs.lines import Standard

_ROOT = Path(__file__).parents[1]
_INTERPRETERS = interpreter.INTERPRETERS

_MODELS = (DEFAULT_MODEL.stem, "emodb")

# Length of a microphone's blocks.
_BLOCK_SAMPLES = 800


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--out", type=Path, help="file for the figures, as Markdown")
    parser.add_argument(
        "--install",
        nargs="*",
        default=[],
        metavar="PYTHON",
        help="measure a base install with each of these Pythons (needs a package registry)",
    )
    parser.add_argument("--turns", type=int, default=30, help="turns of each comparison [30]")
    parser.add_argument("--hop-only", choices=BOX, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.hop_only:
        print(json.dumps(_hop(arguments.hop_only, arguments.turns)))
        return
    figures = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {_processor()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "front_end": _front_end(arguments.turns),
        "hop": {
            f"{model}, {name}": _in_process_of(name, model, arguments.turns)
            for model in _MODELS
            for name in _INTERPRETERS
        },
        "start_s": {name: _start_s(name) for name in _INTERPRETERS},
        "resident_mb": {
            f"{name}, gate {gate}": _resident_mb(name, gate)
            for name in _INTERPRETERS
            for gate in ("off", "on")
        },
        "install_mb": dict(map(_install_mb, arguments.install)),
    }
    print(json.dumps(figures, indent=1) if arguments.json else _text(figures))
    if arguments.out is not None:
        arguments.out.write_text(_page(figures))


def _front_end(turns: int) -> dict[str, float]:
    """Compare the features of a hop, computed in a stream, with those of a whole window."""
    from sernet_edge.train.frontend_check import reference_features

    contract = interpreter.load(DEFAULT_MODEL).contract
    hop_samples = contract.hop_frames * contract.frame_step_samples
    audio = np.random.default_rng(1).normal(0, 1000, contract.window_samples).astype(np.int16)
    front_end = FrontEnd(contract)
    stream = FeatureStream(front_end)
    rows = stream.push(audio)

    def streamed() -> None:
        for start in range(0, hop_samples, _BLOCK_SAMPLES):
            stream.push(audio[start : min(start + _BLOCK_SAMPLES, hop_samples)])
        front_end.window_features(rows)

    hop_ms, window_ms, ratio = _compare(streamed, lambda: _mfcc(audio, contract), turns)
    # Both must compute the same, or the comparison is meaningless.
    expected, _ = reference_features(audio, contract)
    assert np.abs(rows - expected).max() < 1e-3
    return {"hop_ms": hop_ms, "python_speech_features_window_ms": window_ms, "times": ratio}


def _mfcc(audio: Any, contract: Any) -> None:
    """Compute a window's MFCCs with python_speech_features."""
    from python_speech_features import mfcc

    mfcc(
        audio,
        samplerate=contract.sample_rate_hz,
        winlen=contract.frame_length_samples / contract.sample_rate_hz,
        winstep=contract.frame_step_s,
        numcep=contract.mfcc_count,
        nfilt=contract.mel_bands,
        nfft=contract.fft_size,
        lowfreq=contract.mel_low_hz,
        highfreq=contract.mel_high_hz,
        preemph=0,
        ceplifter=0,
        appendEnergy=False,
        winfunc=np.hanning,
    )


def _compare(
    ours: Callable[[], None], theirs: Callable[[], None], turns: int
) -> tuple[float, float, float]:
    """Return the median milliseconds of both functions, and the median ratio of theirs to ours."""
    times = []
    for _ in range(turns + 1):
        began = time.process_time()
        ours()
        between = time.process_time()
        theirs()
        times.append((between - began, time.process_time() - between))
    mine, other = zip(*times[1:], strict=True)  # the first run only warms up
    ratio = statistics.median(b / a for a, b in times[1:])
    return 1000 * statistics.median(mine), 1000 * statistics.median(other), ratio


def _hop(name: str, turns: int) -> dict[str, float]:
    """Split the time of a hop, from a microphone's blocks to a line of JSON.

    The time around the interpreter is everything but its `invoke`: features, gate, quantisation,
    kept rows, smoothing, events, the output.
    """
    invoked_s = 0.0
    # A model whose windows share rows is run in several parts, each with an interpreter of its own.
    known = interpreter.interpreter_module().Interpreter
    invoke = known.invoke

    def timed(self: Any) -> None:
        nonlocal invoked_s
        began = time.process_time()
        invoke(self)
        invoked_s += time.process_time() - began

    known.invoke = timed
    model = interpreter.load(BOX[name])
    contract = model.contract
    rng = np.random.default_rng(1)
    audio = rng.normal(0, 1000, contract.hop_frames * contract.frame_step_samples).astype(np.int16)

    def measured(gate: SpeechGate | None) -> tuple[float, float, float]:
        nonlocal invoked_s
        listener, output = Listener(model, gate=gate), JsonLines(Standard(io.StringIO()))
        listener.push(np.resize(audio, contract.window_samples))
        rounds = []
        for _ in range(turns):
            invoked_s = 0.0
            began = time.process_time()
            for start in range(0, len(audio), _BLOCK_SAMPLES):
                for record in listener.push(audio[start : start + _BLOCK_SAMPLES]):
                    output.write(record)
            rounds.append((time.process_time() - began - invoked_s, invoked_s))
        around, inside = zip(*rounds, strict=True)
        ratio = statistics.median(a / i for a, i in rounds) if all(inside) else 0.0
        return 1000 * statistics.median(around), 1000 * statistics.median(inside), ratio

    around_ms, interpreter_ms, ratio = measured(None)
    figures = {"interpreter_ms": interpreter_ms, "around_ms": around_ms, "share": ratio}
    if is_available(contract):
        # Noise is not speech, so the gate stays closed: this is the cost of silence.
        figures["silence_with_gate_ms"] = measured(SpeechGate(contract))[0]
    return figures


def _in_process_of(name: str, model: str, turns: int) -> dict[str, float]:
    """Return the result of `_hop` for another interpreter, in a process of its own."""
    command = [sys.executable, __file__, "--hop-only", model, "--turns", str(turns)]
    done = subprocess.run(command, env=_environment(name), capture_output=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _environment(name: str) -> dict[str, str]:
    return {**os.environ, "SERNET_EDGE_INTERPRETER": name}


def _listen(name: str, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sernet_edge", "listen", "--input", "-", "--json", *options]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(name),
    )


def _start_s(name: str) -> float:
    """Return the median time from the command's start until it reads audio from its pipe."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        process = _listen(name, "--gate", "off")
        assert process.stdin is not None
        pipe = process.stdin.fileno()
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        os.write(pipe, bytes(4096))
        # The pipe stays full until the command reads.
        select.select([], [pipe], [], 60)
        times.append(time.perf_counter() - began)
        process.terminate()
        process.communicate()
    return statistics.median(times)


def _resident_mb(name: str, gate: str) -> float:
    """Return the resident memory of the command after a minute of noise, in 10^6 bytes."""
    process = _listen(name, "--gate", gate)
    assert process.stdin is not None and process.stdout is not None
    noise = np.random.default_rng(1).normal(0, 1000, 60 * 16_000).astype("<i2").tobytes()
    contract = interpreter.load(DEFAULT_MODEL).contract
    window_bytes = 2 * contract.window_samples
    hop_bytes = 2 * contract.hop_frames * contract.frame_step_samples
    process.stdin.write(noise[:window_bytes])
    process.stdin.flush()
    process.stdout.readline()
    for start in range(window_bytes, len(noise) - hop_bytes, hop_bytes):
        process.stdin.write(noise[start : start + hop_bytes])
        process.stdin.flush()
        while b'"result"' not in process.stdout.readline():
            pass
    status = Path(f"/proc/{process.pid}/status").read_text()
    process.terminate()
    process.communicate()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def _install_mb(python: str) -> tuple[str, float]:
    """Return the size of a base install in an environment without pip, in 10^6 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        source, environment = Path(folder, "source"), Path(folder, "environment")
        source.mkdir()
        archive = subprocess.run(
            ["git", "archive", "HEAD"], cwd=_ROOT, capture_output=True, check=True
        )
        subprocess.run(["tar", "-x"], cwd=source, input=archive.stdout, check=True)
        subprocess.run([python, "-m", "venv", "--without-pip", environment], check=True)
        inside = str(environment / "bin" / "python")
        pip = [sys.executable, "-m", "pip", "--python", inside]
        subprocess.run([*pip, "install", "--quiet", source], check=True)
        code = (
            "import platform, sernet_edge.runtime.interpreter as i;"
            "print(platform.python_version(), i.interpreter_module().__name__.split('.')[0])"
        )
        label = subprocess.run([inside, "-c", code], capture_output=True, text=True, check=True)
        files = [p for p in environment.rglob("*") if p.is_file() and not p.is_symlink()]
        return label.stdout.strip(), sum(p.stat().st_size for p in files) / 1e6


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _rows(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the rows of the table: quantity, figure, target."""
    front = figures["front_end"]
    rows = [
        ("features of a hop, computed as the audio arrives", f"{front['hop_ms']:.2f} ms", ""),
        (
            "features of a whole window by python_speech_features",
            f"{front['python_speech_features_window_ms']:.2f} ms",
            "",
        ),
        ("ratio of window to hop", f"{front['times']:.1f}", "at least 5"),
    ]
    for name, hop in figures["hop"].items():
        aim = "below 25 %" if name == "emodb, tflite_runtime" else ""
        rows += [
            (f"{name}: the interpreter, per hop", f"{hop['interpreter_ms']:.2f} ms", ""),
            (f"{name}: everything else, per hop", f"{hop['around_ms']:.2f} ms", ""),
            (f"{name}: everything else relative to the interpreter", f"{hop['share']:.0%}", aim),
        ]
        if "silence_with_gate_ms" in hop:
            silence = f"{hop['silence_with_gate_ms']:.2f} ms"
            rows.append((f"{name}: a hop of silence with the gate on", silence, ""))
    for name, seconds in figures["start_s"].items():
        rows.append((f"{name}: start to first audio accepted", f"{seconds:.2f} s", "at most 1 s"))
    for name, megabytes in figures["resident_mb"].items():
        rows.append((f"{name}: resident memory", f"{megabytes:.0f} MB", "at most 120 MB"))
    for name, megabytes in figures["install_mb"].items():
        aim = "at most 100 MB" if "tflite_runtime" in name else "at most 150 MB"
        rows.append((f"base install, Python {name}", f"{megabytes:.0f} MB", aim))
    return rows


def _text(figures: dict[str, Any]) -> str:
    lines = [f"{figures['machine']}, Python {figures['python']}, NumPy {figures['numpy']}"]
    lines += [f"{what:66} {figure:>10}  {aim}" for what, figure, aim in _rows(figures)]
    return "\n".join(lines)


def _hops() -> str:
    """Say the lengths of hop and window of each model."""
    said = []
    for name in _MODELS:
        contract = interpreter.load(BOX[name]).contract
        hop_s = contract.hop_frames * contract.frame_step_s
        window_s = contract.window_samples / contract.sample_rate_hz
        shares = ", and windows share rows" if contract.stride_frames else ""
        said.append(f"The hop of `{name}` is {hop_s:g} s, its window {window_s:g} s{shares}.")
    return " ".join(said)


def _page(figures: dict[str, Any]) -> str:
    lines = [
        "# Cost of listening",
        "",
        "Made by `python benchmarks/listen.py`; not edited by hand. Measured on "
        f"{figures['machine']}, with Python {figures['python']} and NumPy {figures['numpy']}, "
        "while other programs ran, too. Times of a hop are processor times, and the two sides of "
        "each ratio ran in turn. The start is measured in real time, so the other programs make it "
        "longer. The audio comes in blocks of 50 ms, like those of a microphone. "
        + _hops()
        + " Both interpreters use one thread and no XNNPACK. "
        '"Everything else" includes the quantisation, the kept rows and the line of JSON. '
        f"Features, start and memory are those of `{DEFAULT_MODEL.stem}`. Memory is resident "
        "memory; a megabyte is 10^6 bytes.",
        "",
        "| what | figure | aim |",
        "|---|---|---|",
        *(f"| {what} | {figure} | {aim} |" for what, figure, aim in _rows(figures)),
        "",
        "The gate is a separate network. With it, silence and noise get no emotion, and the model "
        "does not run while nobody speaks.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
