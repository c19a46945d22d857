"""The options of `sernet-edge bench` that say which models are measured, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from sernet_edge.bench.measure import boards, cores
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.options import MODEL_PATH, Integer, Number, option_group
from sernet_edge.train.corpora.choice import CorpusFolder
from sernet_edge.train.options import corpus_option, labels_option, map_option, skip_bad_option


def _board(
    context: click.Context, parameter: click.Parameter, name: str | None
) -> boards.Board | None:
    try:
        return boards.find(name) if name is not None else None
    except SernetError as error:
        raise click.BadParameter(str(error), context, parameter) from error


tflm_include_option = click.option(
    "--tflm-include",
    "includes",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="DIR",
    help="Headers of your TensorFlow Lite Micro; may be repeated.",
)
"""Gives a click command the argument `includes`, a tuple of folders."""

_OPTIONS = (
    click.argument("models", nargs=-1, metavar="MODEL...", type=MODEL_PATH),
    click.option(
        "--zoo",
        is_flag=True,
        help="Add the other precisions of a Keras model, and the model's small relatives.",
    ),
    corpus_option(
        "Measure accuracy on a corpus ({names}), and calibrate on its training speakers what is "
        "converted. May be repeated; what a model has not heard is marked.",
        required=False,
    ),
    map_option,
    labels_option,
    skip_bad_option,
    click.option(
        "--runs",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIR",
        help="Folder of cross-validations, for the accuracy of the small relatives.",
    ),
    click.option(
        "--core",
        "cores",
        type=click.Choice(cores.NAMES),
        multiple=True,
        help="Count instructions on this core; may be repeated.  [default: "
        f"{', '.join(cores.DEFAULT)}]",
    ),
    click.option(
        "--board", callback=_board, metavar="NAME", help="Say what would make the model fit there."
    ),
    click.option(
        "--board-run",
        "board_runs",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE.json",
        help="What `sernet-edge selftest --out` measured on a board, in place of the estimate.",
    ),
    click.option(
        "--current",
        "current_ua_mhz",
        type=Number(0, min_open=True),
        metavar="UA_PER_MHZ",
        help="Current of the running chip in microamperes a MHz, for the energy of a day.  "
        "[default: each board's own, listed below its table]",
    ),
    click.option(
        "--supply",
        "supply_v",
        type=Number(0, min_open=True),
        metavar="VOLTS",
        help="Voltage at that current.  [default: each board's own]",
    ),
    tflm_include_option,
    click.option(
        "--tflm-library",
        "library",
        type=click.Path(path_type=Path),
        metavar="FILE.a",
        help="Your TensorFlow Lite Micro, compiled for a Cortex-M, to count on its core.",
    ),
    click.option(
        "--processes",
        type=Integer(0),
        default=3,
        show_default=True,
        help="Fresh processes for each latency; 0 measures none.",
    ),
    click.option(
        "--repetitions",
        type=Integer(5),
        default=30,
        show_default=True,
        help="The most in a process.",
    ),
)


def check_tflm(includes: Sequence[Path], library: object) -> None:
    """Refuse one half of a TensorFlow Lite Micro: its headers, or what was compiled."""
    if bool(includes) != bool(library):
        raise click.UsageError("--tflm-include and --tflm-library go together.")


@dataclass(frozen=True)
class BenchRequest:
    """The request that the options make.

    Attributes:
        models: Files, `.tflite` or Keras.
        zoo: Whether to add the standard set.
        corpora: Corpora to hear; empty: accuracy is not measured.
        mapping: Other labels for labels of the corpora.
        labels: Those to keep; None: all.
        skip_bad: Whether to go on without recordings that cannot be read.
        runs: Folder of cross-validations; None: there is none.
        cores: To count on; empty: the default ones.
        board: Where the models are meant to run; None: anywhere.
        board_runs: Files that `selftest --out` wrote.
        current_ua_mhz: See `boards.Supply`.
        supply_v: Likewise.
        includes: Headers of the user's TensorFlow Lite Micro.
        library: That library; None: there is none.
        processes: Fresh processes for each latency.
        repetitions: The most in each.
    """

    models: tuple[Path, ...]
    zoo: bool
    corpora: tuple[CorpusFolder, ...]
    mapping: dict[str, str]
    labels: tuple[str, ...] | None
    skip_bad: bool
    runs: Path | None
    cores: tuple[str, ...]
    board: boards.Board | None
    board_runs: tuple[Path, ...]
    current_ua_mhz: float | None
    supply_v: float | None
    includes: tuple[Path, ...]
    library: Path | None
    processes: int
    repetitions: int

    def __post_init__(self) -> None:
        """Refuse one half of a TensorFlow Lite Micro."""
        check_tflm(self.includes, self.library)


measuring_options = option_group("request", BenchRequest, _OPTIONS)
"""Gives a click command the options above as one argument, `request`."""
