"""A run as tables: which there are, and what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sernet_edge.bench.document import FORMAT, Section, is_measured, read_document
from sernet_edge.bench.show.compare import FigureChange
from sernet_edge.bench.show.figures import figures
from sernet_edge.bench.show.table import Table
from sernet_edge.runtime.errors import SernetError

_COUNTED = "Counted under QEMU, not timed: instructions are not cycles."
_ESTIMATED = (
    "Flash and RAM are measured. The needed clock is an estimate: instructions per second of audio "
    "times assumed cycles per instruction"
)


def read(path: Path) -> Section:
    """Read a run that can be shown and compared.

    Raises:
        SernetError: As `read_document`, or something inside is damaged.
    """
    document = read_document(path)
    try:
        tables(document, elf=True)
        machine_line(document)
        list(document["warnings"])
        figures(document)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__} {error}"
        raise SernetError(f"{path} is damaged: {what}", FORMAT.again) from error
    return document


def tables(document: Section, elf: bool = False, every_layer: bool = True) -> list[Table]:
    """Return the tables of a run.

    Args:
        document: The run.
        elf: Whether to list the sections of the linked ELF files, too.
        every_layer: Whether to list the layers of every model, or of the first alone.
    """
    models = document["models"]
    found = [_models(models), _memory(models), _cores(models), _ways(models), _hops(models)]
    if any(is_measured(model["latency"]) for model in models):
        found += [_latency(models, "runs"), _latency(models, "features")]
    found += [_boards(document), _in_use(models)]
    listed = models if every_layer else models[:1]
    found += [_layers(m) if is_measured(m["engine"]) else _operators(m) for m in listed]
    if elf:
        found.append(_sections(models))
    return [table for table in found if table.rows]


def changes_table(changes: Sequence[FigureChange], most: float) -> Table:
    """Return a comparison with a baseline as a table; for `most` see `FigureChange`."""
    header = ["model", "figure", "then", "now", "ratio", "verdict"]
    table = Table("Against the baseline", header, left=2, by_model=True)
    for change in changes:
        now, verdict = change.now, ""
        if change.is_regression(most):
            verdict = "worse" if now.value is not None else "gone"
        elif not change.judged:
            verdict = "another computer"
        table.rows.append(
            [
                now.model,
                now.name,
                _number(change.then),
                "-" if now.value is None else _number(now.value),
                "-" if change.ratio is None else f"{change.ratio:.3f}",
                verdict,
            ]
        )
    return table


def machine_line(document: Section) -> str:
    """Return the computer of a run in one line."""
    machine = document["machine"]
    packages = [f"{name} {version}" for name, version in machine["packages"].items()]
    parts = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['architecture']}, "
        f"{machine['memory_bytes'] / 1e9:.0f} GB",
        machine["system"],
        ", ".join([f"Python {machine['python']}", *packages]),
        *machine["tools"].values(),
    ]
    return "; ".join(parts)


def _models(models: Sequence[Section]) -> Table:
    header = ["model", "precision", "file, B", "weights, B", "parameters", "MMAC", "UAR", "WA",
              "as float"]  # fmt: skip
    table = Table("Models", header, left=2, parts=(2, 4, 3))
    sources: dict[str, list[str]] = {}  # what there is to say -> the models' names
    for model in models:
        counted, accuracy = model["macs"], model["accuracy"]
        table.rows.append(
            [
                model["name"],
                counted["precision"],
                f"{model['size']['file_bytes']:,}",
                f"{model['size']['weight_bytes']:,}",
                f"{counted['parameters']:,}",
                _short(counted["macs"] / 1e6) + ("+" if counted["uncounted"] else ""),
                table.cell(accuracy, lambda a: f"{a['uar']:.1%}"),
                f"{accuracy['wa']:.1%}" if is_measured(accuracy) else "-",
                _agreement(accuracy),
            ]
        )
        said = [f"MMAC without {', '.join(counted['uncounted'])}"] if counted["uncounted"] else []
        said += [model["made"]] if model["made"] else []
        said += [f"accuracy from {accuracy['source']}"] if is_measured(accuracy) else []
        for sentence in said:
            sources.setdefault(sentence, []).append(model["name"])
    table.notes += [f"{', '.join(names)}: {sentence}" for sentence, names in sources.items()]
    table.notes.append("As float: share of windows with the float parent's label.")
    return table


def _agreement(accuracy: Section) -> str:
    agreement = accuracy.get("agreement")
    return f"{agreement['label_agreement']:.1%}" if agreement else "-"


def _memory(models: Sequence[Section]) -> Table:
    header = ["model", "engine's network, B", "TFLM arena, B", "head", "tail", "TFLM : engine",
              "TFLM's bits"]  # fmt: skip
    table = Table("RAM of the network", header, parts=(1, 4, 2))
    for model in models:
        own, tflm = model["engine"], model["tflm"]
        ratio = "-"
        if is_measured(own) and is_measured(tflm):
            ratio = f"{tflm['arena_bytes'] / own['state_bytes']:.1f}"
        same = tflm.get("same_bits")
        table.rows.append(
            [
                model["name"],
                table.cell(own, lambda e: f"{e['state_bytes']:,}"),
                table.cell(tflm, lambda t: f"{t['arena_bytes']:,}"),
                f"{tflm['head_bytes']:,}" if is_measured(tflm) else "-",
                f"{tflm['tail_bytes']:,}" if is_measured(tflm) else "-",
                ratio,
                "-" if same is None else "same" if same else "differ",
            ]
        )
    table.notes.append(
        "The engine's RAM is its state for the network only, without stack. The arena is that of "
        "the interpreter in the package tflite-micro, on this computer: feature maps (head), and "
        "data of tensors and operators (tail). TFLM's bits are compared with TensorFlow Lite's "
        "reference kernels; the engine gives the same bits as these."
    )
    return table


def _traffic(models: Sequence[Section]) -> list[str]:
    """Return notes on the bytes of weights that are read; none of runs that lack them."""
    notes = []
    for model in models:
        read = {
            core: found["weights_read_second"] or found["weights_read"]
            for core, found in model["cores"].items()
            if "weights_read" in found
        }
        if read:
            each = ", ".join(f"{core} {_short(count / 1e6)}" for core, count in read.items())
            timed = any(found.get("weights_read_second") for found in model["cores"].values())
            span = "second of audio" if timed else "window"
            notes.append(f"{model['name']}: MB of weights read per {span}: {each}.")
    return notes


def _cores(models: Sequence[Section]) -> Table:
    header = [
        "model", "core", "instructions, M", "M per second of audio", "flash, B", "RAM, B",
        "stack in RAM, B", "TFLM's instructions, M", "TFLM's flash, B", "TFLM's RAM, B",
        "TFLM : engine",
    ]  # fmt: skip
    table = Table(
        "Microcontroller: the firmware on each core",
        header,
        left=2,
        by_model=True,
        parts=(1, 5, 4),
    )
    origins: list[str] = []
    for model in models:
        for core, found in model["cores"].items():
            tflm = model["tflm_cores"].get(core, {"not_measured": ""})
            own, theirs = is_measured(found), is_measured(tflm)
            row = [
                model["name"],
                core,
                table.cell(found, lambda f: _short(f["instructions"] / 1e6)),
            ]
            if own:
                second = found["per_second"]
                row += [
                    _short(second / 1e6) if second else "-",
                    f"{found['flash_bytes']:,}",
                    f"{found['ram_bytes']:,}",
                    f"{found['stack_bytes']:,}",
                ]
            else:
                row += ["-"] * 4
            mark = " saved" if tflm.get("how") == "saved" else ""
            row += [
                table.cell(tflm, lambda p, mark=mark: f"{_short(p['instructions'] / 1e6)}{mark}"),  # type: ignore[misc]
                f"{tflm['flash_bytes']:,}" if theirs else "-",
                f"{tflm['ram_bytes']:,}" if theirs else "-",
                f"{tflm['instructions'] / found['instructions']:.2f}" if own and theirs else "-",
            ]
            if theirs and (origin := f"TFLM, {tflm['how']}: {tflm['origin']}") not in origins:
                origins.append(origin)
            table.rows.append(row)
    table.notes += [
        *_traffic(models),
        _COUNTED,
        "The engine's flash and RAM are for the whole firmware: front end, window of features, "
        "network and stack (for a model without contract, only the network and stack). TFLM's are "
        "for the network and its stack only.",
        *origins,
    ]
    return table


def _ways(models: Sequence[Section]) -> Table:
    """Return whole windows beside rows that are computed once."""
    header = ["model", "core", "network computes", "M per second of audio", "most in one call, M",
              "after the last sample, M", "RAM, B"]  # fmt: skip
    table = Table(
        "Whole windows and shared rows: the firmware's instructions", header, left=3, by_model=True
    )
    words = {"whole": "each window whole", "shared": "each row once"}
    for model in models:
        for core, found in model["cores"].items():
            for way, its in found.get("ways", {}).items():
                hop = its["hop"]
                table.rows.append(
                    [
                        model["name"],
                        core,
                        words[way],
                        _short(its["per_second"] / 1e6),
                        _short(hop["longest_call"] / 1e6),
                        _short(hop["after_last_sample"] / 1e6),
                        f"{its['ram_bytes']:,}",
                    ]
                )
        engine = model["engine"]
        if "reason" in engine and not engine["shares_rows"]:
            table.notes.append(
                f"{model['name']}: each row once is not possible: {engine['reason']}."
            )
    table.notes.append(
        f"{_COUNTED} Each model uses its own hop. A call is one call of sernet_work, or of "
        "sernet_poll if no work is left. After the last sample: from a window's end to its result."
    )
    return table


def _hops(models: Sequence[Section]) -> Table:
    """Return what the network takes at its hop and at closer ones; none of runs that lack it."""
    header = ["model", "hop, s", "each row once, M MACs per second", "RAM, B",
              "each window whole, M MACs per second", "RAM, B"]  # fmt: skip
    table = Table("Hops: the network in the engine", header, by_model=True)
    for model in models:
        for cost in model["engine"].get("hops", ()):
            row = [model["name"], f"{cost['hop_s']:.3f}"]
            for its in (cost["shared"], cost["whole"]):
                row += [_short(its["macs"] / 1e6), f"{its['state_bytes']:,}"] if its else ["-", "-"]
            table.rows.append(row)
    table.notes.append(
        "MACs per second of audio. RAM is the network's state. If windows share rows, "
        "`sernet-edge export --hop` accepts any divisor of their stride."
    )
    return table


def _latency(models: Sequence[Section], kind: str) -> Table:
    title = "Latency on this computer" if kind == "runs" else "Features of a hop on this computer"
    header = ["model", "runtime", "threads", "median, ms", "p95, ms", "spread",
              "between processes", "CPU, ms", "real-time factor"]  # fmt: skip
    table = Table(title, header, left=2, by_model=True, parts=(2, 4, 2))
    for model in models:
        if not is_measured(model["latency"]):
            continue
        for run in model["latency"][kind]:
            row = [model["name"], run["runtime"], str(run["threads"])]
            row.append(table.cell(run, lambda r: _short(r["median_ms"])))
            if is_measured(run):
                factor = run["real_time_factor"]
                row += [
                    _short(run["p95_ms"]),
                    f"{run['spread']:.0%}",
                    f"{run['between_processes']:.0%}",
                    _short(run["cpu_ms"]),
                    _short(factor) if factor else "-",
                ]
            else:
                row += ["-"] * 5
            table.rows.append(row)
    table.notes.append(
        "Median and 95th percentile are over the repetitions of several fresh processes in "
        'interleaved order. Spread is the interquartile range, and "between processes" is the '
        "range of their medians, both divided by the median. The real-time factor is the share of "
        "the time between two results."
    )
    return table


def _boards(document: Section) -> Table:
    header = ["model", "board", "core", "flash", "RAM", "clock, MHz", "needed (range), MHz",
              "verdict", "limit", "TFLM's arena"]  # fmt: skip
    table = Table("Boards", header, left=3, by_model=True, parts=(1, 5, 3))
    for model in document["models"]:
        if model["macs"]["precision"] != "int8":
            continue
        for row in model["boards"]:
            needed = "-"
            if "clock_mhz_needed" in row:
                needed = f"{row['clock_mhz_needed']:.0f} measured"
                if not row["measured"]:
                    limits = f"{row['clock_mhz_low']:.0f}..{row['clock_mhz_high']:.0f}"
                    needed = f"{row['clock_mhz_needed']:.0f} ({limits})"
            known = "flash_bytes_needed" in row
            table.rows.append(
                [
                    model["name"],
                    row["name"],
                    row["core"] or "-",
                    f"{row['flash_bytes_needed'] / row['flash_bytes']:.0%}" if known else "-",
                    f"{row['ram_bytes_needed'] / row['ram_bytes']:.0%}" if known else "-",
                    f"{row['clock_mhz']:.0f}" if row["clock_mhz"] else "-",
                    needed,
                    row["verdict"]
                    if row["verdict"] != "not known"
                    else f"not known [{table.note(row['why'])}]",
                    ", ".join(row["limits"]) or "-",
                    {True: "fits", False: "too large", None: "-"}[row["tflm_ram"]],
                ]
            )
    assumed = document["method"]["cycles_per_instruction"]
    used = {row["core"] for model in document["models"] for row in model["boards"]}
    table.notes += [
        f"{_ESTIMATED}: "
        + "; ".join(
            f"{core} {a['middle']} ({a['low']} to {a['high']}), {a['reason']}"
            for core, a in assumed.items()
            if core in used
        )
        + ".",
        "Fits: even with the worst assumption. Likely: with the middle one. Unlikely: only with "
        "the best one. The figures do not include the rest of your program.",
        *document["changes"],
    ]
    return table


def _in_use(models: Sequence[Section]) -> Table:
    """Return what boards do in use: whether they keep up, how late, and on which energy."""
    header = ["model", "board", "keeps up", "clock, MHz", "with whole windows, MHz",
              "latency, s", "at most, s", "mAh a day", "J a day"]  # fmt: skip
    table = Table("Boards in use: estimates", header, left=3, by_model=True, parts=(2, 4, 2))
    currents = {}
    for model in models:
        for row in model["boards"]:
            if "keeps_up" not in row:
                continue
            cells = ["-"] * 4
            if row["keeps_up"]:
                cells = [f"{row['latency_s']:.2f}", f"{row['latency_most_s']:.2f}",
                         f"{row['charge_mah']:.3g}", f"{row['energy_j']:.3g}"]  # fmt: skip
            table.rows.append(
                [
                    model["name"],
                    row["name"],
                    "yes" if row["keeps_up"] else "no",
                    f"{row['clock_mhz_needed']:.0f} of {row['clock_mhz']:.0f}",
                    f"{row['clock_mhz_whole']:.0f}",
                    *cells,
                ]
            )
            currents[row["name"]] = (
                f"{row['name']} {row['current_ua_mhz']:g} at {row['supply_v']:g} V "
                f"({row['current_source']})"
            )
    if currents:
        table.notes += [
            "These estimates use the middle assumption on cycles. Latency is the average time from "
            "the end of a sound to the result of the first window that holds all of it: half a hop "
            "until that window ends, plus the remaining work at full clock.",
            "Charge and energy per day cover only the needed cycles, not a sleeping core, the "
            "microphone and the rest of the board.",
            f"Current of the running chip in microamperes per MHz: {'; '.join(currents.values())}. "
            "--current and --supply set other values.",
        ]
    return table


def _layers(model: Section) -> Table:
    counted = {core: found for core, found in model["cores"].items() if is_measured(found)}
    on_host: Sequence[float] = []
    if is_measured(model["latency"]):
        on_host = next((r["layers_ms"] for r in model["latency"]["runs"] if "layers_ms" in r), [])
    header = ["layer", "output", "MMAC", "parameters", "rows kept", "RAM, B", "whole map, B"]
    header += [f"{core}, M instructions" for core in counted] + (
        ["this computer, ms"] if on_host else []
    )
    table = Table(f"Layers of {model['name']}", header, left=2)
    if counted or on_host:
        table.parts = (1, 6, len(header) - 7)
    counted_layers = iter(model["macs"]["layers"])
    for index, layer in enumerate(model["engine"]["layers"]):
        # INPUT and COLLECT are the engine's alone, and a RESHAPE need not be a layer of its own.
        counts = None
        if layer["op"] not in ("INPUT", "COLLECT"):
            counts = next(
                (counts for counts in counted_layers if counts["op"] == layer["op"]), None
            )
        table.rows.append(
            [
                f"{index} {layer['op']}",
                " x ".join(map(str, layer["shape"])),
                _short(counts["macs"] / 1e6) if counts else "-",
                f"{counts['parameters']:,}" if counts else "-",
                str(layer["ring_rows"]),
                f"{layer['ring_bytes'] + layer['scratch_bytes']:,}",
                f"{layer['map_bytes']:,}",
                *(_short(found["layers"][index] / 1e6) for found in counted.values()),
                *([_short(on_host[index])] if on_host else []),
            ]
        )
    total = [
        "network", "", _short(model["macs"]["macs"] / 1e6), f"{model['macs']['parameters']:,}", "",
        f"{model['engine']['state_bytes']:,}", "-",
        *(_short(found["instructions"] / 1e6) for found in counted.values()),
        *([_short(sum(on_host))] if on_host else []),
    ]  # fmt: skip
    table.rows.append(total)
    table.notes.append(
        "RAM is the kept rows of a layer's output plus its working memory. Layers use the same RAM "
        "at different times, so the network needs less than their sum. The network needs more "
        "instructions than its layers: the rest chooses the next layer."
    )
    return table


def _operators(model: Section) -> Table:
    """Return the layers of a model that the engine does not know."""
    header = ["layer", "output", "MMAC", "parameters"]
    table = Table(f"Layers of {model['name']}", header, left=2)
    for index, layer in enumerate(model["macs"]["layers"]):
        shape, counted = " x ".join(map(str, layer["shape"])), _short(layer["macs"] / 1e6)
        if layer["op"] in model["macs"]["uncounted"]:
            counted = "not counted"
        table.rows.append([f"{index} {layer['op']}", shape, counted, f"{layer['parameters']:,}"])
    table.notes.append(model["engine"]["not_measured"])
    return table


def _sections(models: Sequence[Section]) -> Table:
    names = (".vectors", ".text", ".ARM.exidx", ".rodata", ".data", ".bss")
    header = ["model", "core", *names, "flash"]
    table = Table("Sections of the linked firmware, B", header, left=2, by_model=True)
    for model in models:
        for core, found in model["cores"].items():
            row = [model["name"], core]
            if is_measured(found):
                row += [f"{found['sections'].get(name, 0):,}" for name in names]
                row.append(f"{found['flash_bytes']:,}")
            else:
                row += [table.cell(found, str), *["-"] * len(names)]
            table.rows.append(row)
    table.notes.append("Flash is the sum of all sections but .bss.")
    return table


def _short(value: float) -> str:
    """Return a number with about three digits that count, such as 188.7 and 0.0417."""
    if value >= 10 or value == 0:
        return f"{value:,.1f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3g}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
