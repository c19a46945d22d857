"""Labelled clips: finds them in a folder or a table, reads them, and checks their audio."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.audio.containers import AUDIO_SUFFIXES
from sernet_edge.runtime.audio.recordings import open_recording
from sernet_edge.runtime.audio.sources import mono
from sernet_edge.runtime.contract import NONE, Contract
from sernet_edge.runtime.errors import AudioError, SernetError
from sernet_edge.runtime.gate import SILENT_DBFS, SpeechGate, is_available
from sernet_edge.runtime.tables import read_rows, recording

SHORTEST_S = 0.5
LONGEST_S = 60.0
"""Clips of other lengths are left out: shorter ones hold no word, longer ones several emotions."""

_LONG_S = 15.0
_CLIPPED_SHARE = 0.001
_FULL_SCALE = 32_767
_LEAST_SPEECH = 0.1


@dataclass(frozen=True)
class LabelledFile:
    """An audio file and its emotion.

    Attributes:
        path: The file.
        label: The emotion, or `NONE`.
        from_s: Start of the clip in the file, in seconds.
        until_s: End of the clip, likewise; None: the end of the file.
    """

    path: Path
    label: str
    from_s: float = 0.0
    until_s: float | None = None


@dataclass(frozen=True)
class Clip:
    """A labelled file with its audio, int16 (samples,) at the contract's rate."""

    file: LabelledFile
    samples: NDArray[np.int16]


def find_clips(place: Path, may_be_empty: bool = False) -> list[LabelledFile]:
    """List the clips of a folder with files LABEL/x.wav, or of a table with path and label.

    Args:
        place: The folder; or a table with the columns path and label (see `tables`), whose paths
            are relative to the table's folder.
        may_be_empty: Whether to accept a place without clips.

    Raises:
        SernetError: The place does not exist, is a recording or has no clips, or a row of the table
            is wrong.
    """
    if not place.exists():
        raise SernetError(f"{place} does not exist", "name the folder or the table of the clips")
    if place.is_file() and place.suffix.lower() in AUDIO_SUFFIXES:
        raise SernetError(
            f"{place} is one recording",
            "name the folder that holds a folder of recordings for each emotion, or a table",
        )
    clips = list(_of_folder(place) if place.is_dir() else _of_table(place))
    if not clips and not may_be_empty:
        hint = (
            "put audio files in folders named after their emotions"
            if place.is_dir()
            else "write the path and the label of each clip in a line of its own"
        )
        raise SernetError(f"{place} holds no clip", hint)
    return clips


def check_labels(clips: Sequence[LabelledFile], contract: Contract) -> None:
    """Refuse labels that the model does not have.

    Raises:
        SernetError: Names the first clip with such a label.
    """
    for clip in clips:
        if clip.label not in contract.labels:
            raise SernetError(
                f"{clip.path} is labelled {clip.label!r}, which the model does not tell apart",
                f"its emotions are {', '.join(contract.labels)}",
            )


def read_clips(
    files: Sequence[LabelledFile], contract: Contract, tell: Callable[[str], None]
) -> list[Clip]:
    """Read the clips; leave out, with a warning for each, those that cannot teach.

    Args:
        files: The clips to read.
        contract: Gives the rate.
        tell: Called with each warning, one line.

    Raises:
        SernetError: No clip is left.
    """
    clips: list[Clip] = []
    for file in files:
        try:
            samples, warnings = _read(file, contract)
        except AudioError as error:
            tell(f"left out: {error.message}")
            continue
        for warning in warnings:
            tell(f"{file.path} {warning}")
        clips.append(Clip(file, samples))
    clips = _without_contradictions(clips, tell)
    if not clips:
        raise SernetError("no clip is left to teach with", "record clips of speech, 1 s to 15 s")
    return clips


def _of_folder(folder: Path) -> Iterator[LabelledFile]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix.lower() not in AUDIO_SUFFIXES or any(p[0] == "." for p in inside.parts):
            continue
        if len(inside.parts) < 2:
            raise SernetError(
                f"{path} does not lie in a folder named after its emotion",
                f"move it to {folder}/EMOTION/{path.name}",
            )
        yield LabelledFile(path, inside.parts[0])


def _of_table(table: Path) -> Iterator[LabelledFile]:
    for where, row in read_rows(table, ("path", "label")):
        yield LabelledFile(recording(where, table.parent, row["path"]), row["label"])


def _read(file: LabelledFile, contract: Contract) -> tuple[NDArray[np.int16], list[str]]:
    """Return the audio of a clip, and warnings about it.

    Raises:
        AudioError: It cannot be read or used; the message is complete.
    """
    path, rate_hz, warnings = file.path, contract.sample_rate_hz, []
    with closing(open_recording(path)) as source:
        if source.rate_hz < rate_hz:
            warnings.append(
                f"was recorded at {source.rate_hz} Hz: the model hears more than that holds"
            )
        blocks, count = [np.zeros(0, np.int16)], 0
        for block in mono(source, rate_hz):
            if isinstance(block, np.ndarray):
                blocks.append(block)
                count += len(block)
            if count > LONGEST_S * rate_hz:
                raise AudioError(f"{path} is longer than {LONGEST_S:g} s: cut it to one utterance")
    until = None if file.until_s is None else round(file.until_s * rate_hz)
    samples = np.concatenate(blocks)[round(file.from_s * rate_hz) : until]
    return samples, warnings + check_clip(samples, contract, file.label, str(path))


def check_clip(samples: NDArray[np.int16], contract: Contract, label: str, name: str) -> list[str]:
    """Return warnings about a clip, each to be written after the clip's name.

    Args:
        samples: int16 (samples,) at the contract's rate.
        contract: Gives the rate.
        label: The clip's label; a clip with `NONE` needs no speech.
        name: The clip's name.

    Raises:
        AudioError: It cannot be used; the message is complete.
    """
    seconds = len(samples) / contract.sample_rate_hz
    if seconds < SHORTEST_S:
        raise AudioError(f"{name} is {seconds:.2f} s long: a clip takes {SHORTEST_S:g} s or more")
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    if power < 10 ** (SILENT_DBFS / 10) * 32768**2 / 2:
        raise AudioError(f"{name} is silent")
    if label != NONE and is_available(contract) and not _holds_speech(samples, contract):
        raise AudioError(f"{name} holds no speech")
    warnings = []
    clipped = float((np.abs(samples.astype(np.int32)) >= _FULL_SCALE).mean())
    if clipped > _CLIPPED_SHARE:
        warnings.append("clips: the microphone's gain was too high")
    if seconds > _LONG_S:
        warnings.append(f"is {seconds:.0f} s long: an emotion seldom lasts so long")
    return warnings


def _holds_speech(samples: NDArray[np.int16], contract: Contract) -> bool:
    """Whether any window of the clip has enough voice; of a shorter clip, the whole clip."""
    gate = SpeechGate(contract)
    step, least = contract.sample_rate_hz, min(contract.window_samples, len(samples))
    for start in range(0, len(samples), step):
        gate.push(samples[start : start + step])
        if start + step >= least and gate.speech >= _LEAST_SPEECH:
            return True
    return False


def _without_contradictions(clips: Sequence[Clip], tell: Callable[[str], None]) -> list[Clip]:
    """Return the clips without copies, and without audio that has two labels."""
    by_audio: dict[bytes, list[Clip]] = {}
    for clip in clips:
        by_audio.setdefault(hashlib.sha256(clip.samples.tobytes()).digest(), []).append(clip)
    kept = []
    for same in by_audio.values():
        labels = sorted({clip.file.label for clip in same})
        if len(labels) > 1:
            names = " and ".join(str(clip.file.path) for clip in same)
            tell(f"left out: {names} hold the same audio, labelled {' and '.join(labels)}")
        else:
            kept.append(same[0])
            for copy in same[1:]:
                tell(f"left out: {copy.file.path} is a copy of {same[0].file.path}")
    return kept
