"""`sernet-edge listen`: from a source of audio through a `Listener` to an output."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from sernet_edge.runtime import interpreter
from sernet_edge.runtime.audio import MAX_RATE_HZ, MIN_RATE_HZ, RawSource, Source, mono
from sernet_edge.runtime.errors import AudioError
from sernet_edge.runtime.microphone import Microphone, input_devices
from sernet_edge.runtime.models import DEFAULT_MODEL
from sernet_edge.runtime.options import finite
from sernet_edge.runtime.outputs import JsonLines, LiveView, Output, PlainLines
from sernet_edge.runtime.stream import Listener
from sernet_edge.runtime.wav import WavSource


@click.command()
@click.option(
    "--model",
    "model_path",
    type=click.Path(path_type=Path),
    default=DEFAULT_MODEL,
    metavar="FILE",
    help="A .tflite with its contract.  [default: the one that ships]",
)
@click.option(
    "--input",
    "input_name",
    metavar="FILE|-",
    help="A WAV file, or - for raw s16le samples on standard input.  [default: the microphone]",
)
@click.option(
    "--rate",
    "rate_hz",
    type=click.IntRange(MIN_RATE_HZ, MAX_RATE_HZ),
    metavar="HZ",
    help="With --input -: sample rate.  [default: the model's]",
)
@click.option(
    "--channels",
    type=click.IntRange(1, 64),
    metavar="N",
    help="With --input -: interleaved channels.  [default: 1]",
)
@click.option("--device", metavar="NAME|INDEX", help="The microphone; a part of its name will do.")
@click.option("--list-devices", is_flag=True, help="List the microphones and exit.")
@click.option(
    "--hop",
    "hop_s",
    type=click.FloatRange(0, 3600, min_open=True),
    callback=finite,
    metavar="SECONDS",
    help="Time between results, rounded to whole frames.  [default: the model's]",
)
@click.option(
    "--smoothing",
    type=click.FloatRange(0, 1, max_open=True),
    callback=finite,
    metavar="WEIGHT",
    help="Weight of the earlier scores against the new ones, 0 (off) to below 1.  "
    "[default: the model's]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Threads the interpreter may use.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--no-timing", is_flag=True, help="Leave out the computing times.")
def listen(
    model_path: Path,
    input_name: str | None,
    rate_hz: int | None,
    channels: int | None,
    device: str | None,
    list_devices: bool,
    hop_s: float | None,
    smoothing: float | None,
    threads: int,
    as_json: bool,
    no_timing: bool,
) -> None:
    """Print the emotions in live or recorded speech.

    Listens to the microphone, or to --input. Each result is about the last few seconds (the
    model's window) and comes every --hop. A recording shorter than a window is padded with
    silence. Ctrl-C ends.
    """
    if input_name != "-" and (rate_hz or channels):
        raise click.UsageError("--rate and --channels go with --input - only.")
    if input_name is not None and device is not None:
        raise click.UsageError("--device names a microphone; it does not go with --input.")
    if list_devices:
        _print_devices()
        return
    model = interpreter.load(model_path, threads)
    contract = model.contract
    hop_frames = None if hop_s is None else max(1, round(hop_s / contract.frame_step_s))
    listener = Listener(model, hop_frames, smoothing)
    target_hz = contract.sample_rate_hz

    source: Source
    if input_name is None:
        source = Microphone(target_hz, int(device) if device and device.isdecimal() else device)
    elif input_name == "-":
        source = _standard_input(rate_hz or target_hz, channels or 1)
    else:
        source = WavSource(input_name)

    with closing(source), closing(_output(as_json, timing=not no_timing)) as output:
        resampled = "" if source.rate_hz == target_hz else f", resampled to {target_hz} Hz"
        hop_told_s = listener.hop_frames * contract.frame_step_s
        _tell(f"model   {model_path.name}, contract {contract.id}")
        _tell(f"audio   {source.name}, {source.rate_hz} Hz, {source.channels} ch{resampled}")
        _tell(
            f"window  {contract.window_s:.3f} s every {hop_told_s:.3f} s "
            f"({listener.hop_frames} frames), smoothing {listener.smoothing:g}"
        )
        with _ended_by_signals():
            _run(source, listener, target_hz, output)


def _run(source: Source, listener: Listener, rate_hz: int, output: Output) -> None:
    """Push the whole source through the listener, giving out results as they come."""
    for samples in mono(source, rate_hz):
        for result in listener.push(samples, source.overflows):
            output.write(result)
    if not listener.samples:
        raise AudioError(f"{source.name} holds no audio", "give a recording of speech")
    for result in listener.finish(source.overflows):
        source.notes.append(
            f"{source.name} is shorter than the model's window of {result.time_s:.3f} s: "
            "padded with silence at its end"
        )
        output.write(result)
    output.finish()
    for note in source.notes:
        _tell(note)


def _standard_input(rate_hz: int, channels: int) -> RawSource:
    try:
        file = open(0, "rb", closefd=False)  # noqa: SIM115 - the source's `close` does
    except OSError as error:
        raise AudioError(f"cannot read standard input: {error.strerror}") from error
    return RawSource(file, rate_hz, channels, "standard input")


def _output(as_json: bool, timing: bool) -> Output:
    """Choose by what standard output is."""
    if as_json:
        return JsonLines(sys.stdout, timing)
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        # https://no-color.org
        return LiveView(sys.stdout, timing, colour=not os.environ.get("NO_COLOR"))
    return PlainLines(sys.stdout, timing)


def _print_devices() -> None:
    for entry in input_devices():
        mark = "*" if entry.is_default else " "
        channels = "1 channel" if entry.channels == 1 else f"{entry.channels} channels"
        click.echo(f"{mark} {entry.index:3}  {entry.name}  ({channels}, {entry.rate_hz} Hz)")


def _tell(text: str) -> None:
    """Say something beside the results."""
    click.echo(text, err=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C, or a service manager's SIGTERM, end the block as if its audio had ended."""
    earlier = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, earlier)
