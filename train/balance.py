"""What several corpora need to be trained on together: a fair share each, and no false lesson.

A corpus without "fear" says nothing about fear, so its recordings are scored among the labels of
their own corpus alone.
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
    """Return how likely each window is drawn; None where each is seen once an epoch.

    Args:
        windows: The utterance that each window is cut out of.
        recipe: Of the training.
    """
    by_label = recipe.share_by_label()
    is_several = len({utterance.corpus for utterance in windows}) > 1
    is_drawn = recipe.steps > 0 or is_several or by_label
    return balanced_shares(windows, by_label) if is_drawn else None


def balanced_shares(windows: Sequence[Utterance], by_label: Mapping[str, float]) -> Float64:
    """Return how likely each window is drawn, so that corpora and labels are balanced.

    A corpus is drawn by the square root of its number of windows: a large one more often than a
    small one, but not in proportion, or the small one's language and rooms would hardly be heard.
    Within it all labels are drawn equally often, but for those that `by_label` names.

    Args:
        windows: The utterance that each window is cut out of.
        by_label: See `Recipe.label_shares`.

    Returns:
        float64 (windows,), 1 in sum.
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
    """Return which labels each window can teach: those that occur in its corpus.

    Every corpus teaches what is not `NONE`, too: it holds speech.

    Args:
        windows: The utterance that each window is cut out of.
        labels: In the order of the scores.

    Returns:
        float32 (windows, labels), 1 or 0; None if every corpus has all labels that any has.
    """
    own = labels_by_corpus(windows)
    if len({frozenset(known) for known in own.values()}) < 2:
        return None
    masks = {
        corpus: np.array([label in known or label == NONE for label in labels], np.float32)
        for corpus, known in own.items()
    }
    return np.stack([masks[u.corpus] for u in windows])
