"""The options of `listen` that say how audio is judged and which audio is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from sernet_edge.runtime import interpreter
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.events import EVIDENCE_S, REFRACTORY_S, EventTracker
from sernet_edge.runtime.gate import SpeechGate, is_available, why_not_available
from sernet_edge.runtime.listen.recorder import EventRecorder
from sernet_edge.runtime.models import DEFAULT_MODEL
from sernet_edge.runtime.options import (
    MODEL_PATH,
    SHIPPED,
    Integer,
    Number,
    finite,
    option_group,
)
from sernet_edge.runtime.stream import Listener


@dataclass(frozen=True)
class DecisionSettings:
    """Settings for judging and recording audio.

    Attributes:
        model: A .tflite with its contract.
        hop: Seconds between results; the contract's if None.
        smoothing: Weight of the earlier scores; the contract's if None.
        unsure_below: Top score below which a result is unsure; the contract's if None.
        gate: Whether only speech is judged; "auto": only for a live source, if the gate is
            installed.
        evidence: Seconds that a label must lead to begin an event.
        refractory: Seconds after an event in which no event of its label begins.
        threads: Threads that the interpreter may use.
        record: Folder for the audio around events; None records nothing.
        record_limit: Megabytes that the folder's recordings may take.
    """

    model: Path
    hop: float | None
    smoothing: float | None
    unsure_below: float | None
    gate: Literal["auto", "on", "off"]
    evidence: float
    refractory: float
    threads: int
    record: Path | None
    record_limit: int

    def load(self) -> interpreter.Model:
        """Load the model.

        Raises:
            SernetError: The file cannot be read or run, or its contract is not usable.
        """
        return interpreter.load(self.model, self.threads)

    def listener(self, model: interpreter.Model, live: bool) -> Listener:
        """Start a stream.

        Args:
            model: The model.
            live: Whether the audio is live. A recording is by default judged as a whole, without
                a gate, so that its results don't depend on what is installed.

        Raises:
            SernetError: The model cannot be used on a stream or with these settings; or the gate
                is requested and not installed.
        """
        contract = model.contract
        hop_frames = None if self.hop is None else max(1, round(self.hop / contract.frame_step_s))
        return Listener(
            model,
            hop_frames,
            self.smoothing,
            self.unsure_below,
            self.speech_gate(contract, live),
            EventTracker(self.evidence, self.refractory),
        )

    def speech_gate(self, contract: Contract, live: bool) -> SpeechGate | None:
        """Make the gate, if these settings request it; see `listener`.

        Raises:
            SernetError: The gate is requested and cannot be made.
        """
        gated = self.gate == "on" or (self.gate == "auto" and live and is_available(contract))
        return SpeechGate(contract) if gated else None

    def gate_text(self, contract: Contract, live: bool) -> str:
        """Return a line about the gate; empty for a recording that is judged as a whole.

        Args:
            contract: The model's contract.
            live: See `listener`.
        """
        if self.gate == "off":
            return "gate: off (--gate off)" if live else ""
        if self.gate == "on" or (live and is_available(contract)):
            return "gate: on, only speech is judged"
        return f"gate: off ({why_not_available(contract)}), noise is judged too" if live else ""

    def recorder(self, contract: Contract) -> EventRecorder | None:
        """Return a recorder of the audio around events, if it is requested.

        Raises:
            SernetError: The folder cannot be made or written to.
        """
        if self.record is None:
            return None
        return EventRecorder(self.record, self.record_limit * 1_000_000, contract)


decision_options = option_group(
    "decision_settings",
    DecisionSettings,
    (
        click.option(
            "--model",
            type=MODEL_PATH,
            default=DEFAULT_MODEL,
            metavar="MODEL",
            help=f"A .tflite with its contract, or {SHIPPED}.  [default: voices]",
        ),
        click.option(
            "--hop",
            type=Number(0, 3600, min_open=True),
            callback=finite,
            metavar="SECONDS",
            help="Time between results, rounded to whole frames.  [default: the model's]",
        ),
        click.option(
            "--smoothing",
            type=Number(0, 1, max_open=True),
            callback=finite,
            metavar="WEIGHT",
            help="Weight of the earlier scores against the new ones, 0 (off) to below 1.  "
            "[default: the model's]",
        ),
        click.option(
            "--unsure-below",
            type=Number(0, 1),
            callback=finite,
            metavar="SCORE",
            help="Top score below which a result is unsure; 0 is off.  [default: the model's]",
        ),
        click.option(
            "--gate",
            type=click.Choice(["auto", "on", "off"]),
            default="auto",
            show_default=True,
            help="Judge only while somebody speaks; auto: for a microphone or a live pipe, if the "
            "extra `vad` is installed.",
        ),
        click.option(
            "--evidence",
            type=Number(0, 3600),
            callback=finite,
            default=EVIDENCE_S,
            show_default=True,
            metavar="SECONDS",
            help="How long an emotion must lead to begin an event.",
        ),
        click.option(
            "--refractory",
            type=Number(0, 86_400),
            callback=finite,
            default=REFRACTORY_S,
            show_default=True,
            metavar="SECONDS",
            help="How long after an event no event of the same emotion begins.",
        ),
        click.option(
            "--threads",
            type=Integer(1, 64),
            default=1,
            show_default=True,
            metavar="N",
            help="Threads the interpreter may use.",
        ),
        click.option(
            "--record",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            help="Record the audio around events to DIR.  [default: record nothing]",
        ),
        click.option(
            "--record-limit",
            type=Integer(10, 1_000_000),
            default=500,
            show_default=True,
            metavar="MB",
            help="With --record: the most that recordings may take; the oldest are deleted.",
        ),
    ),
)
