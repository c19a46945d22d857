"""One run: measures every model and puts the document together."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sernet_edge import __version__
from sernet_edge.bench.document import FORMAT, Section, is_measured, not_measured
from sernet_edge.bench.measure import (
    accuracy,
    boards,
    cores,
    latency,
    machine,
    macs,
    memory,
    tflm_cores,
)
from sernet_edge.bench.measure.models import BenchModel, Progress, Speech, relatives
from sernet_edge.bench.measure.prepared import Prepared, Workshop
from sernet_edge.firmware_export.selftest.board_run import BoardRun
from sernet_edge.runtime.errors import SernetError


@dataclass(frozen=True)
class BenchSettings:
    """Settings of a run of bench.

    Attributes:
        cores: Names in `firmware_export.cores.CORES` to count on.
        threads: Numbers of threads to try on this computer.
        processes: Fresh processes for each latency; 0: measure no latency.
        repetitions: The most in each process.
        runs: Folder of cross-validations; None: there is none.
        library: The user's TensorFlow Lite Micro.
        board: Where the models are meant to run; None: anywhere.
        supply: Current and voltage of the boards, where the user gave them.
    """

    cores: tuple[str, ...] = cores.DEFAULT
    threads: tuple[int, ...] = (1,)
    processes: int = 3
    repetitions: int = 30
    runs: Path | None = None
    library: tflm_cores.Library | None = None
    board: boards.Board | None = None
    supply: boards.Supply = boards.Supply()


def run(
    given: Sequence[BenchModel],
    settings: BenchSettings,
    speech: Speech | None,
    board_runs: Sequence[BoardRun],
    progress: Progress,
) -> Section:
    """Return the document of a run; see `document`.

    Args:
        given: The models.
        settings: What to measure, and how.
        speech: To measure accuracy on; None: there is none.
        board_runs: Self-tests on boards, of any of the models.
        progress: Told what is done.
    """
    with tempfile.TemporaryDirectory() as scratch:
        workshop = Workshop(Path(scratch))
        models = []
        for model in given:
            progress(f"{model.name}: reading")
            models.append(workshop.prepare(model))
        sections = [_sections(m, settings, speech, board_runs, progress) for m in models]
        changes = []
        if settings.board is not None:
            sections += _relatives(given, sections, settings, workshop, progress)
            changes = [
                boards.smallest_change(settings.board, its, sections).text
                for its in sections[: len(given)]
            ]
        before = machine.state()
        doubts = _latency(models, sections, settings, progress)
        after = machine.state()
    if settings.processes:
        doubts = machine.warnings(before, after) + doubts
    return {
        **FORMAT.head(),
        "made_with": f"sernet-edge {__version__}",
        "machine": {**machine.describe(), "before": before, "after": after},
        "method": _method(settings),
        "warnings": doubts + _strangers(board_runs, sections),
        "changes": changes,
        "models": sections,
    }


def _method(settings: BenchSettings) -> Section:
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


def _sections(
    model: Prepared,
    settings: BenchSettings,
    speech: Speech | None,
    board_runs: Sequence[BoardRun],
    progress: Progress,
) -> Section:
    """Return every section of a model but its latency on this computer."""
    file, contract, counted = model.file, model.file.contract, macs.section(model.graph)
    engine = not_measured(f"the native engine: {model.refusal}")
    if model.planned is not None:
        engine = memory.engine(model.planned)
    interpreter = memory.interpreter(file, model.graph)
    on_cores = dict.fromkeys(settings.cores, engine)
    # What the engine refuses, it refuses on every core, whichever are counted on.
    on_boards = dict.fromkeys(cores.NAMES, engine)
    if is_measured(engine):
        on_cores = on_boards = cores.section(model, settings.cores, progress)
    mine = [b for b in board_runs if b.flatbuffer_sha256 == file.sha256]
    progress(f"{model.name}: accuracy")
    return {
        "name": model.name,
        "sha256": file.sha256,
        "contract_id": contract.id if contract else None,
        "architecture": model.model.architecture,
        "made": model.model.made,
        "untrained": model.model.untrained,
        "window": {"window_s": contract.window_s, "step_s": contract.frame_step_s}
        if contract
        else None,
        "size": {
            "file_bytes": len(file.data),
            "flatbuffer_bytes": len(file.flatbuffer),
            "weight_bytes": counted["weight_bytes"],
        },
        "macs": counted,
        "engine": engine,
        "tflm": interpreter,
        "accuracy": accuracy.section(model.model, speech, settings.runs),
        "latency": not_measured("latency was not asked for"),
        "cores": on_cores,
        "tflm_cores": tflm_cores.section(
            model, counted["precision"], settings.cores, settings.library, progress
        ),
        "board_runs": [asdict(b) for b in mine],
        "boards": boards.section(on_boards, interpreter, mine, settings.supply),
    }


def _relatives(
    given: Sequence[BenchModel],
    sections: Sequence[Section],
    settings: BenchSettings,
    workshop: Workshop,
    progress: Progress,
) -> list[Section]:
    """Return smaller relatives of the models that don't fit on the board, counted on its core.

    Those of the run itself are not made again; none is needed while every model fits, if only
    with a longer hop.
    """
    assert settings.board is not None
    found: list[Section] = []
    there = {model.architecture for model in given}
    only = BenchSettings(
        cores=(settings.board.core,), processes=0, runs=settings.runs, supply=settings.supply
    )
    for model, its in zip(given, sections, strict=True):
        if boards.smallest_change(settings.board, its, sections).found or model.contract is None:
            continue
        progress(f"{model.name}: looking for a smaller relative")
        try:
            made = relatives(model.contract, model.architecture, there, progress)
        except SernetError as error:
            progress(f"no smaller relative was tried: {error}")
            continue
        there |= {relative.architecture for relative in made}
        for relative in made:
            section = _sections(workshop.prepare(relative), only, None, (), progress)
            found.append(section | {"latency": not_measured("tried for the board alone")})
    return found


def _latency(
    models: Sequence[Prepared],
    sections: Sequence[Section],
    settings: BenchSettings,
    progress: Progress,
) -> list[str]:
    """Fill in the models' section "latency"; return the noisy measurements."""
    if not settings.processes:
        return []
    jobs: list[latency.LatencyJob] = []
    for index, model in enumerate(models):
        progress(f"{model.name}: compiling for this computer")
        jobs += latency.jobs(index, model, settings.threads)
    latency.measure_all(jobs, settings.processes, settings.repetitions, progress)
    for index in range(len(models)):
        sections[index]["latency"] = latency.section([job for job in jobs if job.model == index])
    return latency.warnings(jobs, [model.name for model in models])


def _strangers(board_runs: Sequence[BoardRun], sections: Sequence[Section]) -> list[str]:
    known: set[Any] = {model["sha256"] for model in sections}
    return [
        f"the self-test on {b.board} was of another model, {b.model}"
        for b in board_runs
        if b.flatbuffer_sha256 not in known
    ]


def default_threads() -> tuple[int, ...]:
    """Return one thread and as many as there are cores."""
    return tuple(sorted({1, os.cpu_count() or 1}))
