"""Writes docs/evidence/corpus-bias.md from the figures of `benchmarks/corpus_bias.py`.

python benchmarks/corpus_bias_page.py benchmarks/corpus-bias.json --out docs/evidence/corpus-bias.md
"""

from __future__ import annotations

from pathlib import Path

import click
from corpus_bias import SYSTEMS
from page_command import run_page_command
from seed_tables import Figures
from speech_bank import AS_RECORDED

from sernet_edge.runtime.files import write_text
from sernet_edge.train.recipe import RECIPES

_PAGE = """\
# Against corpus bias

<!-- Made by python benchmarks/corpus_bias_page.py {figures.name}; do not edit. -->

A network learns the sound of a corpus together with the sound of emotions. The literature has
methods against this. This page tests two of them, each alone:

- **statistics mixed** (MixStyle, Zhou et al., ICLR 2021): half of the windows get a mixture of
  their own mean and spread of each feature and those of another recording.
- **gradient reversed** (Ganin and Lempitsky, ICML 2015): a classifier learns the corpus from the
  embedding, and the embedding learns to hide it. This excludes mixup, because a mixture of two
  windows has no corpus. The table therefore also shows the recipe without mixup.

For each corpus, the tested networks have half width and were trained on the two others. `voices` is
tested on the same three corpora. If you choose a method by this table, you therefore choose it on
the test data; no fourth corpus was available. The recipe is `voices` with {epochs} epochs
of {steps} steps; float; whole utterances; four emotions. Any other answer is wrong.

The table shows UAR in percent, the mean of {figures.seeds} seeds and their range:

{by_corpus}
The mean over corpora differs between seeds by up to {figures.spread:.1f} points. Smaller
differences say nothing.
"""


@click.command()
@click.argument("saved", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(saved: Path, out: Path) -> None:
    """Write the page about corpus bias from the figures in SAVED."""
    figures = Figures.read(saved, tuple(SYSTEMS), (AS_RECORDED,))
    page = _PAGE.format(
        figures=figures,
        epochs=figures.settings["epochs"],
        steps=RECIPES["voices"].steps,
        by_corpus=figures.by_corpus("training"),
    )
    write_text(out, page)


if __name__ == "__main__":
    run_page_command(main)
