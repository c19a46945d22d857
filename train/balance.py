"""Balances several corpora in one training, and the labels that each of them lacks.

A corpus without "fear" says nothing about fear. So the loss of its recordings counts only the
labels that their own corpus has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.frontend import Float32, Float64
from sernet_edge.train.corpora.choice import labels_by_corpus
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.recipe import Recipe


def drawn_shares(windows: Sequence[Utterance], recipe: Recipe) -> Float64 | None:
    """Return the probability of each window; None if each is used once an epoch.

    Args:
        windows: The utterance of each window.
        recipe: The training's recipe.
    """
    by_label = recipe.share_by_label()
    is_several = len({utterance.corpus for utterance in windows}) > 1
    is_drawn = recipe.steps > 0 or is_several or by_label
    return balanced_shares(windows, by_label) if is_drawn else None


def balanced_shares(windows: Sequence[Utterance], by_label: Mapping[str, float]) -> Float64:
    """Return the probability of each window, so that corpora and labels are balanced.

    A corpus is drawn in proportion to the square root of its number of windows. In proportion to
    the number itself, a small corpus's language and rooms would hardly occur. Within a corpus all
    labels are drawn equally often, except those in `by_label`.

    Args:
        windows: The utterance of each window.
        by_label: See `Recipe.label_shares`.

    Returns:
        float64 (windows,), with the sum 1.
    """
    of_corpus = Counter(u.corpus for u in windows)
    of_label = Counter((u.corpus, u.label) for u in windows)
    labels = Counter(corpus for corpus, _ in of_label)
    shares = np.array(
        [
            by_label.get(u.label, 1.0)
            * np.sqrt(of_corpus[u.corpus])
            / labels[u.corpus]
            / of_label[u.corpus, u.label]
            for u in windows
        ]
    )
    return shares / shares.sum()


def known_labels(windows: Sequence[Utterance], labels: Sequence[str]) -> Float32 | None:
    """Return for each window which labels its corpus has.

    Every corpus also has `NONE`: its speech teaches what is not `NONE`.

    Args:
        windows: The utterance of each window.
        labels: Labels in the order of the scores.

    Returns:
        float32 (windows, labels), 1 or 0; None if all corpora have the same labels.
    """
    own = labels_by_corpus(windows)
    if len({frozenset(known) for known in own.values()}) < 2:
        return None
    masks = {
        corpus: np.array([label in known or label == NONE for label in labels], np.float32)
        for corpus, known in own.items()
    }
    return np.stack([masks[u.corpus] for u in windows])
