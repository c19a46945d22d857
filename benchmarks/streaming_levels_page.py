"""Writes docs/evidence/streaming-levels.md from what `benchmarks/streaming_levels.py` measured.

python benchmarks/streaming_levels_page.py benchmarks/streaming-levels.json \
    --out docs/evidence/streaming-levels.md
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
from page_command import run_page_command
from speech_bank import CONDITIONS, TRAINED
from streaming_levels import SYSTEMS

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.train.recipe import RECIPES

_HEAD = """\
# Loudness where windows share rows

<!-- Made by python benchmarks/streaming_levels_page.py {saved}; do not edit. -->

A network whose windows share their rows can't take a window's level out of the features: a row
would then belong to one window alone. Its features may depend on earlier frames. Three ways that
keep to this are compared with each other and with whole windows.

- **none**: the level stays in; training changes the gain at random.
- **PCEN**: per-channel energy normalisation in place of the logarithm.
- **decaying maximum**: c0 is how far a frame lies below the loudest one of late.
- **window (whole windows)**: the window's mean is taken out of c0, and the network pads with zeros
  at both ends of a window, so no row is shared.

Each corpus is tested by networks of half width that were trained on the others. Training knows
{trained} and none; tested are anger, happiness, neutral and sadness, any other answer is
wrong. Recipe `voices`, but {epochs} epochs of {steps} steps; float; whole utterances.

UAR in percent, the mean over {corpora}; the mean of {seeds} seeds and their range:

"""

_CORPORA = """
## By corpus

As recorded, the mean of the seeds and their range:

"""

_END = """
From seed to seed the mean moves by up to {spread:.1f} points; smaller differences say nothing.
"""


@click.command()
@click.argument("saved", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(saved: Path, out: Path) -> None:
    """Write the page about levels from what was SAVED."""
    try:
        document = json.loads(saved.read_text())
        write_text(out, _page(f"benchmarks/{saved.name}", document["epochs"], document["figures"]))
    except (ValueError, KeyError) as error:
        raise SernetError(
            f"{saved} is not what benchmarks/streaming_levels.py writes: {error}"
        ) from error


def _page(saved: str, epochs: int, figures: dict[str, dict[str, float]]) -> str:
    keys = [tuple(key.rsplit(", ", 2)) for key in figures]
    seeds = sorted({seed for _, seed, _ in keys})
    corpora = sorted({corpus for _, _, corpus in keys})
    # (systems, seeds, corpora, conditions)
    values = np.array(
        [
            [
                [[figures[f"{s}, {seed}, {c}"][name] for name in CONDITIONS] for c in corpora]
                for seed in seeds
            ]
            for s in SYSTEMS
        ]
    )
    means = values.mean(axis=2)
    notes = "".join(
        f"\n{name[0].upper()}{name[1:]}: {note}." for name, note in CONDITIONS.items() if note
    )
    return (
        _HEAD.format(
            saved=saved,
            trained=", ".join(TRAINED),
            epochs=epochs,
            steps=RECIPES["voices"].steps,
            corpora=" and ".join([", ".join(corpora[:-1]), corpora[-1]]),
            seeds=len(seeds),
        )
        + _table("level", CONDITIONS, means)
        + notes
        + "\n"
        + _CORPORA
        + _table("level", corpora, values[..., 0])
        + _END.format(spread=float(np.ptp(means, axis=1).max()))
    )


def _table(first: str, columns: Iterable[str], values: Any) -> str:
    """Return a table of the systems' values (systems, seeds, columns): mean and range of seeds."""
    lines = [f"| {first} | " + " | ".join(columns) + " |"]
    lines.append("|---" * lines[0].count(" | ") + "|---|")
    for system, of_system in zip(SYSTEMS, values, strict=True):
        cells = [
            f"{of_seeds.mean():.1f} ({of_seeds.min():.1f} to {of_seeds.max():.1f})"
            for of_seeds in of_system.T
        ]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_page_command(main)
