"""A guided session: asks the person for one clip after another, and saves them.

The person can end it at any time: each clip is written at once, and the next session continues
there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.audio.sources import Incident
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import AudioError, SernetError
from sernet_edge.runtime.level import Level, LevelMeter
from sernet_edge.runtime.teach.clips import check_clip
from sernet_edge.runtime.teach.guided_folder import GuidedFolder
from sernet_edge.runtime.teach.prompts import MOST, Prompt, is_enough, next_prompt

Blocks = Iterator[NDArray[np.int16] | Incident]
"""A microphone's endless audio, int16 (n,) at the contract's rate; see `sources.mono`."""

LONGEST_S = 15.0
"""The most seconds of a recording."""

QUIET_DBFS = -45.0
"""If speech is below this level, the person is told that it is too quiet."""

# Cut off both ends of a recording, where the microphone hears the key that starts or ends it.
_KEY_START_S = 0.1
_KEY_END_S = 0.2

_LEVEL_STEP_S = 0.1


@dataclass(frozen=True)
class Choice:
    """A possible answer of the person.

    Attributes:
        key: The text to type; "" is the Enter key alone.
        text: Its effect, such as "records".
    """

    key: str
    text: str


RECORD, STOP, HUSH = Choice("", "record"), Choice("", "stop recording"), Choice("", "stop playing")
KEEP, AGAIN, PLAY = Choice("", "keep it"), Choice("r", "record again"), Choice("p", "play")
SKIP, END = Choice("s", "skip this emotion"), Choice("q", "end")


class Face(Protocol):
    """Shows the session to the person, and returns the person's answers."""

    def prompt(self, prompt: Prompt, done: int, total: int) -> None:
        """Show what to say; `done` of `total` clips are recorded."""

    def offer(self, choices: Sequence[Choice]) -> None:
        """Show the possible answers."""

    def level(self, level: Level, seconds: float) -> None:
        """Show how loud a recording is, `seconds` after its start."""

    def tell(self, text: str) -> None:
        """Show a message."""

    def answer(self) -> str | None:
        """Return the chosen key; None if there is none yet; `END`'s if there is nobody to ask."""


class Loudspeaker(Protocol):
    """Plays clips; `playback.Player` is one."""

    def start(self, samples: NDArray[np.int16], rate_hz: int) -> None:
        """Start playing."""

    @property
    def plays(self) -> bool:
        """Whether a clip is still playing."""

    def stop(self) -> None:
        """Be silent."""


class _Ended(Exception):
    """The person has ended the session."""


class _Lost(Exception):
    """Audio is missing from a recording."""


class Guide:
    """Runs a session."""

    def __init__(
        self,
        folder: GuidedFolder,
        contract: Contract,
        blocks: Blocks,
        face: Face,
        loudspeaker: Loudspeaker,
    ) -> None:
        """Prepare a session.

        Args:
            folder: The folder of the clips.
            contract: The contract of the model to teach.
            blocks: The microphone's audio.
            face: Shows the session to the person.
            loudspeaker: Plays the clips.
        """
        self._folder = folder
        self._contract = contract
        self._blocks = blocks
        self._face = face
        self._loudspeaker = loudspeaker
        self._skipped: set[str] = set()

    def run(self) -> bool:
        """Record until all clips are there or the person ends; return whether they are enough.
        Raises:
            SernetError: A clip cannot be written, or the microphone fails.
        """
        told = is_enough(self._folder.counts())
        while True:
            counts = self._folder.counts()
            if (prompt := next_prompt(counts, self._skipped)) is None:
                break
            if is_enough(counts, self._skipped) and not told:
                told = True
                self._face.tell("That is enough to teach with. More clips help a little more.")
            self._face.prompt(prompt, sum(counts.values()), _total(counts, self._skipped))
            try:
                self._take(prompt)
            except _Ended:
                break
            finally:
                self._loudspeaker.stop()
        return is_enough(self._folder.counts(), self._skipped)

    def _take(self, prompt: Prompt) -> None:
        """Record one clip until it is good and the person keeps it, or skips the emotion."""
        while True:
            if self._ask(RECORD, SKIP, END) == SKIP.key:
                self._skipped.add(prompt.label)
                return
            samples = self._good_recording(prompt)
            if samples is None:
                continue
            self._play(samples)
            while (answer := self._ask(KEEP, AGAIN, PLAY, END)) == PLAY.key:
                self._play(samples)
            if answer == KEEP.key:
                path = self._folder.save(prompt.label, samples)
                self._face.tell(f"kept {path}")
                return

    def _good_recording(self, prompt: Prompt) -> NDArray[np.int16] | None:
        """Return a recording that can be used; None, after a message, if it cannot be."""
        try:
            samples, level = self._record()
        except _Lost:
            self._face.tell("Some audio is missing: please say it again.")
            return None
        try:
            warnings = check_clip(samples, self._contract, prompt.label, "The recording")
        except AudioError as error:
            self._face.tell(f"{error.message}. Please say it again.")
            return None
        for warning in warnings:
            self._face.tell(f"The recording {warning}.")
        if prompt.sentence and level.dbfs < QUIET_DBFS:
            self._face.tell("The recording is quiet: come closer, or turn the microphone up.")
        return samples

    def _record(self) -> tuple[NDArray[np.int16], Level]:
        """Record until the person stops it; return the recording and its level."""
        rate_hz = self._contract.sample_rate_hz
        self._face.offer((STOP,))
        parts, whole, step = [np.zeros(0, np.int16)], LevelMeter(), LevelMeter()
        count = shown = 0
        for block in self._heard(gaps=True):
            parts.append(block)
            whole.add(block)
            step.add(block)
            count += len(block)
            if self._stops() or count >= LONGEST_S * rate_hz:
                break
            if count - shown >= _LEVEL_STEP_S * rate_hz:
                self._face.level(step.read(), count / rate_hz)
                shown = count
        samples = np.concatenate(parts)[round(_KEY_START_S * rate_hz) :]
        return samples[: max(0, len(samples) - round(_KEY_END_S * rate_hz))], whole.read()

    def _play(self, samples: NDArray[np.int16]) -> None:
        """Play a recording; any answer ends it."""
        try:
            self._loudspeaker.start(samples, self._contract.sample_rate_hz)
        except SernetError as error:
            self._face.tell(str(error))
            return
        self._face.offer((HUSH,))
        for _ in self._heard():
            if not self._loudspeaker.plays or self._stops():
                break
        self._loudspeaker.stop()

    def _ask(self, *choices: Choice) -> str:
        """Return the key that the person chooses."""
        self._face.offer(choices)
        for _ in self._heard():
            answer = self._face.answer()
            if answer == END.key and END in choices:
                raise _Ended
            if answer is not None and answer in [choice.key for choice in choices]:
                return answer
            if answer is not None:
                self._face.offer(choices)
        raise _Ended  # the microphone has ended

    def _stops(self) -> bool:
        """Whether the person has given any answer."""
        answer = self._face.answer()
        if answer == END.key:
            raise _Ended
        return answer is not None

    def _heard(self, gaps: bool = False) -> Iterator[NDArray[np.int16]]:
        """Yield the microphone's audio.

        It must be read all the time, or the microphone would lose audio later.

        Args:
            gaps: Whether missing audio is an error.

        Raises:
            _Lost: Audio is missing, and `gaps` is set.
        """
        for block in self._blocks:
            if not isinstance(block, Incident):
                yield block
                continue
            self._face.tell(block.text)
            if gaps and block.gap_s is not None:
                raise _Lost


def _total(counts: dict[str, int], skipped: set[str]) -> int:
    """Return the number of clips at the end of a complete session."""
    return sum(count if label in skipped else max(MOST, count) for label, count in counts.items())
