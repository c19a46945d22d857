"""One run: measures every model and puts the document together."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sernet_edge import __version__
from sernet_edge.bench.document import FORMAT, VERSION, Section, is_measured, not_measured
from sernet_edge.bench.measure import accuracy, boards, cores, latency, machine, memory, tflm_cores
from sernet_edge.bench.measure import models as models
from sernet_edge.bench.measure.macs import work
from sernet_edge.bench.measure.models import Progress, Speech, Subject
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.firmware_export.selftest.board_run import BoardRun
from sernet_edge.runtime.errors import ModelError, SernetError


@dataclass(frozen=True)
class Settings:
    """What to measure, and how.

    Attributes:
        cores: Names in `firmware_export.cross.CORES` to count on.
        threads: Numbers of threads to try on this computer.
        processes: Fresh processes for each latency; 0: measure no latency.
        repetitions: The most in each process.
        runs: Folder of cross-validations; None: there is none.
        library: The user's TensorFlow Lite Micro.
        board: Where the models are meant to run; None: anywhere.
    """

    cores: tuple[str, ...] = cores.DEFAULT
    threads: tuple[int, ...] = (1,)
    processes: int = 3
    repetitions: int = 30
    runs: Path | None = None
    library: tflm_cores.Library | None = None
    board: boards.Board | None = None


def run(
    subjects: Sequence[Subject],
    settings: Settings,
    speech: Speech | None,
    board_runs: Sequence[BoardRun],
    progress: Progress,
) -> Section:
    """Return the document of a run; see `report`.

    Args:
        subjects: The models.
        settings: What to measure, and how.
        speech: To measure accuracy on; None: there is none.
        board_runs: Self-tests on boards, of any of the models.
        progress: Told what is done.
    """
    counted = [_count(s, settings, speech, board_runs, progress) for s in subjects]
    changes = []
    if settings.board is not None:
        counted += _relatives(subjects, counted, settings, progress)
        changes = [
            boards.smallest_change(settings.board, model, counted).text
            for model in counted[: len(subjects)]
        ]
    before = machine.state()
    doubts = _latency(subjects, counted, settings, progress)
    after = machine.state()
    if settings.processes:
        doubts = machine.warnings(before, after) + doubts
    for model in counted[len(subjects) :]:
        model["host"] = not_measured("tried for the board alone")
    return {
        "format": FORMAT,
        "version": VERSION,
        "made_with": f"sernet-edge {__version__}",
        "machine": {**machine.describe(), "before": before, "after": after},
        "method": _method(settings),
        "warnings": doubts + _strangers(board_runs, counted),
        "changes": changes,
        "models": counted,
    }


def _method(settings: Settings) -> Section:
    return {
        "cores": list(settings.cores),
        "threads": list(settings.threads),
        "processes": settings.processes,
        "repetitions": settings.repetitions,
        "budget_ms": latency.BUDGET_MS,
        "cycles_per_instruction": {
            core: asdict(assumed) for core, assumed in boards.CYCLES.items()
        },
    }


def _count(
    subject: Subject,
    settings: Settings,
    speech: Speech | None,
    board_runs: Sequence[BoardRun],
    progress: Progress,
) -> Section:
    """Return everything of a model but its latency on this computer."""
    name, file = subject.name, subject.file
    progress(f"{name}: reading")
    contract, counted = file.contract, work(file)
    own: Section
    on_cores: Section
    try:
        own = memory.engine(plan_network(read_network(file)))
        on_cores = cores.section(file, settings.cores, progress)
    except ModelError as error:
        own = not_measured(f"the native engine: {str(error).removeprefix(f'{name}: ')}")
        on_cores = dict.fromkeys(settings.cores, own)
    interpreter = memory.interpreter(file)
    mine = [b for b in board_runs if b.flatbuffer_sha256 == file.sha256]
    # What the engine refuses, it refuses on every core, whichever are counted on.
    on_boards = on_cores if is_measured(own) else dict.fromkeys(cores.NAMES, own)
    progress(f"{name}: accuracy")
    return {
        "name": name,
        "sha256": file.sha256,
        "contract_id": contract.id if contract else None,
        "architecture": subject.architecture,
        "made": subject.made,
        "untrained": subject.untrained,
        "window": {"window_s": contract.window_s, "step_s": contract.frame_step_s}
        if contract
        else None,
        "size": {
            "file_bytes": len(file.data),
            "flatbuffer_bytes": len(file.flatbuffer),
            "weight_bytes": counted["weight_bytes"],
        },
        "work": counted,
        "engine": own,
        "tflm": interpreter,
        "accuracy": accuracy.section(subject, speech, settings.runs),
        "host": not_measured("latency was not asked for"),
        "cores": on_cores,
        "tflm_cores": tflm_cores.section(
            file, counted["precision"], settings.cores, settings.library, progress
        ),
        "board_runs": [asdict(b) for b in mine],
        "boards": boards.section(on_boards, interpreter, mine),
    }


def _relatives(
    subjects: Sequence[Subject], counted: Sequence[Section], settings: Settings, progress: Progress
) -> list[Section]:
    """Return smaller relatives of the models that don't fit on the board, counted on its core.

    Those of the run itself are not made again; none is needed while every model fits, if only
    with a longer hop.
    """
    assert settings.board is not None
    found: list[Section] = []
    there = {subject.architecture for subject in subjects}
    only = Settings(cores=(settings.board.core,), processes=0, runs=settings.runs)
    for subject, model in zip(subjects, counted, strict=True):
        if boards.smallest_change(settings.board, model, counted).found:
            continue
        contract = subject.contract
        if contract is None:
            continue
        progress(f"{subject.name}: looking for a smaller relative")
        try:
            relatives = models.relatives(contract, subject.architecture, there, progress)
        except SernetError as error:
            progress(f"no smaller relative was tried: {error}")
            continue
        there |= {relative.architecture for relative in relatives}
        found += [_count(relative, only, None, (), progress) for relative in relatives]
    return found


def _latency(
    subjects: Sequence[Subject], counted: list[Section], settings: Settings, progress: Progress
) -> list[str]:
    """Fill in the models' section "host"; return what was noisy."""
    if not settings.processes:
        return []
    with tempfile.TemporaryDirectory() as scratch:
        jobs: list[latency.Job] = []
        for index, subject in enumerate(subjects):
            folder = Path(scratch) / str(index)
            folder.mkdir()
            progress(f"{subject.name}: compiling for this computer")
            jobs += latency.jobs(index, subject.file, folder, settings.threads)
        latency.measure_all(jobs, settings.processes, settings.repetitions, progress)
    for index in range(len(subjects)):
        counted[index]["host"] = latency.section([job for job in jobs if job.model == index])
    return latency.warnings(jobs, [subject.name for subject in subjects])


def _strangers(board_runs: Sequence[BoardRun], counted: Sequence[Section]) -> list[str]:
    known: set[Any] = {model["sha256"] for model in counted}
    return [
        f"the self-test on {b.board} was of another model, {b.model}"
        for b in board_runs
        if b.flatbuffer_sha256 not in known
    ]


def default_threads() -> tuple[int, ...]:
    """Return one thread and as many as there are cores."""
    return tuple(sorted({1, os.cpu_count() or 1}))
