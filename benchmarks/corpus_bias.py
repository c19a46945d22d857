"""Measures whether a network is less biased towards the corpora it was trained on when told to be.

python benchmarks/corpus_bias.py NOISE --corpus emodb DIR --corpus nemo DIR --corpus ravdess DIR \
    --map calm=neutral --out benchmarks/corpus-bias.json
python benchmarks/corpus_bias_page.py benchmarks/corpus-bias.json --out docs/evidence/corpus-bias.md
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from page_command import run_page_command
from speech_bank import AS_RECORDED, TRAINED, BankWindows, Speech, System, measure, shorter

from sernet_edge.runtime.frontend import Float32
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder
from sernet_edge.train.options import corpus_option, map_option
from sernet_edge.train.progress import TerminalProgress
from sernet_edge.train.recipe import RECIPES
from sernet_edge.train.recordings import Recording

# MixStyle (Zhou et al., "Domain Generalization with MixStyle", ICLR 2021): half of the windows,
# shares from a beta distribution.
_SHARE, _BETA = 0.5, 0.1


class MixedStatistics(BankWindows):
    """Gives a window the mean and spread of its features mixed with those of another window.

    The other window is of any recording that is trained on, of either corpus.
    """

    def training_window(
        self, recording: Recording, rng: np.random.Generator, segment: int = 0
    ) -> Float32:
        """Return one of the recording's windows, half of the time with mixed statistics."""
        own = super().training_window(recording, rng, segment)
        if rng.random() >= _SHARE:
            return own
        other = super().training_window(self.training[rng.integers(len(self.training))], rng)
        share = rng.beta(_BETA, _BETA)
        mean, spread = own.mean(axis=0), own.std(axis=0) + 1e-3
        their_mean, their_spread = other.mean(axis=0), other.std(axis=0) + 1e-3
        mixed = (own - mean) / spread * (share * spread + (1 - share) * their_spread)
        return np.asarray(mixed + share * mean + (1 - share) * their_mean, np.float32)


SYSTEMS = {
    "recipe": System(),
    "recipe, statistics mixed": System(windows=MixedStatistics),
    "recipe without mixup": System(changes={"mixup": 0.0}),
    "recipe without mixup, gradient reversed": System(changes={"mixup": 0.0}, is_adversarial=True),
}


@click.command()
@click.argument("noise", type=click.Path(path_type=Path, exists=True))
@corpus_option("Corpus ({names}) and its folder.")
@map_option
@click.option("--seeds", type=click.IntRange(1), default=2, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="*.json")
def main(
    noise: Path,
    corpora: tuple[CorpusFolder, ...],
    mapping: dict[str, str],
    seeds: int,
    epochs: int,
    out: Path,
) -> None:
    """Compare ways against bias on corpora that training did not hear; takes half an hour."""
    progress, choice = TerminalProgress(), CorpusChoice(corpora, TRAINED, mapping)
    recipe = shorter(RECIPES["voices"], epochs)

    def read() -> Speech:
        return Speech.read(choice, noise, recipe, [AS_RECORDED], progress)

    measure(SYSTEMS, seeds, out, read, [folder.name for folder in choice.folders], progress)


if __name__ == "__main__":
    run_page_command(main)
