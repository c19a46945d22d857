"""Latency on this computer: a fresh process for each measurement, in interleaved order."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge.bench.document import Section, not_measured
from sernet_edge.bench.measure.prepared import Prepared
from sernet_edge.firmware_export.measure import cross
from sernet_edge.runtime.errors import ModelError, SernetError

BUDGET_MS = 2000
"""After this long a process measures no further repetition."""

_WARM_UP = 5

# A run whose processes' medians lie further apart than this is called noisy.
_NOISY = 0.10
# Below this share of the processor one thread was waiting for others' programs.
_STARVED = 0.9

# Name -> (package, whether its default delegate, XNNPACK, may run).
_INTERPRETERS = {
    "tflite-runtime": ("tflite_runtime", False),
    "LiteRT": ("ai_edge_litert", False),
    "LiteRT, XNNPACK": ("ai_edge_litert", True),
}
_INSTALL = {
    "tflite_runtime": "install tflite-runtime (Python 3.11): pip install tflite-runtime",
    "ai_edge_litert": "install LiteRT: pip install ai-edge-litert",
}
NATIVE = "native engine, gcc -O3"

_HOST_COMPILER = "gcc"


@dataclass
class LatencyJob:
    """One measurement, and the times of its processes.

    Attributes:
        model: Index of the model that it belongs to.
        runtime: What runs it, for the table.
        threads: How many it may use.
        command: The process, without repetitions and budget.
        hop_s: Seconds of audio between two runs; 0 when it is not known.
        missing: Why it cannot be run; "" when it can.
        is_features: Whether it computes features, not the network.
        wall_ns: Of each repetition, process by process.
        cpu_ns: Of all repetitions of each process together.
        layer_ns: Of each layer, from the last process; the native engine's alone.
    """

    model: int
    runtime: str
    threads: int
    command: Callable[[int, int, int], list[str]]
    hop_s: float
    missing: str = ""
    is_features: bool = False
    wall_ns: list[list[int]] = field(default_factory=list)
    cpu_ns: list[int] = field(default_factory=list)
    layer_ns: list[int] = field(default_factory=list)


def jobs(index: int, model: Prepared, threads: Sequence[int]) -> list[LatencyJob]:
    """Return the measurements of a model.

    Args:
        index: For `LatencyJob.model`.
        model: The model.
        threads: Numbers of threads to try.
    """
    path = model.folder / "model.tflite"
    path.write_bytes(model.file.data)
    hop_s = 0.0
    if contract := model.file.contract:
        hop_s = contract.hop_frames * contract.frame_step_s
    found = []
    for runtime, (package, delegate) in _INTERPRETERS.items():
        missing = "" if importlib.util.find_spec(package) else _INSTALL[package]
        for count in threads:
            job = {"what": package, "model": str(path), "threads": count, "delegate": delegate}
            found.append(LatencyJob(index, runtime, count, _worker(job), hop_s, missing))
    engine, missing = _compiled(lambda: _build_engine(model))
    found.append(LatencyJob(index, NATIVE, 1, engine, hop_s, missing))
    if contract:
        features = _worker({"what": "features", "model": str(path)})
        found.append(LatencyJob(index, "Python (NumPy)", 1, features, hop_s, is_features=True))
        front_end, missing = _compiled(lambda: _build_front_end(model))
        found.append(
            LatencyJob(index, "C, gcc -O3", 1, front_end, hop_s, missing, is_features=True)
        )
    return found


def measure_all(
    found: Sequence[LatencyJob], processes: int, most: int, progress: Callable[[str], None]
) -> None:
    """Run each job's processes, all jobs once, then all once more, each time in another order.

    So what disturbs the computer for a while disturbs none of them in particular.
    """
    runnable, rng = [job for job in found if not job.missing], np.random.default_rng(0)
    for number in range(processes):
        progress(f"latency, {len(runnable)} processes, round {number + 1} of {processes}")
        for index in rng.permutation(len(runnable)):
            _run(runnable[index], most)


def section(found: Sequence[LatencyJob]) -> Section:
    """Return the section "latency" of one model: `runs` of the network, and `features` of a hop."""
    return {
        "runs": [_figures(job) for job in found if not job.is_features],
        "features": [_figures(job) for job in found if job.is_features],
    }


def warnings(found: Sequence[LatencyJob], names: Sequence[str]) -> list[str]:
    """Return the noisy measurements, each kind with its worst case; `names` are the models'."""
    unsteady, starved = [], []
    timed = [job for job in found if job.wall_ns]
    for job in timed:
        figures, who = _figures(job), f"{names[job.model]}, {job.runtime}, {job.threads} thread(s)"
        if figures["between_processes"] > _NOISY:
            unsteady.append((figures["between_processes"], who))
        if job.threads == 1 and figures["cpu_share"] < _STARVED:
            starved.append((figures["cpu_share"], who))
    said = []
    if unsteady:
        share, who = max(unsteady)
        said.append(
            f"of {len(timed)} latencies {len(unsteady)} are unsteady: their processes' medians lie "
            f"more than {_NOISY:.0%} apart, at most {share:.0%} ({who})"
        )
    if starved:
        share, who = min(starved)
        said.append(
            f"of {len(timed)} latencies {len(starved)} had less than {_STARVED:.0%} of a "
            f"processor, at least {share:.0%} ({who})"
        )
    return said


def _figures(job: LatencyJob) -> Section:
    head: Section = {"runtime": job.runtime, "threads": job.threads}
    if not job.wall_ns:
        return head | not_measured(job.missing)
    every = np.concatenate([np.array(times) for times in job.wall_ns]) / 1e6
    medians = [float(np.median(times)) / 1e6 for times in job.wall_ns]
    low, median, high, p95 = (float(p) for p in np.percentile(every, [25, 50, 75, 95]))
    cpu_ms = sum(job.cpu_ns) / 1e6
    figures: Section = head | {
        "median_ms": median,
        "p95_ms": p95,
        "spread": (high - low) / median,
        "between_processes": (max(medians) - min(medians)) / median,
        "repetitions": len(every),
        "processes": len(medians),
        "cpu_ms": cpu_ms / len(every),
        "cpu_share": cpu_ms / float(every.sum()),
        "real_time_factor": median / 1000 / job.hop_s if job.hop_s else None,
    }
    if job.layer_ns:
        figures["layers_ms"] = [ns / 1e6 for ns in job.layer_ns]
    return figures


def _run(job: LatencyJob, most: int) -> None:
    done = subprocess.run(job.command(_WARM_UP, most, BUDGET_MS), capture_output=True, text=True)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        job.missing = said[-1][:200] if said else f"the process ended with {done.returncode}"
        job.wall_ns = []
        return
    if done.stdout.startswith("{"):
        found: dict[str, Any] = json.loads(done.stdout)
        job.wall_ns.append(found["wall_ns"])
        job.cpu_ns.append(found["cpu_ns"])
        return
    lines: list[tuple[str, str]] = re.findall(r"^(\w+) (\d+)$", done.stdout, re.M)
    job.wall_ns.append([int(ns) for kind, ns in lines if kind == "wall"])
    job.cpu_ns += [int(ns) for kind, ns in lines if kind == "cpu"]
    job.layer_ns = [int(ns) for kind, ns in lines if kind == "layer"]


def _worker(job: dict[str, Any]) -> Callable[[int, int, int], list[str]]:
    def command(warm_up: int, most: int, budget_ms: int) -> list[str]:
        arguments = {**job, "warm_up": warm_up, "most": most, "budget_ms": budget_ms}
        module = "sernet_edge.bench.measure.latency_worker"
        return [sys.executable, "-m", module, json.dumps(arguments)]

    return command


def _compiled(
    build: Callable[[], Path],
) -> tuple[Callable[[int, int, int], list[str]], str]:
    """Return the command of a program, and why it could not be built, "" when it could."""
    program, missing = Path(os.devnull), ""
    if shutil.which(_HOST_COMPILER) is None:
        missing = f"install {_HOST_COMPILER}"
    else:
        try:
            program = build()
        except ModelError as error:
            missing = error.message
        except SernetError as error:
            missing = str(error)
    return lambda *numbers: [str(program), *map(str, numbers)], missing


def _build_engine(model: Prepared) -> Path:
    sources = [*model.sources.programs["network"], cross.measuring_file("host_latency.c")]
    return _compile(sources, model.folder / "engine")


def _build_front_end(model: Prepared) -> Path:
    # The front end alone; what else the firmware has is not called.
    sources = [*model.sources.programs.get("whole", ()), cross.measuring_file("host_features.c")]
    return _compile(sources, model.folder / "features")


def _compile(sources: Sequence[Path], program: Path) -> Path:
    folders = sorted({str(source.parent) for source in sources})
    command = [_HOST_COMPILER, "-std=c99", "-O3", *(f"-I{folder}" for folder in folders)]
    done = subprocess.run(
        [*command, *map(str, sources), "-o", str(program), "-lm"], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SernetError(f"{_HOST_COMPILER} failed: {done.stderr.strip()[:500]}")
    return program
