"""Facts about a run of `listen`, for the outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sernet_edge import __version__
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.event_folder import EventFolder
from sernet_edge.runtime.trust import INTENDED_USE, trust


@dataclass(frozen=True)
class Session:
    """One run of `listen`: its audio and its model.

    Attributes:
        model: Name of the model's file, without its folder.
        contract: The model's contract.
        source: Name of the microphone or recording.
        rate_hz: Its sample rate, before resampling.
        channels: Its channels, before they are mixed.
        hop_s: Seconds between two results.
        unsure_below: Top smoothed score below which a result is unsure; 0 is off.
        live: Whether the audio is judged as it is recorded, so that its times are times of day.
        card: The model's card, a text in Markdown; None if there is none.
        recordings: Folder for the audio around events; None if it is not recorded.
    """

    model: str
    contract: Contract
    source: str
    rate_hz: int
    channels: int
    hop_s: float
    unsure_below: float
    live: bool
    card: Path | None = None
    recordings: EventFolder | None = None

    @property
    def trust(self) -> str:
        """How far the model can be trusted, in one line; see `trust.trust`."""
        return trust(self.contract)

    def record(self) -> dict[str, Any]:
        """Return the facts that a program or page needs before the records."""
        return {
            "program_version": __version__,
            "model": self.model,
            "contract": self.contract.id,
            "labels": list(self.contract.labels),
            "source": self.source,
            "rate_hz": self.rate_hz,
            "channels": self.channels,
            "model_rate_hz": self.contract.sample_rate_hz,
            "window_s": round(self.contract.window_s, 3),
            "hop_s": round(self.hop_s, 3),
            "unsure_below": self.unsure_below,
            "drift_limit": self.contract.drift_limit,
            "arousal": self.contract.arousal_sides is not None,
            "live": self.live,
            "trust": self.trust,
            "intended_use": INTENDED_USE,
            "has_card": self.card is not None,
            "records": self.recordings is not None,
        }
