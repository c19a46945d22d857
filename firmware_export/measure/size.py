"""Prints RAM, code and instructions of a model on each Cortex-M core.

    python -m sernet_edge.firmware_export.measure.size model.tflite
    python -m sernet_edge.firmware_export.measure.size model.tflite --core m4 --hop 0.256

`firmware` describes each figure and how it is measured.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from sernet_edge.firmware_export import traffic
from sernet_edge.firmware_export.cores import ARM, CORES
from sernet_edge.firmware_export.measure import cross, firmware, tflm
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.options import MODEL_PATH, Number


def _line(core: str, *cells: str) -> str:
    widths = (9, 11, 13, 12, 10, 11, 13)
    return f"{core:14}" + "".join(f"  {c:>{w}}" for c, w in zip(cells, widths, strict=True))


def _cells(memory: firmware.Memory | None) -> list[str]:
    return [f"{n:,}" for n in asdict(memory).values()] if memory else ["-"] * 3


_Ways = tuple[firmware.Firmware | None, firmware.Firmware | None]
"""The firmware with whole windows, and with shared rows."""


def _hop_lines(core: str, measured: _Ways) -> list[str]:
    """Return lines that compare shared rows with whole windows."""
    ways = zip(("each window whole", "each row once"), measured, strict=True)
    return [
        f"{core if number == 0 else '':14}  {way:17}  {found.hop.per_second / 1e6:>17,.1f}  "
        f"{found.hop.longest_call / 1e6:>17,.2f}  {found.memory.ram_bytes:>16,}"
        for number, (way, found) in enumerate(ways)
        if found is not None
    ]


def _frames(contract: Contract | None, hops_s: tuple[float, ...]) -> list[int]:
    """Return hops in frames.

    Raises:
        SernetError: The model has no contract, so a hop in seconds has no meaning.
    """
    if contract is None:
        if hops_s:
            raise SernetError("--hop needs a model with a contract: a hop is of audio")
        return []
    return [max(1, round(hop_s / contract.frame_step_s)) for hop_s in hops_s]


@click.command()
@click.argument("model", type=MODEL_PATH)
@click.option(
    "--core",
    "names",
    type=click.Choice([core.name for core in CORES.values() if core.compiler == ARM]),
    multiple=True,
    help="Measure on this core; may be repeated.  [default: all]",
)
@click.option(
    "--hop",
    "hops_s",
    type=Number(0, 3600, min_open=True, max_open=True),
    multiple=True,
    metavar="SECONDS",
    help="Measure the firmware at this hop, too; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(model: Path, names: tuple[str, ...], hops_s: tuple[float, ...], as_json: bool) -> None:
    """Print RAM, code and instructions of MODEL, a full-int8 .tflite, on each Cortex-M core."""
    file = ModelFile.read(model)
    planned = PlannedModel.read(file)
    others = [PlannedModel.read(file, hop_frames=n) for n in _frames(file.contract, hops_s)]
    wanted = [c for c in CORES.values() if c.compiler == ARM and (not names or c.name in names)]
    if not as_json:
        title = ("stack in it", "code + tables")
        click.echo(_line("core", "RAM bytes", *title, "instructions", "total RAM", *title))
    measured = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        sources = firmware.write_sources(planned, Path(folder) / "model")
        counter = cross.build_counter(Path(folder))
        for m in pool.map(lambda core: firmware.measure(sources, core, counter), wanted):
            measured.append(m)
            if not as_json:
                in_all = m.exported.memory if m.exported else None
                cells = (*_cells(m.network), f"{m.instructions:,}", *_cells(in_all))
                click.echo(_line(m.core, *cells).rstrip())
        hops = [{m.core: (m.whole, m.shared) for m in measured}]
        for other in others:
            written = firmware.write_firmware_sources(other, Path(folder) / str(len(hops)))
            run = partial(firmware.measure_firmware, written, counter=counter)
            hops.append(dict(zip((c.name for c in wanted), pool.map(run, wanted), strict=True)))
    if as_json:
        click.echo(json.dumps(_report(planned, measured, hops[1:])))
        return
    _print_saved(planned)
    _print_traffic(planned, [m.core for m in measured])
    for at, ways in zip([planned, *others], hops, strict=True):
        _compare_ways(at, ways)


def _report(
    planned: PlannedModel,
    measured: Sequence[firmware.Measurement],
    hops: Sequence[dict[str, _Ways]],
) -> dict[str, Any]:
    """Return the figures for JSON.

    Args:
        planned: The model.
        measured: The measurement on each core.
        hops: For each further hop, the firmware by core.
    """
    saved = tflm.saved_runs(planned.network)
    return {
        "macs": planned.network.macs,
        "weights_read": {
            m.core: traffic.window_bytes(planned.plan, CORES[m.core]) for m in measured
        },
        "cores": [asdict(m) for m in measured],
        "hops": [
            {
                core: {
                    way: None if its is None else asdict(its)
                    for way, its in zip(("whole", "shared"), ways, strict=True)
                }
                for core, ways in hop.items()
            }
            for hop in hops
        ],
        "saved": asdict(saved) if saved else None,
    }


def _print_saved(planned: PlannedModel) -> None:
    """Print the saved runs of TensorFlow Lite Micro, if any."""
    saved = tflm.saved_runs(planned.network)
    if saved is None:
        return
    for figures in saved.cores:
        memory = (figures.ram_bytes, figures.stack_bytes, figures.code_bytes)
        own = [f"{n:,}" for n in (*memory, figures.instructions)]
        click.echo(_line(f"{figures.core} TFLM saved", *own, "-", "-", "-"))
    click.echo(f"saved run: {saved.origin}")


def _print_traffic(planned: PlannedModel, cores: Sequence[str]) -> None:
    """Print how many bytes of weights the engine reads for a window."""
    read = [f"{name} {traffic.window_bytes(planned.plan, CORES[name]):,}" for name in cores]
    click.echo(f"bytes of weights read for a window: {', '.join(read)}")


def _compare_ways(planned: PlannedModel, measured: dict[str, _Ways]) -> None:
    """Print the cost of the firmware with whole windows and with shared rows."""
    contract = planned.file.contract
    if contract is None:
        return
    hop_s = planned.hop_frames * contract.frame_step_s
    click.echo(f"\nthe firmware at a hop of {hop_s:.3f} s, in millions of instructions")
    click.echo(
        f"{'core':14}  {'network computes':17}  {'a second of audio':>17}  "
        f"{'most in one call':>17}  {'total RAM, bytes':>16}"
    )
    for core, ways in measured.items():
        for line in _hop_lines(core, ways):
            click.echo(line)
    if planned.stream is None:
        click.echo(f"each row once: not possible, {planned.reason}")


if __name__ == "__main__":
    try:
        main()
    except SernetError as error:
        click.echo(f"size: {error}", err=True)
        sys.exit(1)
