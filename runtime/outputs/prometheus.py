"""Formats a listener's state for Prometheus.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4"

_Samples = Iterable[tuple[Mapping[str, str], float | None]]


def prometheus(state: Mapping[str, Any]) -> str:
    """Return the metrics of a state.

    Args:
        state: See `Health.record`.
    """
    latest = state["result"] or {}
    facts = {name: str(state[name]) for name in ("program_version", "model", "contract", "source")}
    lines = [
        *_metric("info", "gauge", "Program, model and source.", [(facts, 1)]),
        *_one("healthy", "gauge", "1 while results come.", float(state["status"] == "ok")),
        *_one("uptime_seconds", "gauge", "Time since the start.", state["uptime_s"]),
        *_one("memory_bytes", "gauge", "Resident memory of the process.", state["memory_bytes"]),
        *_one("result_age_seconds", "gauge", "Time since the latest result.", state["age_s"]),
        *_counts("results", "Results, by leading label.", "label", state["results"]),
        *_one("unsure_results_total", "counter", "Results that were unsure.", state["unsure"]),
        *_counts("events", "Events that began, by label.", "label", state["events"]),
        *_counts("notices", "Notices, by code.", "code", state["notices"]),
        *_one("clipped_samples_total", "counter", "Samples at full scale.", state["clipped"]),
        *_one("overflows_total", "counter", "Times audio was lost.", latest.get("overflows")),
        *_one("skipped_total", "counter", "Results left out.", latest.get("skipped")),
        *_metric(
            "running", "gauge", "1 during an event.", (({"label": n}, 1) for n in state["running"])
        ),
        *_metric("lost", "gauge", "1 while gone.", (({"part": n}, 1) for n in state["lost"])),
        *_metric(
            "score",
            "gauge",
            "Smoothed scores of the latest result.",
            (({"label": name}, score) for name, score in latest.get("scores", {}).items()),
        ),
        *_one("arousal", "gauge", "0 is calm, 1 is agitated.", latest.get("arousal")),
        *_one("speech_ratio", "gauge", "Share of speech.", latest.get("speech")),
        *_one("level_dbfs", "gauge", "Level of the sound.", latest.get("level_dbfs")),
        *_one("drift", "gauge", "Distance from the training.", latest.get("drift")),
        *_one("feature_seconds", "gauge", "Time for features.", _seconds(latest, "feature_ms")),
        *_one(
            "inference_seconds", "gauge", "Time for the model.", _seconds(latest, "inference_ms")
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _seconds(latest: Mapping[str, Any], name: str) -> float | None:
    ms = latest.get(name)
    return None if ms is None else ms / 1000


def _one(name: str, kind: str, text: str, value: float | None) -> list[str]:
    return _metric(name, kind, text, [({}, value)])


def _counts(name: str, text: str, label: str, counts: Mapping[str, int]) -> list[str]:
    samples = (({label: key}, float(count)) for key, count in counts.items())
    return _metric(f"{name}_total", "counter", text, samples)


def _metric(name: str, kind: str, text: str, samples: _Samples) -> list[str]:
    """Return a metric's lines; none if it has no value."""
    name = f"sernet_{name}"
    lines = [
        f"{name}{_labels(labels)} {value:.10g}" for labels, value in samples if value is not None
    ]
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *lines] if lines else []


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
