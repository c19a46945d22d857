"""`sernet-edge teach --guided`: a session at this machine's microphone, in the terminal."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from sernet_edge.runtime.audio.microphone import Microphone
from sernet_edge.runtime.audio.playback import Player
from sernet_edge.runtime.audio.sources import mono
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.teach.guide import Guide
from sernet_edge.runtime.teach.guided_folder import GuidedFolder
from sernet_edge.runtime.teach.terminal_face import TerminalFace

_WELCOME = """\
Say each sentence as you would say it to somebody when you feel so, in your own language if you
like. Keep the distance from the microphone at which it will listen. You can end at any time: the
same command goes on where you were."""


def record_guided(path: Path, contract: Contract, device: str | None, channel: int | None) -> bool:
    """Lead through a session; return whether there are clips enough to teach with.

    Args:
        path: The folder of the clips.
        contract: Of the model to teach.
        device: Index or part of the name of a microphone; None: the default one.
        channel: The one to record, counted from 0; None: the mean of all.

    Raises:
        SernetError: The folder or the microphone cannot be used.
    """
    folder = GuidedFolder(path, contract)
    rate_hz = contract.sample_rate_hz
    wanted = int(device) if device and device.isdecimal() else device
    with closing(Microphone(rate_hz, wanted, channel)) as microphone:
        blocks = mono(microphone, rate_hz, channel)
        click.echo(
            f"microphone: {microphone.name}, {microphone.rate_hz} Hz\n\n{_WELCOME}", err=True
        )
        enough = Guide(folder, contract, blocks, TerminalFace(), Player()).run()
    counts = folder.counts()
    told = ", ".join(f"{label} {count}" for label, count in counts.items())
    click.echo(f"\nclips in {path}: {told}", err=True)
    return enough
