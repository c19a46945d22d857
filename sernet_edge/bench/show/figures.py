"""A run as a flat list of figures, each with its unit and how it came about."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from io import StringIO

from sernet_edge.bench.document import Section, is_measured


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        model: Whose.
        name: What; the same in every run.
        value: How much; None: it could not be had, and `how` says why.
        unit: Of `value`; "" for a share.
        how: "measured", "counted", "computed" (from the file), "estimated", "saved", "card",
            "cross-validation", or "not measured: ..." and what to do.
        better: "lower" or "higher"; "" where neither is better, or the number is not a result.
    """

    model: str
    name: str
    value: float | None
    unit: str
    how: str
    better: str = "lower"


def figures(document: Section) -> list[Figure]:
    """Return every figure of a run, model by model."""
    return [figure for model in document["models"] for figure in _of_model(model)]


def as_csv(document: Section) -> str:
    """Return the figures as CSV, one a line."""
    text = StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Figure)], lineterminator="\n")
    writer.writeheader()
    for figure in figures(document):
        writer.writerow(asdict(figure))
    return text.getvalue()


def _of_model(model: Section) -> Iterator[Figure]:
    name = model["name"]
    yield from _group(
        name,
        model["size"],
        "computed",
        ("file", "file_bytes", "B"),
        ("weights", "weight_bytes", "B"),
    )
    yield from _group(
        name,
        model["macs"],
        "computed",
        ("MACs", "macs", "MAC"),
        ("parameters", "parameters", ""),
    )
    accuracy = model["accuracy"]
    how = accuracy.get("how", "")
    yield from _group(name, accuracy, how, ("UAR", "uar", ""), ("WA", "wa", ""), better="higher")
    agreement = accuracy.get("agreement")
    if agreement:
        entry = ("same label as the float parent", "label_agreement", "")
        yield from _group(
            name, agreement, "measured" if how == "measured" else "card", entry, better="higher"
        )
    yield from _group(
        name, model["engine"], "computed", ("engine's state, network alone", "state_bytes", "B")
    )
    yield from _group(
        name,
        model["tflm"],
        "measured",
        ("TFLM arena", "arena_bytes", "B"),
        ("TFLM arena, head", "head_bytes", "B"),
        ("TFLM arena, tail", "tail_bytes", "B"),
    )
    yield from _of_cores(model)
    yield from _of_latency(name, model["latency"])
    for row in model["boards"]:
        if "clock_mhz_needed" in row:
            how = "measured" if row["measured"] else "estimated"
            yield Figure(
                name, f"{row['name']}: clock needed", row["clock_mhz_needed"], "MHz", how, ""
            )
        if row.get("keeps_up"):
            yield from _group(
                name,
                row,
                "estimated",
                (f"{row['name']}: latency", "latency_s", "s"),
                (f"{row['name']}: charge a day", "charge_mah", "mAh"),
                (f"{row['name']}: energy a day", "energy_j", "J"),
                better="",
            )


def _of_cores(model: Section) -> Iterator[Figure]:
    """Yield the figures of microcontroller cores: the engine's, then TensorFlow Lite Micro's."""
    name = model["name"]
    for core, found in model["cores"].items():
        yield from _group(
            name,
            found,
            "counted",
            (f"{core}: instructions per inference", "instructions", ""),
            (f"{core}: instructions per second of audio", "per_second", ""),
        )
        # Runs that were saved before it was computed lack it.
        if "weights_read" in found:
            yield from _group(
                name,
                found,
                "computed",
                (f"{core}: weights read per window", "weights_read", "B"),
                (f"{core}: weights read per second of audio", "weights_read_second", "B"),
            )
        for way, its in found.get("ways", {}).items():
            words = {"whole": "whole windows", "shared": "each row once"}[way]
            second = f"{core}, {words}: instructions per second of audio"
            yield from _group(name, its, "counted", (second, "per_second", ""))
            yield from _group(
                name,
                its["hop"],
                "counted",
                (f"{core}, {words}: most instructions in one call", "longest_call", ""),
            )
        yield from _group(
            name,
            found,
            "measured",
            (f"{core}: flash", "flash_bytes", "B"),
            (f"{core}: RAM", "ram_bytes", "B"),
            (f"{core}: of it stack", "stack_bytes", "B"),
        )
    for core, found in model["tflm_cores"].items():
        how = found.get("how", "")
        yield from _group(
            name,
            found,
            # Counted anew or long ago: a saved figure is not a result of this run.
            "counted" if how == "measured" else how,
            (f"TFLM, {core}: instructions per inference", "instructions", ""),
            (f"TFLM, {core}: flash", "flash_bytes", "B"),
            (f"TFLM, {core}: RAM", "ram_bytes", "B"),
            better="lower" if how == "measured" else "",
        )


def _group(
    name: str,
    section: Section,
    how: str,
    *entries: tuple[str, str, str],
    better: str = "lower",
) -> Iterator[Figure]:
    """Yield figures of a section of the model `name`, each given as its name, key and unit."""
    for label, key, unit in entries:
        if not is_measured(section):
            why = f"not measured: {section['not_measured']}"
            yield Figure(name, label, None, unit, why, better)
        elif section.get(key) is not None:
            yield Figure(name, label, section[key], unit, how, better)


def _of_latency(name: str, latency: Section) -> Iterator[Figure]:
    if not is_measured(latency):
        yield Figure(name, "latency", None, "ms", f"not measured: {latency['not_measured']}", "")
        return
    for kind, label in (("runs", "latency"), ("features", "features of a hop")):
        for run in latency[kind]:
            threads = f"{run['threads']} thread" + "s" * (run["threads"] > 1)
            title = f"{label}, {run['runtime']}, {threads}"
            if is_measured(run):
                yield Figure(name, title, run["median_ms"], "ms", "measured")
                yield Figure(name, f"{title}, p95", run["p95_ms"], "ms", "measured", "")
                yield Figure(name, f"{title}, CPU time", run["cpu_ms"], "ms", "measured", "")
            else:
                why = f"not measured: {run['not_measured']}"
                yield Figure(name, title, None, "ms", why)
