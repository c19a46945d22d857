"""`sernet-edge listen`: builds the source, the listener and the outputs from its options."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import click

from sernet_edge.runtime.audio.devices import device_reports
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.listen import loop
from sernet_edge.runtime.listen.config import ConfiguredCommand
from sernet_edge.runtime.listen.decision_options import DecisionSettings, decision_options
from sernet_edge.runtime.listen.output_options import OutputSettings, output_options
from sernet_edge.runtime.listen.source_options import SourceSettings, source_options
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.teach.lesson import outdated
from sernet_edge.runtime.trust import INTENDED_USE, card_of, licence, trust


class _Listen(ConfiguredCommand):
    """The command `listen`, which tells how a recording is given."""

    allow_extra_args = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options; refuse a file that no option names."""
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            raise click.UsageError(
                f"Got unexpected extra argument ({' '.join(rest)}). "
                f"A recording is given with --input: --input {rest[0]}",
                ctx,
            )
        return rest


@click.command(cls=_Listen)
@source_options
@click.option(
    "--list-devices", is_flag=True, help="Try every microphone, list those that work, and exit."
)
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

    Every option can also be set in the environment (SERNET_EDGE_LISTEN_HOP=0.25) or in a file.
    """
    if list_devices:
        for report in device_reports(Contract.sample_rate_hz):
            line = json.dumps(report.record()) if output_settings.json else str(report)
            click.echo(line)
        return
    model = decision_settings.load()
    contract = model.contract
    listener = decision_settings.listener(model, source_settings.is_live)
    recorder = decision_settings.recorder(contract)
    target_hz = contract.sample_rate_hz
    hop_s = listener.hop_frames * contract.frame_step_s
    with closing(source_settings.open(target_hz)) as source:
        resampled = "" if source.rate_hz == target_hz else f", resampled to {target_hz} Hz"
        card = card_of(decision_settings.model)
        _tell_model(decision_settings.model, contract, card)
        channels = _channels(source.channels, source_settings.channel)
        _tell(f"audio   {source.name}, {source.rate_hz} Hz, {channels}{resampled}")
        _tell(
            f"window  {contract.window_s:.3f} s every {hop_s:.3f} s "
            f"({listener.hop_frames} frames), smoothing {listener.smoothing:g}"
        )
        if gate := decision_settings.gate_text(contract, source_settings.is_live):
            _tell(gate)
        if not listener.unsure_below:
            _tell("unsure: off, every result counts as sure")
        if not contract.drift_limit:
            _tell("drift: off, nothing warns of sound unlike the training's")
        if recorder is not None:
            _tell(f"record  {recorder}")
        session = Session(
            decision_settings.model.name,
            contract,
            source.name,
            source.rate_hz,
            source.channels,
            hop_s,
            listener.unsure_below,
            live=source.live,
            card=card,
            recordings=None if recorder is None else recorder.folder,
        )
        with closing(output_settings.open(session)) as output:
            notes = loop.run(source, listener, output, target_hz, recorder, source_settings.channel)
    for note in notes:
        _tell(note)


def _tell_model(path: Path, contract: Contract, card: Path | None) -> None:
    """Print which model is used, and how far to trust it."""
    _tell(f"model   {path.name}, contract {contract.id}")
    _tell(f"trust   {trust(contract)}{f'; see {card}' if card else ''}")
    _tell(f"use     {INTENDED_USE}")
    if terms := licence(contract):
        _tell(f"licence {terms}")
    if changed := outdated(ModelFile.read(path), path):
        again = f"sernet-edge teach --repeat {path}"
        _tell(f"taught  {changed}: teaching has to be repeated: {again}")


def _channels(count: int, channel: int | None) -> str:
    """Return how many channels there are, and which are used if that matters."""
    if channel is not None and count > 1:
        return f"{count} ch, of which channel {channel} is heard"
    # The mean of a stereo recording is what users expect; that of a microphone array is not.
    return f"{count} ch, whose mean is heard: --channel N takes one" if count > 2 else f"{count} ch"


def _tell(text: str) -> None:
    """Print a line to standard error, apart from the results."""
    click.echo(text, err=True)
