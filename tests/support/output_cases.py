"""Records and helpers for the tests of outputs."""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import Callable
from typing import Any

from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import BOX
from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.records import Event, Notice, Result

_SHIPPED = ModelFile.read(BOX["emodb"]).require_contract()
LABELS = tuple(label for label in _SHIPPED.labels if label != NONE)
"""The seven emotions alone: most outputs are tested without `none`."""

CONTRACT = _SHIPPED.replace(labels=LABELS)
SESSION = Session("shipped.tflite", CONTRACT, "USB Audio Device", 48_000, 1, 0.5, 0.6, live=True)


def result(time_s: float = 3.0, label: str | None = "anger", **changes: Any) -> Result:
    """A result; its label has the score 0.64."""
    scores = {} if label is None else {name: 0.64 if name == label else 0.06 for name in LABELS}
    plain = Result(
        time_s=time_s,
        label=label,
        scores=scores,
        sure=label is not None,
        speech=0.8 if label else 0.0,
        level_dbfs=-24.0,
        clipped=0,
        drift=0.25 if label else None,
        feature_ms=1.5,
        inference_ms=8.5,
    )
    return dataclasses.replace(plain, **changes)


START = Event("start", 1, "anger", 2.5, None, 0.7)
END = Event("end", 1, "anger", 2.5, 6.0, 0.9)
LOST = Notice("device-lost", "the microphone is gone: plug it in again", 4.0, "warning")


class Told:
    """An output's own description."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.texts: list[str] = []

    def __call__(self, code: str, text: str, level: str = "warning", /) -> None:
        self.codes.append(code)
        self.texts.append(text)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def eventually(holds: Callable[[], object], what: str) -> None:
    """Wait until `holds` returns true; allow for a busy computer."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
