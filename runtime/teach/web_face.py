"""Shows a guided session on a web page, as one state that is sent when it changes."""

from __future__ import annotations

import io
import time
import wave
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.level import Level
from sernet_edge.runtime.outputs.web_guided import GuidedPages
from sernet_edge.runtime.teach.guide import Choice
from sernet_edge.runtime.teach.prompts import Prompt

_MESSAGES = 5

# A page that was closed while playing does not report the end of the clip.
_PATIENCE_S = 5.0


class WebFace:
    """See `guide.Face` and `guide.Loudspeaker`: the page also plays the clips."""

    def __init__(self, pages: GuidedPages, show: Callable[[dict[str, Any]], None]) -> None:
        """Show nothing yet.

        Args:
            pages: Receives the answers.
            show: Sends a state to all open pages, and to those opened later.
        """
        self._pages = pages
        self._show = show
        self._told: deque[str] = deque(maxlen=_MESSAGES)
        self._state: dict[str, Any] = {"type": "guided", "prompt": None, "level": None}
        self._clips = 0
        self._silent_s = 0.0

    def prompt(self, prompt: Prompt, done: int, total: int) -> None:
        """Show what to say."""
        shown = {"label": prompt.label, "sentence": prompt.sentence, "cue": prompt.cue}
        self._change(prompt=shown, done=done, total=total)

    def offer(self, choices: Sequence[Choice]) -> None:
        """Show buttons."""
        self._pages.question += 1
        buttons = [{"key": choice.key, "text": choice.text} for choice in choices]
        self._change(question=self._pages.question, choices=buttons, level=None)

    def level(self, level: Level, seconds: float) -> None:
        """Show how loud it is."""
        shown = {"dbfs": level.dbfs, "clipped": level.clipped, "seconds": seconds}
        self._change(level=shown)

    def tell(self, text: str) -> None:
        """Add a message at the top."""
        self._told.appendleft(text)
        self._change()

    def answer(self) -> str | None:
        """Return the key of the button that was pressed."""
        return self._pages.answered()

    def end(self, text: str) -> None:
        """Show that the session has ended."""
        self._told.appendleft(text)
        self._change(prompt=None, choices=[], level=None, ended=True)

    def start(self, samples: NDArray[np.int16], rate_hz: int) -> None:
        """Make the page play a clip."""
        sound = io.BytesIO()
        with wave.open(sound, "wb") as file:
            file.setparams((1, 2, rate_hz, 0, "NONE", ""))
            file.writeframes(samples.astype("<i2").tobytes())
        self._pages.sound = sound.getvalue()
        self._clips += 1
        self._silent_s = time.monotonic() + len(samples) / rate_hz + _PATIENCE_S
        self._change(clip=self._clips)

    @property
    def plays(self) -> bool:
        """Whether the page may still be playing; it answers at the clip's end."""
        return time.monotonic() < self._silent_s

    def stop(self) -> None:
        """Make the page stop playing."""
        self._silent_s = 0.0
        self._change(clip=None)

    def _change(self, **changes: Any) -> None:
        self._state = {**self._state, **changes, "told": list(self._told)}
        self._show(self._state)
