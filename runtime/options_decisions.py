"""The options of `listen` that say how audio is judged, and the `Listener` that they make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from sernet_edge.runtime import interpreter
from sernet_edge.runtime.models import DEFAULT_MODEL
from sernet_edge.runtime.options import finite, option_group
from sernet_edge.runtime.stream import Listener


@dataclass(frozen=True)
class DecisionSettings:
    """How audio is judged.

    Attributes:
        model: A .tflite with its contract.
        hop: Seconds between results; the contract's if None.
        smoothing: Weight of the earlier scores; the contract's if None.
        threads: Threads that the interpreter may use.
    """

    model: Path
    hop: float | None
    smoothing: float | None
    threads: int

    def load(self) -> interpreter.Model:
        """Load the model.

        Raises:
            SernetError: It cannot be read or run, or its contract is not usable.
        """
        return interpreter.load(self.model, self.threads)

    def listener(self, model: interpreter.Model) -> Listener:
        """Start a stream.

        Raises:
            SernetError: The model cannot be used on a stream, or not with these settings.
        """
        step_s = model.contract.frame_step_s
        hop_frames = None if self.hop is None else max(1, round(self.hop / step_s))
        return Listener(model, hop_frames, self.smoothing)


decision_options = option_group(
    "decision_settings",
    DecisionSettings,
    (
        click.option(
            "--model",
            type=click.Path(path_type=Path),
            default=DEFAULT_MODEL,
            metavar="FILE",
            help="A .tflite with its contract.  [default: the one that ships]",
        ),
        click.option(
            "--hop",
            type=click.FloatRange(0, 3600, min_open=True),
            callback=finite,
            metavar="SECONDS",
            help="Time between results, rounded to whole frames.  [default: the model's]",
        ),
        click.option(
            "--smoothing",
            type=click.FloatRange(0, 1, max_open=True),
            callback=finite,
            metavar="WEIGHT",
            help="Weight of the earlier scores against the new ones, 0 (off) to below 1.  "
            "[default: the model's]",
        ),
        click.option(
            "--threads",
            type=click.IntRange(1, 64),
            default=1,
            show_default=True,
            metavar="N",
            help="Threads the interpreter may use.",
        ),
    ),
)
