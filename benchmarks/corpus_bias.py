"""Measures two methods against a network's bias towards its training corpora.

python benchmarks/corpus_bias.py NOISE --corpus emodb DIR --corpus nemo DIR --corpus ravdess DIR \
    --map calm=neutral --out benchmarks/corpus-bias.json
python benchmarks/corpus_bias_page.py benchmarks/corpus-bias.json --out docs/evidence/corpus-bias.md
"""

from __future__ import annotations

import numpy as np
from page_command import run_page_command
from speech_bank import AS_RECORDED, BankWindows, System, comparison

from sernet_edge.runtime.frontend import Float32
from sernet_edge.train.recordings import Recording

# MixStyle (Zhou et al., "Domain Generalization with MixStyle", ICLR 2021) changes half of the
# windows, with shares from a beta distribution.
_SHARE, _BETA = 0.5, 0.1


class MixedStatistics(BankWindows):
    """Mixes the mean and spread of a window's features with those of another window.

    The other window is of any training recording, of the same corpus or another.
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


main = comparison(
    SYSTEMS,
    [AS_RECORDED],
    2,
    "Compare methods against corpus bias on corpora that are not used in training; takes half an "
    "hour.",
)


if __name__ == "__main__":
    run_page_command(main)
