"""`sernet-edge inspect`: what is in a model file, and what can run it."""

from __future__ import annotations

import json
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.micro_settings import MicroSettings
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.options import MODEL_PATH

_WIDTH = 80

# Types of inputs that can be made up.
_NUMBERS = ("float32", "int8", "uint8", "int16", "int32", "int64", "bool")
_INDENT = " " * 11


@click.command()
@click.argument("model_path", metavar="MODEL", type=MODEL_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with every number.")
def inspect(model_path: Path, as_json: bool) -> None:
    """Show what is in MODEL, a .tflite or .keras file, and what can run it.

    That is the contract, the layers with their shapes and quantisation, parameters and MACs
    (multiply-accumulates), where the model came from, and whether `listen`, the native engine
    and TensorFlow Lite Micro take it.
    """
    file = ModelFile.read(model_path)
    if file.is_flatbuffer:
        found = describe_tflite(file)
    elif zipfile.is_zipfile(BytesIO(file.data)) or file.data[:4] == b"PK\x03\x04":
        found = describe_keras(file)
    else:
        what = "an empty file" if not file.data else "neither a .tflite nor a .keras model"
        raise SernetError(f"{file.name} is {what}, or is damaged", "give a .tflite or .keras file")
    click.echo(json.dumps(found, indent=1) if as_json else _text(found))


def describe_tflite(file: ModelFile) -> dict[str, Any]:
    """Return the content of a `.tflite`, as JSON has it.

    Args:
        file: The file.

    Raises:
        ModelError: It is damaged.
        ContractError: Its contract is.
    """
    from sernet_edge.firmware_export.graph import Tensor, quantised, read_graph

    contract, graph = file.contract, read_graph(file)

    def tensor(t: Tensor) -> dict[str, Any]:
        return {"name": t.name, "shape": t.shape, "type": t.type, "quantisation": quantised(t)}

    layers = [
        {
            "op": operator.name,
            "version": operator.version,
            "inputs": [tensor(t) for t in operator.inputs],
            "constants": [tensor(t) for t in operator.constants],
            "outputs": [tensor(t) for t in operator.outputs],
            "parameters": operator.parameters,
            "macs": operator.macs,
        }
        for operator in graph.operators
    ]
    native, windows = _native(file, contract)
    return {
        "file": file.name,
        "format": "tflite",
        "bytes": len(file.data),
        "flatbuffer_bytes": len(file.flatbuffer),
        "flatbuffer_sha256": file.sha256,
        "written_by": graph.description,
        "subgraphs": graph.subgraphs,
        "inputs": [tensor(t) for t in graph.inputs],
        "outputs": [tensor(t) for t in graph.outputs],
        "layers": layers,
        "operators": {
            f"{name} v{version}": sum(
                (o.name, o.version) == (name, version) for o in graph.operators
            )
            for name, version in sorted({(o.name, o.version) for o in graph.operators})
        },
        "parameters": graph.parameters,
        "macs": _total([operator.macs for operator in graph.operators]),
        "contract": _settings(contract),
        "provenance": dict(contract.provenance) if contract else None,
        "runs_in": {
            "listen": _listens(file, contract),
            "native engine": native,
            "TensorFlow Lite Micro": _tflm(file, graph.inputs),
        },
        "windows": windows,
    }


def describe_keras(file: ModelFile) -> dict[str, Any]:
    """Return the content of a `.keras` file; see `describe_tflite`."""
    from sernet_edge.inspect.keras_layers import read_layers

    version, layers = read_layers(file)
    contract = file.contract
    convert = "no: `sernet-edge convert` makes a .tflite of it"
    return {
        "file": file.name,
        "format": "keras",
        "bytes": len(file.data),
        "written_by": f"Keras {version}",
        "layers": [asdict(layer) for layer in layers],
        "parameters": _total([layer.parameters for layer in layers]),
        "macs": _total([layer.macs for layer in layers]),
        "contract": _settings(contract),
        "provenance": dict(contract.provenance) if contract else None,
        "runs_in": dict.fromkeys(("listen", "native engine", "TensorFlow Lite Micro"), convert),
        "windows": None,
    }


def _settings(contract: Contract | None) -> dict[str, Any] | None:
    if contract is None:
        return None
    settings = {"id": contract.id, **asdict(contract)}
    del settings["provenance"]
    return settings


def _total(numbers: list[int | None]) -> int | None:
    """Return the sum, None if a part of it is not known."""
    return None if None in numbers else sum(n for n in numbers if n is not None)


# Whether the project's consumers take the model: each is asked itself.


def _listens(file: ModelFile, contract: Contract | None) -> str:
    if contract is None:
        return "no: it has no contract, which names its features"
    from sernet_edge.runtime.frontend import FeatureStream, FrontEnd
    from sernet_edge.runtime.interpreter import Model

    try:
        Model(file)
        FeatureStream(FrontEnd(contract))
    except SernetError as error:
        return _no(error, file)
    return "yes"


def _native(file: ModelFile, contract: Contract | None) -> tuple[str, dict[str, Any] | None]:
    """Return whether the native engine takes a file, and how it computes windows if it does."""
    from sernet_edge.firmware_export import emit, frontend_tables, hops
    from sernet_edge.firmware_export.planned import PlannedModel
    from sernet_edge.runtime.interpreter import Model

    try:
        planned = PlannedModel.read(file)
        emit.model_source(planned.plan, "model")
        ram = f"{planned.state_bytes:,} bytes of RAM"
        if contract is None:
            answer = f"the network alone, {ram}: the front end needs a contract"
        else:
            frontend_tables.contract_source(Model(file))
            answer = f"yes, {ram} for the network"
    except SernetError as error:
        return _no(error, file), None
    costs = [] if contract is None else [asdict(cost) for cost in hops.hop_costs(planned)]
    return answer, {
        "share_rows": planned.stream is not None,
        "reason": planned.reason,
        "hops": costs,
    }


def _tflm(file: ModelFile, inputs: tuple[Any, ...]) -> str:
    import importlib.util

    if importlib.util.find_spec("tflite_micro") is None:
        return "not checked: pip install --pre tflite-micro"
    from sernet_edge.firmware_export import tflm

    if not inputs:
        return "not checked: the model has no input"
    if inputs[0].type not in _NUMBERS:
        return f"not checked: its input is {inputs[0].type}, not numbers"
    # A size that is not fixed is 1 for it: such a batch, as a rule.
    window = np.zeros((1, inputs[0].elements), inputs[0].type)
    if sys.stderr.isatty():
        click.echo("running it once in TensorFlow Lite Micro ...", err=True)
    try:
        return f"yes, an arena of {tflm.run(file, window).arena_bytes:,} bytes"
    except SernetError as error:
        return _no(error, file)


def _no(error: SernetError, file: ModelFile) -> str:
    return "no: " + error.message.removeprefix(f"{file.name}: ")


# For people: 80 columns.


def _text(found: dict[str, Any]) -> str:
    lines = [
        *_head(found),
        "",
        *_contract_lines(found["contract"]),
        "",
        *(_keras_layers(found) if found["format"] == "keras" else _tflite_layers(found)),
        "",
        *_provenance(found["provenance"]),
        "",
    ]
    for number, (name, answer) in enumerate(found["runs_in"].items()):
        lines += _entry("runs in" if number == 0 else "", f"{name}: {answer}")
    if (windows := found["windows"]) is not None:
        way = "each row is computed once" if windows["share_rows"] else "each is computed whole"
        lines += _entry("windows", f"{way} by the native engine: {windows['reason']}")
        lines += _hops(windows["hops"])
    return "\n".join(line.rstrip() for line in lines)


def _hops(costs: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a table of what the network costs the native engine at each hop."""
    if costs:
        yield f"{'hop':11}{'':9} {'each row once':>28}  {'each window whole':>29}"
    for cost in costs:
        both = [
            f"{its['macs'] / 1e6:,.1f} M MACs/s, {its['state_bytes']:,} B" if its else "-"
            for its in (cost["shared"], cost["whole"])
        ]
        yield f"{_INDENT}{cost['hop_s']:7.3f} s {both[0]:>28}  {both[1]:>29}"


def _entry(name: str, text: str) -> list[str]:
    """Return lines of a name and what belongs to it, wrapped."""
    return textwrap.wrap(text, _WIDTH, initial_indent=f"{name:11}", subsequent_indent=_INDENT) or [
        name
    ]


def _head(found: dict[str, Any]) -> list[str]:
    lines = _entry("file", found["file"])
    size = f"{found['bytes']:,} bytes"
    if found["format"] == "tflite":
        size += f", {found['flatbuffer_bytes']:,} of them the flatbuffer"
    lines += _entry("size", size)
    lines += _entry("work", f"{_number(found['parameters'])} parameters, {_macs(found['macs'])}")
    if found["written_by"]:
        lines += _entry("written by", found["written_by"])
    if found["format"] == "tflite":
        operators = [
            f"{count} {name}" if count > 1 else name for name, count in found["operators"].items()
        ]
        lines += _entry("operators", ", ".join(operators))
        lines += _entry("sha256", found["flatbuffer_sha256"])
        if found["subgraphs"] > 1:
            lines += _entry("subgraphs", f"{found['subgraphs']}; the first is shown")
        for name in ("inputs", "outputs"):
            for tensor in found[name]:
                text = f"{_shape(tensor['shape'])} {tensor['type']}{_scale(tensor)}"
                lines += _entry(name[:-1], f"{text}  {tensor['name']}")
    return lines


def _number(value: int | None) -> str:
    return "an unknown number of" if value is None else f"{value:,}"


def _macs(value: int | None) -> str:
    return f"{_number(value)} MACs a window"


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join("?" if n < 0 else str(n) for n in shape) or "scalar"


def _scale(tensor: dict[str, Any]) -> str:
    """Return a tensor's quantisation in words, "" for one without."""
    quantisation = tensor["quantisation"]
    if quantisation is None:
        return ""
    if quantisation["per_channel"]:
        low, high = quantisation["scale_range"]
        return f", {quantisation['channels']} scales {low:.3g}..{high:.3g}, one a channel"
    (zero_point,) = quantisation["zero_points"] or (0,)
    return f", scale {quantisation['scale']:.4g}, zero point {zero_point}"


def _contract_lines(settings: dict[str, Any] | None) -> list[str]:
    if settings is None:
        return _entry("contract", "none: the file was not made by sernet-edge, or lost it")
    c = Contract(**{k: v for k, v in settings.items() if k != "id"})
    step_ms, length_ms = 1000 * c.frame_step_s, 1000 * c.frame_length_samples / c.sample_rate_hz
    # What of the contract's settings the shapes alone do not show.
    kinds = {
        "mfcc": f"{c.mfcc_count} MFCCs of {c.mel_bands} mel bands",
        "mel": f"{c.mel_bands} logarithmic mel energies",
        "spectrogram": f"{c.feature_count} bins of a logarithmic spectrum",
        "micro": f"{c.mel_bands} channels of the micro frontend",
    }
    extras = [
        *([f"pre-emphasis {c.preemphasis:g}"] if c.preemphasis else []),
        *([f"lifter {c.lifter}"] if c.lifter else []),
        *(["energy for c0"] if c.first_feature == "energy" else []),
    ]
    kinds = {name: ", ".join([kind, *extras]) for name, kind in kinds.items()}
    window = f"{c.window_function}, " if c.micro_frontend is None else ""
    unsure = f"below {c.unsure_below:g}" if c.unsure_below else "never"
    drift = f"above {c.drift_limit:g}" if c.drift_limit else "not judged"
    return [
        *_entry("contract", f"{c.id}, version {c.version}"),
        *_entry("labels", ", ".join(c.labels)),
        *_entry("audio", f"{c.sample_rate_hz:,} Hz, samples as {c.sample_scale}"),
        *_entry(
            "frames",
            f"{c.frame_length_samples:,} samples ({length_ms:g} ms) every {c.frame_step_samples:,} "
            f"({step_ms:g} ms), {window}FFT of {c.fft_size:,}",
        ),
        *_entry(
            "features",
            f"{kinds[c.features]}, {c.mel_low_hz:g}..{c.mel_high_hz:g} Hz"
            + (
                f", floor {c.energy_floor:g}; level {c.level}; standardised, clipped at {c.clip:g}"
                if c.micro_frontend is None
                else _micro_text(c.micro_frontend)
            ),
        ),
        *_entry(
            "window",
            f"{c.window_frames:,} frames ({c.window_s:.3f} s), a result every {c.hop_frames:,} "
            f"({c.hop_frames * c.frame_step_s:.3f} s), smoothing {c.smoothing:g}",
        ),
        *_entry("decisions", f"unsure: {unsure}; drift: {drift}"),
    ]


def _micro_text(settings: MicroSettings) -> str:
    """Return what the settings of the micro frontend do, in words."""
    gain = f"PCAN of strength {settings.pcan_strength:g}" if settings.enable_pcan else "no PCAN"
    scale = f"256/{settings.divisor}" if settings.divisor else f"{settings.scale:g}"
    return (
        f"; noise smoothed with {settings.even_smoothing:g} and {settings.odd_smoothing:g}, "
        f"{gain}; logarithms with {settings.scale_shift} bits behind the point, times {scale}"
    )


def _tflite_layers(found: dict[str, Any]) -> Iterator[str]:
    yield f"{'layer':26} {'makes':30} {'parameters':>10} {'MACs':>11}"
    for number, layer in enumerate(found["layers"]):
        made = layer["outputs"][0] if layer["outputs"] else None
        text = f"{_shape(made['shape'])} {made['type']}" if made else ""
        yield _row(
            f"{number:3} {layer['op']} v{layer['version']}",
            text,
            layer["parameters"],
            layer["macs"],
        )
        if made and made["quantisation"]:
            yield from _note(_scale(made).removeprefix(", "))
        for constant in layer["constants"]:
            if constant["quantisation"] and len(constant["shape"]) > 1:
                shape = _shape(constant["shape"])
                yield from _note(f"weights {shape} {constant['type']}{_scale(constant)}")


def _keras_layers(found: dict[str, Any]) -> Iterator[str]:
    yield f"{'layer':26} {'makes':30} {'parameters':>10} {'MACs':>11}"
    for number, layer in enumerate(found["layers"]):
        shape = _shape(layer["shape"]) if layer["shape"] else "?"
        name = f"{number:3} {layer['kind']}"
        yield _row(name, f"{shape} {layer['type']}", layer["parameters"], layer["macs"])


def _row(name: str, made: str, parameters: int | None, macs: int | None) -> str:
    numbers = ("?" if n is None else f"{n:,}" for n in (parameters, macs))
    return f"{_cut(name, 26)} {_cut(made, 30)} " + "{:>10} {:>11}".format(*numbers)


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _note(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 8)


def _provenance(provenance: dict[str, Any] | None) -> list[str]:
    if not provenance:
        return _entry("made from", "not told")
    lines = ["made from"]
    for key, text in _flat(provenance, ""):
        start = f"  {key:36} "
        if len(start) > 40:
            lines.append(start)
            start = " " * 39
        lines += textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=" " * 39) or [
            start
        ]
    return lines


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested objects with the path to each."""
    if isinstance(value, dict) and value:
        for name, part in sorted(value.items()):
            yield from _flat(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)) and not any(isinstance(v, (dict, list)) for v in value):
        yield key, ", ".join(map(_leaf, value)) or "none"
    else:
        yield key, _leaf(value)


def _leaf(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value)
    return "".join(c if c.isprintable() else "?" for c in text)
