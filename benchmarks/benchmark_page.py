"""Writes docs/evidence/benchmarks.md and its pictures from a run.

    python benchmarks/benchmark_page.py benchmarks/bench.json docs/evidence

All figures and pictures come from the run; only explanations are written by hand.
"""

from __future__ import annotations

from pathlib import Path

import click
from page_command import run_page_command

from sernet_edge.bench.document import Section
from sernet_edge.bench.show.pictures import draw
from sernet_edge.bench.show.table import as_markdown
from sernet_edge.bench.show.tables import machine_line, read, tables
from sernet_edge.runtime.files import write_text

_HEAD = """\
# Benchmarks

<!-- Made by python benchmarks/benchmark_page.py from {run}; do not edit. -->

`sernet-edge bench MODEL...` measures a model's size, RAM, accuracy and speed. It says which figures
are estimates, come from a saved run, or are missing and why. `--zoo` adds the other precisions of a
Keras model and smaller versions of it. `--board NAME` suggests changes that make a model fit.
`--compare RUN.json` exits with 1 if a figure got worse, for your CI. `make bench` measures the
shipped models.

## Method

* **Counted**: the instructions of linked firmware under QEMU, for each core. The same model always
  gives the same count. {cores}. An instruction is not a cycle.
* **Measured**: flash from the sections of the linked ELF; RAM as `.data`, `.bss` and the highest
  use of stack; the arena by TensorFlow Lite Micro's own interpreter; latency {latency}.
* **Estimated**: the clock that a board needs, from counted instructions and an assumed range of
  cycles per instruction. `sernet-edge selftest --port` measures cycles on your board, and
  `--board-run` uses them instead of the estimate.

{made_with} measured this on {machine}.
{warnings}
"""


def page(document: Section, run: str, pictures: list[str]) -> str:
    """Return the page, Markdown.

    Args:
        document: The run.
        run: Its file's name, for the page.
        pictures: Paths of pictures, relative to the page.
    """
    method = document["method"]
    warnings = document["warnings"]
    head = _HEAD.format(
        run=run,
        cores=f"Cores: {', '.join(method['cores'])}",
        latency=_latency(method),
        made_with=document["made_with"],
        machine=machine_line(document),
        warnings="\nThe run printed these warnings:\n\n"
        + "\n".join(f"* {w}" for w in warnings)
        + "\n"
        if warnings
        else "",
    )
    shown = "\n".join(f"![{Path(path).stem}]({path})\n" for path in pictures)
    # The page shows the layers of the first model only.
    found = tables(document, elf=True, every_layer=False)
    sources = "\n".join(
        f"* {name}: {source}"
        for name, source in dict.fromkeys(
            (row["name"], row["source"]) for model in document["models"] for row in model["boards"]
        )
    )
    return f"{head}\n{shown}\n{as_markdown(found)}\n## Sources of the boards' facts\n\n{sources}\n"


def _latency(method: Section) -> str:
    if not method["processes"]:
        return "not in this run"
    return (
        f"in {method['processes']} fresh processes each, in interleaved order, of up to\n"
        f"  {method['repetitions']} repetitions after a warm-up"
    )


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(run: Path, folder: Path) -> None:
    """Write FOLDER/benchmarks.md and FOLDER/benchmarks/*.png from RUN."""
    document = read(run)
    drawn = draw(document, folder / "benchmarks")
    shown = dict.fromkeys((drawn[0], drawn[-1]))
    for path in drawn:
        if path not in shown:
            path.unlink()
    names = [f"benchmarks/{path.name}" for path in shown]
    write_text(folder / "benchmarks.md", page(document, f"{run.parent.name}/{run.name}", names))


if __name__ == "__main__":
    run_page_command(main)
