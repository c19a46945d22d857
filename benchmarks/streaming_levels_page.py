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

If windows share rows, the front end cannot subtract a window's level from the features: each row
would then belong to one window only. The features may only depend on earlier frames. This page
compares three such methods with each other and with whole windows.

- **none**: the features keep the level; training changes the gain at random.
- **PCEN**: per-channel energy normalisation instead of the logarithm.
- **decaying maximum**: c0 is the distance of a frame below the loudest recent frame.
- **window (whole windows)**: c0 minus its mean over the window. The network pads both ends of a
  window with zeros, so windows share no rows.

For each corpus, the tested networks have half width and were trained on the other corpora. Their
labels are {trained} and none. The test uses {tested};
any other answer is wrong. The recipe is `voices` with {epochs} epochs of {steps} steps;
float; whole utterances.

The table shows UAR in percent, as the mean over {figures.tested}. Each cell has the mean of
{figures.seeds} seeds and their range:

{by_condition}
{notes}

## By corpus

Without added conditions, the mean of the seeds and their range:

{by_corpus}
The mean over corpora differs between seeds by up to {figures.spread:.1f} points. Smaller
differences say nothing.
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
