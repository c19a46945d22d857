"""Writes docs/evidence/streaming-levels.md from the figures of `benchmarks/streaming_levels.py`.

python benchmarks/streaming_levels_page.py benchmarks/streaming-levels.json \
    --out docs/evidence/streaming-levels.md
"""

from __future__ import annotations

from pathlib import Path

import click
from page_command import run_page_command
from seed_tables import Figures
from speech_bank import CONDITIONS, TESTED, TRAINED
from streaming_levels import SYSTEMS

from sernet_edge.runtime.files import write_text
from sernet_edge.train.recipe import RECIPES

_PAGE = """\
# Loudness where windows share rows

<!-- Made by python benchmarks/streaming_levels_page.py {figures.name}; do not edit. -->

A network whose windows share their rows can't take a window's level out of the features: a row
would then belong to one window alone. Its features may depend on earlier frames. Three ways that
keep to this are compared with each other and with whole windows.

- **none**: the level stays in; training changes the gain at random.
- **PCEN**: per-channel energy normalisation in place of the logarithm.
- **decaying maximum**: c0 is how far a frame lies below the loudest one of late.
- **window (whole windows)**: the window's mean is taken out of c0, and the network pads with zeros
  at both ends of a window, so no row is shared.

Each corpus is tested by networks of half width that were trained on the others. Training knows
{trained} and none. Tested are {tested}, and any
other answer is wrong. The recipe is `voices` with {epochs} epochs of {steps} steps; float;
whole utterances.

UAR in percent, the mean over {figures.tested}; the mean of {figures.seeds} seeds and their range:

{by_condition}
{notes}

## By corpus

As recorded, the mean of the seeds and their range:

{by_corpus}
From seed to seed the mean over corpora, as recorded, moves by up to {figures.spread:.1f} points.
Smaller differences say nothing.
"""


@click.command()
@click.argument("saved", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(saved: Path, out: Path) -> None:
    """Write the page about levels from the figures in SAVED."""
    figures = Figures.read(saved, tuple(SYSTEMS), tuple(CONDITIONS))
    page = _PAGE.format(
        figures=figures,
        epochs=figures.settings["epochs"],
        trained=", ".join(TRAINED),
        tested=", ".join(TESTED),
        steps=RECIPES["voices"].steps,
        by_condition=figures.by_condition("level"),
        by_corpus=figures.by_corpus("level"),
        notes="\n".join(
            f"{name[0].upper()}{name[1:]}: {note}." for name, note in CONDITIONS.items() if note
        ),
    )
    write_text(out, page)


if __name__ == "__main__":
    run_page_command(main)
