"""`sernet-edge listen`: from a source of audio through a `Listener` to an output."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click

from sernet_edge.runtime.audio import Source, mono
from sernet_edge.runtime.errors import AudioError
from sernet_edge.runtime.microphone import input_devices
from sernet_edge.runtime.options_decisions import DecisionSettings, decision_options
from sernet_edge.runtime.options_outputs import OutputSettings, output_options
from sernet_edge.runtime.options_source import SourceSettings, source_options
from sernet_edge.runtime.outputs import Output
from sernet_edge.runtime.records import Result
from sernet_edge.runtime.stream import Listener


@click.command()
@source_options
@click.option("--list-devices", is_flag=True, help="List the microphones and exit.")
@decision_options
@output_options
def listen(
    source_settings: SourceSettings,
    decision_settings: DecisionSettings,
    output_settings: OutputSettings,
    list_devices: bool,
) -> None:
    """Print the emotions in live or recorded speech.

    Listens to the microphone, or to --input. Each result is about the last few seconds (the
    model's window) and comes every --hop. A recording shorter than a window is padded with
    silence. Ctrl-C ends.
    """
    if list_devices:
        _print_devices()
        return
    model = decision_settings.load()
    contract = model.contract
    listener = decision_settings.listener(model)
    target_hz = contract.sample_rate_hz
    with (
        closing(source_settings.open(target_hz)) as source,
        closing(output_settings.open()) as output,
    ):
        resampled = "" if source.rate_hz == target_hz else f", resampled to {target_hz} Hz"
        hop_told_s = listener.hop_frames * contract.frame_step_s
        _tell(f"model   {decision_settings.model.name}, contract {contract.id}")
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
        for record in listener.push(samples, source.overflows):
            output.write(record)
    if not listener.samples:
        raise AudioError(f"{source.name} holds no audio", "give a recording of speech")
    for record in listener.finish(source.overflows):
        if isinstance(record, Result) and record.padded:
            source.notes.append(
                f"{source.name} is shorter than the model's window of {record.time_s:.3f} s: "
                "padded with silence at its end"
            )
        output.write(record)
    output.finish()
    for note in source.notes:
        _tell(note)


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
