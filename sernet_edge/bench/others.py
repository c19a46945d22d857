"""Makes a table of other people's models: which the native engine runs, and what they take.

    python -m sernet_edge.bench.others FOLDER --core m4 --core m55

Models are `.tflite` files that the user has; those in folders inside count, too. Instructions and
RAM are of the network alone, counted under QEMU; `firmware_export.measure.firmware` says how. The
arena is that of TensorFlow Lite Micro's Python package on this computer. With a library of the
user's that was compiled for a core, TensorFlow Lite Micro's figures stand beside the engine's:

    python -m sernet_edge.bench.others FOLDER --core m4 --tflm-include tflite-micro \
        --tflm-include flatbuffers/include --tflm-library m4/libtensorflow-microlite.a
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from sernet_edge.bench.measure import tflm_cores
from sernet_edge.bench.options import check_tflm, tflm_include_option
from sernet_edge.bench.show.table import Table, as_markdown
from sernet_edge.firmware_export import tflm
from sernet_edge.firmware_export.cores import ARM, CORES
from sernet_edge.firmware_export.graph import read_graph
from sernet_edge.firmware_export.measure import cross, firmware
from sernet_edge.firmware_export.measure.tflm import measure_tflm
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.modelfile import ModelFile

_NAMES = [core.name for core in CORES.values() if core.compiler == ARM]

Row = dict[str, Any]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--core",
    "cores",
    type=click.Choice(_NAMES),
    multiple=True,
    help="Count instructions on this core; may be repeated.  [default: none]",
)
@tflm_include_option
@click.option(
    "--tflm-library",
    "libraries",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE.a",
    help="Your TensorFlow Lite Micro, compiled for a core; may be repeated for other cores.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def main(
    folder: Path,
    cores: tuple[str, ...],
    includes: tuple[Path, ...],
    libraries: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Print a table of the .tflite files in FOLDER: RAM, flash and instructions, or why not."""
    check_tflm(includes, libraries)
    own = [tflm_cores.library(includes, path) for path in libraries]
    counted = list(dict.fromkeys([*cores, *(library.core.name for library in own)]))
    rows = list(measured(folder, counted, lambda text: click.echo(text, err=True), own))
    click.echo(json.dumps(rows, indent=1) if as_json else as_markdown([table(rows, counted)]))


def measured(
    folder: Path,
    cores: Sequence[str],
    progress: Callable[[str], None],
    libraries: Sequence[tflm_cores.Library] = (),
) -> Iterator[Row]:
    """Yield a row for each model in a folder, in the order of their names.

    Args:
        folder: With `.tflite` files, also in folders inside.
        cores: To count instructions on.
        progress: Told what is done.
        libraries: TensorFlow Lite Micro, each for one of the cores.

    Raises:
        SernetError: The folder has no model, or a tool is missing.
    """
    paths = sorted(folder.rglob("*.tflite"))
    if not paths:
        raise SernetError(f"there is no .tflite file in {folder}")
    lacking = {program for name in cores for program in CORES[name].missing}
    if lacking:
        raise SernetError(f"--core needs {' and '.join(sorted(lacking))}", "install it")
    with tempfile.TemporaryDirectory() as place:
        counter = cross.build_counter(Path(place)) if cores else Path()
        for number, path in enumerate(paths):
            name = path.relative_to(folder).as_posix()
            progress(f"{name} ({number + 1} of {len(paths)})")
            built = Path(place) / str(number)
            built.mkdir()
            row = _row(path, cores, built, counter)
            row["tflm"] = {
                library.core.name: _in_tflm(path, library, built, counter) for library in libraries
            }
            yield {"model": name, **row}


def _row(path: Path, cores: Sequence[str], folder: Path, counter: Path) -> Row:
    row: Row = {"refused": "", "cores": {}}
    try:
        file = ModelFile.read(path)
        row["file_bytes"] = len(file.flatbuffer)
        row["arena_bytes"] = _arena(file)
        planned = PlannedModel.read(file)
        network = planned.network
        row |= {
            "state_bytes": planned.state_bytes,
            "weight_bytes": network.weight_bytes,
            "macs": network.macs,
        }
        if cores:
            # The network alone, whether it has a contract or not.
            alone = PlannedModel(
                ModelFile(file.name, file.flatbuffer), network, planned.plan, None, ""
            )
            sources = firmware.write_sources(alone, folder)
            for name in cores:
                found = firmware.measure(sources, CORES[name], counter)
                row["cores"][name] = {
                    "instructions": found.instructions,
                    "ram_bytes": found.network.ram_bytes,
                    "code_bytes": found.network.code_bytes,
                }
    except SernetError as error:
        row["refused"] = _reason(error, path)
    return row


def _in_tflm(path: Path, library: tflm_cores.Library, folder: Path, counter: Path) -> Row:
    """Return what TensorFlow Lite Micro takes on a core, or why it takes nothing ("refused")."""
    core = library.core
    try:
        file = ModelFile.read(path)
        found = measure_tflm(
            ModelFile(file.name, file.flatbuffer), core, library.includes, library.path,
            folder / f"tflm-{core.name}", counter,
        )  # fmt: skip
    except SernetError as error:
        return {"refused": _reason(error, path)}
    return {
        "refused": "",
        "instructions": found.instructions,
        "ram_bytes": found.ram_bytes,
        "arena_bytes": found.arena_bytes,
        "code_bytes": found.code_bytes,
    }


def _reason(error: SernetError, path: Path) -> str:
    return error.message.removeprefix(f"{path}: ")


def _arena(file: ModelFile) -> int | None:
    """Return the arena that TensorFlow Lite Micro takes on this computer; None: it cannot run it.

    Raises:
        ModelError: The file is damaged.
    """
    graph = read_graph(file)
    try:
        source = graph.inputs[0]
        kind = np.dtype(source.type)
        window = np.zeros((1, int(np.prod(np.abs(source.fixed_shape)))), kind)
        return tflm.run(file, window).arena_bytes
    except (SernetError, IndexError, TypeError):
        return None


def table(rows: Sequence[Row], cores: Sequence[str]) -> Table:
    """Return the rows as a table; refusals are notes."""
    beside = {name for row in rows for name in row["tflm"]}
    header = ["model", "runs", "weights, B", "MMAC", "state, B", "TFLM's arena, B"]
    for name in cores:
        theirs = ["TFLM's"] if name in beside else []
        header += [f"{name}, M instructions", *theirs, f"{name}, RAM, B", *theirs]
    found = Table("Other people's networks", header, left=2)
    for row in rows:
        arena = f"{row['arena_bytes']:,}" if row.get("arena_bytes") else "-"
        cells = [row["model"], "yes"]
        if row["refused"]:
            cells[1] = f"no [{found.note(row['refused'])}]"
            cells += ["-", "-", "-", arena]
        else:
            cells += [f"{row['weight_bytes']:,}", f"{row['macs'] / 1e6:.2f}"]
            cells += [f"{row['state_bytes']:,}", arena]
        for name in cores:
            figures = [_figures(found, row["cores"].get(name))]
            if name in beside:
                figures.append(_figures(found, row["tflm"].get(name)))
            cells += [instructions for instructions, _ in figures] + [ram for _, ram in figures]
        found.rows.append(cells)
    return found


def _figures(found: Table, figures: Row | None) -> tuple[str, str]:
    """Return instructions and RAM as cells; a reason why there are none is a note."""
    if figures is None:
        return "-", "-"
    if figures.get("refused"):
        return f"- [{found.note(figures['refused'])}]", "-"
    return f"{figures['instructions'] / 1e6:.2f}", f"{figures['ram_bytes']:,}"


if __name__ == "__main__":
    try:
        main()
    except SernetError as error:
        click.echo(f"others: {error}", err=True)
        sys.exit(1)
