"""`sernet-edge teach --guided`: a guided session, in the terminal or a browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from sernet_edge.runtime.audio.microphone import Microphone
from sernet_edge.runtime.audio.playback import Player
from sernet_edge.runtime.audio.sources import mono
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.outputs.web_access import Address
from sernet_edge.runtime.teach.guide import Guide
from sernet_edge.runtime.teach.guided_folder import GuidedFolder
from sernet_edge.runtime.teach.terminal_face import TerminalFace
from sernet_edge.runtime.teach.web_face import WebFace

# Time in which the page receives the end of the session before the server stops.
_LAST_WAIT_S = 1.0

_WELCOME = """\
Say each sentence as if you felt the emotion and spoke to somebody. You may use your own language.
Keep the distance from the microphone at which it will listen later. You can end at any time: the
same command goes on where you were."""


def record_guided(
    path: Path, base: ModelFile, device: str | None, channel: int | None, web: Address | None
) -> bool:
    """Run a session; return whether there are enough clips to teach with.

    Args:
        path: The folder of the clips.
        base: The model to teach.
        device: Index or part of the name of a microphone; None: the default one.
        channel: The channel to record, counted from 0; None: the mean of all.
        web: Address of the session's web page; None: the session is in the terminal.

    Raises:
        SernetError: The folder, the microphone or the address cannot be used.
    """
    contract = base.require_contract()
    folder = GuidedFolder(path, contract)
    rate_hz = contract.sample_rate_hz
    wanted = int(device) if device and device.isdecimal() else device
    with closing(Microphone(rate_hz, wanted, channel)) as microphone:
        click.echo(f"microphone: {microphone.name}, {microphone.rate_hz} Hz", err=True)
        blocks = mono(microphone, rate_hz, channel)
        if web is None:
            click.echo(f"\n{_WELCOME}", err=True)
            enough = Guide(folder, contract, blocks, TerminalFace(), Player()).run()
        else:
            with _page(web, base, microphone) as face:
                enough = Guide(folder, contract, blocks, face, face).run()
                face.end("That is enough to teach with." if enough else "The clips are kept.")
                time.sleep(_LAST_WAIT_S)
    told = ", ".join(f"{label} {count}" for label, count in folder.counts().items())
    click.echo(f"\nclips in {path}: {told}", err=True)
    return enough


@contextmanager
def _page(address: Address, base: ModelFile, microphone: Microphone) -> Iterator[WebFace]:
    """Serve the page of a session."""
    from sernet_edge.runtime.outputs.web import Web

    try:
        from sernet_edge.runtime.outputs.web_guided import GuidedPages
    except ModuleNotFoundError as error:
        raise SernetError(
            f"--web needs the Python package {error.name!r}", "pip install 'sernet-edge[web]'"
        ) from error
    contract, pages = base.require_contract(), GuidedPages()
    session = Session(
        base.name,
        contract,
        microphone.name,
        microphone.rate_hz,
        microphone.channels,
        contract.hop_frames * contract.frame_step_s,
        contract.unsure_below,
        live=True,
    )

    def tell(code: str, text: str, level: str = "warning", /) -> None:
        click.echo(text, err=True)

    with closing(Web(address, None, session, tell, timing=True, guided=pages)) as server:
        for shown in server.shown:
            click.echo(f"web page: {shown}", err=True)
        yield WebFace(pages, server.put)
