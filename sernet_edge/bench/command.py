"""`sernet-edge bench`: whether a model fits, how fast it is, and what is lost."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

import click

from sernet_edge.bench.document import Section, document_text
from sernet_edge.bench.measure import boards, cores
from sernet_edge.bench.measure.models import Speech, given
from sernet_edge.bench.options import BenchRequest, measuring_options
from sernet_edge.bench.show.compare import FigureChange, compare
from sernet_edge.bench.show.figures import as_csv
from sernet_edge.bench.show.table import Table, as_markdown, as_text
from sernet_edge.bench.show.tables import changes_table, machine_line, read, tables
from sernet_edge.firmware_export.selftest.board_run import read_board_run
from sernet_edge.runtime.errors import ContractError, SernetError
from sernet_edge.runtime.files import check_outputs, write_text
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.options import Number
from sernet_edge.train.corpora.choice import CorpusChoice
from sernet_edge.train.progress import TerminalProgress
from sernet_edge.train.recordings import read_corpus


@click.command()
@click.option(
    "--from",
    "saved",
    type=click.Path(path_type=Path),
    metavar="RUN.json",
    help="Show, draw or compare an earlier run instead of measuring.",
)
@measuring_options
@click.option("--elf", is_flag=True, help="List the sections of the linked firmware, too.")
@click.option(
    "--compare",
    "baseline",
    type=click.Path(path_type=Path),
    metavar="RUN.json",
    help="Compare with an earlier run; exit with 1 if a figure is worse by more than allowed.",
)
@click.option(
    "--max-regression",
    type=Number(0),
    default=10.0,
    show_default=True,
    metavar="PERCENT",
    help="How much worse than the baseline a figure may be.",
)
@click.option("--json", "as_format", flag_value="json", help="Print the run as JSON.")
@click.option("--csv", "as_format", flag_value="csv", help="Print its figures, one a line.")
@click.option("--markdown", "as_format", flag_value="markdown", help="Print Markdown tables.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file instead."
)
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write pictures there: latency and RAM by layer, accuracy against cost.",
)
def bench(
    request: BenchRequest,
    saved: Path | None,
    elf: bool,
    baseline: Path | None,
    max_regression: float,
    as_format: str | None,
    out: Path | None,
    pictures: Path | None,
) -> None:
    """Measure size, RAM, MACs, accuracy and speed of MODELs, .tflite or Keras files.

    What cannot be measured here says what to install; what is estimated says so and how.
    """
    if bool(request.models) == (saved is not None):
        raise click.UsageError("Give MODELs to measure, or --from RUN.json to show.")
    if out is not None:
        check_outputs([out], force=True)
    earlier = read(baseline) if baseline else None
    if saved is None:
        document = _measure(request)
    else:
        document = read(saved)
        if request.board is not None:
            document["changes"] = [
                boards.smallest_change(request.board, model, document["models"]).text
                for model in document["models"]
            ]
    changes = compare(document, earlier) if earlier else []
    found = tables(document, elf)
    if earlier:
        found.append(changes_table(changes, max_regression / 100))
    shown = _shown(document, found, as_format)
    if out is None:
        click.echo(shown, nl=False)
    else:
        write_text(out, shown)
        _say(f"wrote {out}")
    if pictures is not None:
        from sernet_edge.bench.show.pictures import draw

        for path in draw(document, pictures):
            _say(f"wrote {path}")
    said = [f"measured on {machine_line(document)}"]
    said += [f"warning: {warning}" for warning in document["warnings"]]
    for line in said:
        _say(textwrap.fill(line, _width(), subsequent_indent="  ", break_on_hyphens=False))
    if baseline:
        _refuse_regressions(changes, baseline, max_regression)


def _shown(document: Section, found: Sequence[Table], as_format: str | None) -> str:
    """Return a run as text: as JSON, as CSV, or its tables."""
    if as_format == "json":
        return document_text(document)
    if as_format == "csv":
        return as_csv(document)
    return as_markdown(found) if as_format == "markdown" else as_text(found, _width())


def _refuse_regressions(
    changes: Sequence[FigureChange], baseline: Path, max_regression: float
) -> None:
    """Raise SernetError if a figure is worse by more than `max_regression` percent."""
    worse = [c for c in changes if c.is_regression(max_regression / 100)]
    if worse:
        raise SernetError(
            f"{len(worse)} of {len(changes)} figures are worse than {baseline} by more than "
            f"{max_regression:g} %: "
            + "; ".join(f"{c.now.model}, {c.now.name}" for c in worse[:5])
            + ("; ..." if len(worse) > 5 else ""),
            "the table says by how much; --max-regression allows more",
        )


def _measure(request: BenchRequest) -> Section:
    # Here, since showing an earlier run needs none of what measuring does.
    from sernet_edge.bench.measure import run, tflm_cores

    board_runs = [read_board_run(path) for path in request.board_runs]
    own = tflm_cores.library(request.includes, request.library) if request.library else None
    speech = None
    if request.corpora:
        corpora = CorpusChoice(request.corpora, request.labels or (), request.mapping)
        speech = read_speech(request.models, corpora, request.skip_bad)
    wanted = list(request.cores or cores.DEFAULT)
    if request.board is not None and request.board.core not in wanted:
        wanted.append(request.board.core)
    settings = run.BenchSettings(
        cores=tuple(wanted),
        threads=run.default_threads(),
        processes=request.processes,
        repetitions=request.repetitions,
        runs=request.runs,
        library=own,
        board=request.board,
        supply=boards.Supply(request.current_ua_mhz, request.supply_v),
    )
    models = given(request.models, request.zoo, speech, _say)
    return run.run(models, settings, speech, board_runs, _say)


def read_speech(
    models: Sequence[Path], corpora: CorpusChoice, skip_bad: bool = False
) -> Speech | None:
    """Read corpora as the first model with a contract wants it; None: no model has one."""
    for path in models:
        try:
            contract = ModelFile.read(path).require_contract()
        except ContractError:
            continue  # What is said of the model says so.
        progress = TerminalProgress()
        utterances = corpora.utterances(progress)
        recordings = read_corpus(utterances, contract, skip_bad, progress).recordings
        return Speech(corpora.name, contract.sample_rate_hz, recordings)
    return None


def _say(text: str) -> None:
    click.echo(text, err=True)


def _width() -> int:
    """Return the columns of the terminal, or what most terminals have where there is none."""
    return shutil.get_terminal_size((100, 24)).columns
