"""Methods of adapting a head to a person, for comparison with the method of `teach`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sernet_edge.runtime.teach.fit import TaughtClips, logit_offset, refit, teach_head
from sernet_edge.runtime.teach.head import Head

Method = Callable[[Head, TaughtClips], Head]


def untaught(head: Head, clips: TaughtClips) -> Head:
    """Return the head unchanged."""
    return head


def statistics(head: Head, clips: TaughtClips) -> Head:
    """Subtract the whole offset of the person's logits from the biases; keep the weights."""
    return Head(head.weights, head.bias - logit_offset(head, clips))


def class_means(head: Head, clips: TaughtClips) -> Head:
    """Choose the nearest mean embedding of an emotion; emotions without clips never win."""
    labels = np.unique(clips.labels)
    weights = np.zeros_like(head.weights)
    bias = np.full(len(head.bias), -1e3)
    for label in labels:
        own = clips.window_labels == label
        mean = np.average(clips.stacked[own], axis=0, weights=clips.weights[own])
        # Half the squared distance, without the term that is the same for all emotions.
        weights[label], bias[label] = mean, -0.5 * float(mean @ mean)
    return Head(weights, bias)


def refit_and_means(head: Head, clips: TaughtClips) -> Head:
    """Fit the layer again, and add a third of the logits of `class_means`."""
    fitted, means = refit(head, clips), class_means(head, clips)
    labels = np.unique(clips.labels)
    weights, bias = fitted.weights.copy(), fitted.bias.copy()
    weights[labels] += (means.weights[labels] - means.weights[labels].mean(axis=0)) / 3
    bias[labels] += (means.bias[labels] - means.bias[labels].mean()) / 3
    return Head(weights, bias)


METHODS: dict[str, Method] = {
    "untaught": untaught,
    "the person's statistics": statistics,
    "distances to class means": class_means,
    "last layer, pulled to its old weights": refit,
    "last layer and class means": refit_and_means,
    "statistics, then last layer: `teach`": teach_head,
}
