"""Counts the events that a listener finds in noise, where there should be none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sernet_edge.runtime.records import Event, Result
from sernet_edge.runtime.stream import Classifier, Listener
from sernet_edge.train.noise import NoiseClip
from sernet_edge.train.progress import QUIET, Progress


def false_events(
    model: Classifier, clips: Sequence[NoiseClip], progress: Progress = QUIET
) -> dict[str, Any]:
    """Run a listener without a voice gate on each clip, as `listen` does, and count.

    Args:
        model: The model.
        clips: One or more clips. Each is a stream of its own; a clip shorter than a window is
            padded.
        progress: Receives a step for each clip.

    Returns:
        JSON-ready: `clips`, their number; `hours` of their sound; `windows`; `sure`, the share of
        windows with a sure emotion; `labels`, the number of windows that each label leads;
        `events`, the number of events; `events_per_hour`; and `event_labels`, the number of events
        of each label.

    Raises:
        SernetError: The model cannot be used on a stream.
    """
    labels: Counter[str] = Counter()
    events: Counter[str] = Counter()
    sure = 0
    progress.begin("clip of noise", len(clips))
    for clip in clips:
        listener = Listener(model)
        for record in [*listener.push(clip.samples), *listener.finish()]:
            if isinstance(record, Result) and record.label is not None:
                labels[record.label] += 1
                sure += record.sure and record.emotion is not None
            elif isinstance(record, Event) and record.kind == "start":
                events[record.label] += 1
        progress.advance()
    return summary(clips, model.contract.sample_rate_hz, labels, sure, events)


def summary(
    clips: Sequence[NoiseClip],
    rate_hz: int,
    labels: Counter[str],
    sure: int,
    events: Counter[str],
) -> dict[str, Any]:
    """Return the figures of `false_events`.

    Args:
        clips: The clips.
        rate_hz: Their sample rate.
        labels: Number of windows that each label leads.
        sure: Number of windows with a sure emotion.
        events: Number of events of each label.
    """
    hours = sum(len(clip.samples) for clip in clips) / rate_hz / 3600
    windows = sum(labels.values())
    return {
        "clips": len(clips),
        "hours": hours,
        "windows": windows,
        "sure": sure / windows,
        "labels": dict(labels.most_common()),
        "events": sum(events.values()),
        "events_per_hour": sum(events.values()) / hours,
        "event_labels": dict(events.most_common()),
    }
