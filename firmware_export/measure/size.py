"""Prints RAM, code and instructions of a model on each Cortex-M core.

    python -m sernet_edge.firmware_export.measure.size model.tflite

`firmware` describes each figure and how it is measured.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from sernet_edge.firmware_export.cores import ARM, CORES
from sernet_edge.firmware_export.measure import cross, firmware, tflm
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.modelfile import ModelFile


def _line(core: str, *cells: str) -> str:
    widths = (9, 11, 13, 12, 10, 11, 13)
    return f"{core:14}" + "".join(f"  {c:>{w}}" for c, w in zip(cells, widths, strict=True))


def _cells(memory: firmware.Memory | None) -> list[str]:
    return [f"{n:,}" for n in asdict(memory).values()] if memory else ["-"] * 3


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(model: Path, as_json: bool) -> None:
    """Print RAM, code and instructions of MODEL, a full-int8 .tflite, on each Cortex-M core."""
    planned = PlannedModel.read(ModelFile.read(model))
    saved = tflm.saved_runs(planned.network)
    if not as_json:
        title = ("of it stack", "code + tables")
        click.echo(_line("core", "RAM bytes", *title, "instructions", "RAM in all", *title))
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        sources = firmware.write_sources(planned, Path(folder))
        counter = cross.build_counter(Path(folder))
        for core in CORES.values():
            if core.compiler != ARM:
                continue
            m = firmware.measure(sources, core, counter)
            measured.append(m)
            if not as_json:
                cells = (*_cells(m.network), f"{m.instructions:,}", *_cells(m.in_all))
                click.echo(_line(m.core, *cells).rstrip())
    if as_json:
        report = {
            "macs": planned.network.macs,
            "cores": [asdict(m) for m in measured],
            "saved": asdict(saved) if saved else None,
        }
        click.echo(json.dumps(report))
        return
    if saved:
        for figures in saved.cores:
            memory = (figures.ram_bytes, figures.stack_bytes, figures.code_bytes)
            own = [f"{n:,}" for n in (*memory, figures.instructions)]
            click.echo(_line(f"{figures.core} TFLM saved", *own, "-", "-", "-"))
        click.echo(f"saved run: {saved.origin}")


if __name__ == "__main__":
    try:
        main()
    except SernetError as error:
        click.echo(f"size: {error}", err=True)
        sys.exit(1)
