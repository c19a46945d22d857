"""A run as pictures: latency and RAM by layer, and accuracy against cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sernet_edge.bench.document import Section, is_measured
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import make_folder, replacing

# Told apart by readers of any colour vision (Okabe and Ito 2008), and by their place.
_BLUE, _ORANGE, _GREEN, _PINK, _GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#999999"


def draw(document: Section, folder: Path) -> list[Path]:
    """Write a run's pictures as PNG; return their paths.

    `layers-MODEL.png` for each model that the native engine can run, and `accuracy.png`.

    Raises:
        SernetError: matplotlib is missing, or a file cannot be written.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise SernetError(
            "--pictures needs the Python package 'matplotlib'", "pip install 'sernet-edge[train]'"
        ) from error
    matplotlib.use("Agg")  # No display.
    make_folder(folder)
    drawn = []
    for model in document["models"]:
        if is_measured(model["engine"]):
            name = model["name"].replace("/", "-")  # Of several folders' files, folder and file.
            drawn.append(_save(_layers(model), folder / f"layers-{name}.png"))
    drawn.append(_save(_accuracy(document["models"]), folder / "accuracy.png"))
    return drawn


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    from sernet_edge.train.evaluation.legible import legible

    with replacing(path) as temporary, legible(figure):
        # Nothing that differs from one run to the next, such as matplotlib's version.
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
    return path


def _layers(model: Section) -> Any:
    """Draw, layer by layer, the memory of the engine and of an interpreter, and the time."""
    from matplotlib import pyplot

    layers = model["engine"]["layers"]
    names = [
        f"{layer['op'].lower().replace('_', ' ')} {'×'.join(map(str, layer['shape']))}"
        for layer in layers
    ]
    times = _times(model)
    places = range(len(layers))
    figure, axes = pyplot.subplots(
        1,
        2 if times else 1,
        sharey=True,
        squeeze=False,
        figsize=(9.5, 1.4 + 0.3 * len(layers)),
        layout="constrained",
    )
    memory = axes[0][0]
    kept = [layer["ring_bytes"] + layer["scratch_bytes"] for layer in layers]
    memory.barh([p - 0.2 for p in places], kept, 0.4, color=_BLUE, label="native engine: rows kept")
    memory.barh(
        [p + 0.2 for p in places], [layer["map_bytes"] for layer in layers], 0.4, color=_GREY,
        label="interpreter: whole map",
    )  # fmt: skip
    memory.set_xscale("log")
    memory.set_xlabel("RAM, bytes (logarithmic)")
    memory.set_yticks(list(places), names, fontsize=9)
    memory.set_ylim(len(layers) - 0.4, -0.6)  # the first layer on top
    memory.set_title("RAM by layer", fontsize=11)
    if times:
        time = axes[0][1]
        height = 0.8 / len(times)
        for number, (_, label, colour, shares) in enumerate(times):
            offset = (number + 0.5) * height - 0.4
            time.barh([p + offset for p in places], shares, height, color=colour, label=label)
        what = " and ".join(dict.fromkeys(kind for kind, _, _, _ in times))
        time.set_xlabel(f"share of a window's {what}, %")
        time.set_title(f"{what.capitalize()} by layer", fontsize=11)
    for axis in axes[0]:
        axis.grid(axis="x", alpha=0.3)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.06), frameon=False)
    figure.suptitle(model["name"], fontsize=12)
    return figure


def _times(model: Section) -> list[tuple[str, str, str, list[float]]]:
    """Return the counted or measured cost of each layer.

    Each "instructions" or "time", with label, colour and shares in %.
    """
    found = []
    for core, colour in (("m4", _ORANGE), ("m55", _GREEN)):
        counted = model["cores"].get(core, {"not_measured": ""})
        if is_measured(counted):
            total = counted["instructions"]
            shares = [100 * count / total for count in counted["layers"]]
            label = f"Cortex-{core.upper()}: {total / 1e6:.1f} M instructions"
            found.append(("instructions", label, colour, shares))
    if is_measured(model["latency"]):
        for run in model["latency"]["runs"]:
            if "layers_ms" in run:
                total = sum(run["layers_ms"])
                shares = [100 * ms / total for ms in run["layers_ms"]]
                found.append(("time", f"this computer: {total:.1f} ms", _PINK, shares))
    return found


def _accuracy(models: Sequence[Section]) -> Any:
    """Draw accuracy against flash, RAM and instructions, one point a model."""
    from matplotlib import pyplot

    costs: list[tuple[str, Callable[[Section], float | None]]] = [
        ("flash of the firmware, kB", lambda m: _of(m["cores"].get("m4"), "flash_bytes", 1e3)),
        ("RAM of the network, kB", lambda m: _of(m["engine"], "state_bytes", 1e3)),
        ("Cortex-M4 instructions, M", lambda m: _of(m["cores"].get("m4"), "instructions", 1e6)),
    ]
    figure, axes = pyplot.subplots(1, 3, sharey=True, figsize=(9.5, 3.9), layout="constrained")
    judged = [m for m in models if is_measured(m["accuracy"])]
    handles: dict[str, Any] = {}
    for axis, (title, cost) in zip(axes, costs, strict=True):
        points = []
        for number, model in enumerate(judged):
            if (value := cost(model)) is None:
                continue
            marker = "osD^vPX*<>"[number % 10]
            own = model["accuracy"]["how"] != "cross-validation"
            colour = f"C{number % 10}"
            points.append((value, 100 * model["accuracy"]["uar"]))
            handles[model["name"]] = axis.scatter(
                *points[-1], s=60, marker=marker,
                edgecolors=colour,
                facecolors=colour if own else "none",
                label=model["name"],
            )  # fmt: skip
        best = _best(points)
        axis.plot([p[0] for p in best], [p[1] for p in best], color=_GREY, linewidth=1, zorder=0)
        axis.margins(0.12)
        axis.set_xlabel(title)
        axis.set_xlim(left=0)
        axis.grid(alpha=0.3)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        if not axis.collections:
            axis.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axis.transAxes)
    axes[0].set_ylabel("UAR, %")
    if handles:
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=3, fontsize=9,
            frameon=False,
        )  # fmt: skip
    what = "hollow: of a cross-validation; line: the most accurate for what they cost"
    figure.suptitle(f"Accuracy against cost ({what})", fontsize=11)
    return figure


def _best(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points, as cost and accuracy, than which no cheaper one is as accurate."""
    best: list[tuple[float, float]] = []
    for cost, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or accuracy > best[-1][1]:
            best.append((cost, accuracy))
    return best


def _of(section: Section | None, key: str, unit: float) -> float | None:
    """Return a section's figure in a unit; None where there is none."""
    return section[key] / unit if section is not None and is_measured(section) else None
