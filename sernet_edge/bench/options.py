"""What `sernet-edge bench` is asked to measure: options, and the request that they make."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from sernet_edge.bench.measure import boards, cores
from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.options import skip_bad_option

_OPTIONS = (
    click.argument("models", nargs=-1, metavar="MODEL...", type=click.Path(path_type=Path)),
    click.option(
        "--zoo",
        is_flag=True,
        help="Add the other precisions of a Keras model, and the model's small relatives.",
    ),
    click.option(
        "--corpus",
        "corpus_and_folder",
        type=(click.Choice(sorted(CORPORA)), click.Path(path_type=Path)),
        metavar="NAME PATH",
        help=f"Measure accuracy on a corpus ({', '.join(sorted(CORPORA))}), and calibrate on its "
        "training speakers what is converted.",
    ),
    skip_bad_option,
    click.option(
        "--runs",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIR",
        help="Folder of cross-validations, for the accuracy of the small relatives.",
    ),
    click.option(
        "--core",
        "core_names",
        type=click.Choice(cores.NAMES),
        multiple=True,
        help="Count instructions on this core; may be repeated.  [default: "
        f"{', '.join(cores.DEFAULT)}]",
    ),
    click.option("--board", "board_name", metavar="NAME", help="Say what would make it fit there."),
    click.option(
        "--board-run",
        "board_runs",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE.json",
        help="What `sernet-edge selftest --out` measured on a board, in place of the estimate.",
    ),
    click.option(
        "--tflm-include",
        "includes",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="DIR",
        help="Headers of your TensorFlow Lite Micro; may be repeated.",
    ),
    click.option(
        "--tflm-library",
        "library",
        type=click.Path(path_type=Path),
        metavar="FILE.a",
        help="Your TensorFlow Lite Micro, compiled for a Cortex-M, to count on its core.",
    ),
    click.option(
        "--processes",
        type=click.IntRange(0),
        default=3,
        show_default=True,
        help="Fresh processes for each latency; 0 measures none.",
    ),
    click.option(
        "--repetitions",
        type=click.IntRange(5),
        default=30,
        show_default=True,
        help="The most in a process.",
    ),
)


@dataclass(frozen=True)
class Request:
    """What the options ask for.

    Attributes:
        models: Files, `.tflite` or Keras.
        zoo: Whether to add the standard set.
        corpus: Name and place of a corpus; None: accuracy is not measured.
        skip_bad: Whether to go on without recordings that cannot be read.
        runs: Folder of cross-validations; None: there is none.
        cores: To count on; empty: the default ones.
        board: Where the models are meant to run; None: anywhere.
        board_runs: Files that `selftest --out` wrote.
        includes: Headers of the user's TensorFlow Lite Micro.
        library: That library; None: there is none.
        processes: Fresh processes for each latency.
        repetitions: The most in each.
    """

    models: tuple[Path, ...]
    zoo: bool
    corpus: tuple[str, Path] | None
    skip_bad: bool
    runs: Path | None
    cores: tuple[str, ...]
    board: boards.Board | None
    board_runs: tuple[Path, ...]
    includes: tuple[Path, ...]
    library: Path | None
    processes: int
    repetitions: int


def measuring_options(command: Callable[..., None]) -> Callable[..., Any]:
    """Give a click command the options above, as one argument `request`."""

    @functools.wraps(command)
    def with_request(
        *,
        models: tuple[Path, ...],
        zoo: bool,
        corpus_and_folder: tuple[str, Path] | None,
        skip_bad: bool,
        runs: Path | None,
        core_names: tuple[str, ...],
        board_name: str | None,
        board_runs: tuple[Path, ...],
        includes: tuple[Path, ...],
        library: Path | None,
        processes: int,
        repetitions: int,
        **others: Any,
    ) -> None:
        if bool(includes) != (library is not None):
            raise click.UsageError("--tflm-include and --tflm-library go together.")
        request = Request(
            models, zoo, corpus_and_folder, skip_bad, runs, core_names, _board(board_name),
            board_runs, includes, library, processes, repetitions,
        )  # fmt: skip
        command(request=request, **others)

    decorated: Callable[..., Any] = with_request
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _board(name: str | None) -> boards.Board | None:
    try:
        return boards.find(name) if name is not None else None
    except SernetError as error:
        raise click.BadParameter(str(error), param_hint="--board") from error
