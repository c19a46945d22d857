"""Reads the recordings of a corpus, reports bad ones, and finds equal audio.

Some published corpora contain a folder twice, and users copy corpora together by hand. If the same
audio is in training and test, the figures are higher than for any new speaker.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import AudioError, SernetError
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.progress import QUIET, Progress

_NAMED = 3
"""Number of recordings that a message names; it counts the others."""


@dataclass(frozen=True)
class Recording:
    """An utterance with its audio: int16 (samples,) at the contract's rate."""

    utterance: Utterance
    samples: NDArray[np.int16]


def read_recordings(
    utterances: Sequence[Utterance], contract: Contract, bad: list[str] | None = None
) -> list[Recording]:
    """Read the audio of `utterances`, and resample it if needed.

    Args:
        utterances: The recordings to read.
        contract: Gives the sample rate and the length of a frame.
        bad: Receives a line on each unusable recording, which is left out. None: the first such
            recording raises an error.

    Raises:
        AudioError: A recording is unreadable or shorter than a frame, and `bad` is None.
    """
    recordings = []
    for utterance in utterances:
        try:
            samples = read_recording(utterance.path, contract.sample_rate_hz)
            if len(samples) < contract.frame_length_samples:
                raise AudioError(
                    f"{utterance.path} is shorter than a frame of "
                    f"{contract.frame_length_samples} samples",
                )
        except AudioError as error:
            if bad is None:
                raise AudioError(
                    error.message, f"{error.hint}; or leave it out with --skip-bad".lstrip("; ")
                ) from error
            bad.append(error.message)
        else:
            recordings.append(Recording(utterance, samples))
    return recordings


@dataclass(frozen=True)
class CorpusRecordings:
    """The recordings of a corpus.

    Attributes:
        recordings: The usable recordings.
        skipped: A line on each recording that was left out.
        same_audio: Recordings with equal audio.
    """

    recordings: list[Recording]
    skipped: list[str]
    same_audio: SameAudio


def read_corpus(
    utterances: Sequence[Utterance],
    contract: Contract,
    skip_bad: bool = False,
    progress: Progress = QUIET,
) -> CorpusRecordings:
    """Read the recordings of `utterances`.

    Args:
        utterances: The recordings to read.
        contract: See `read_recordings`.
        skip_bad: Whether to leave out unusable recordings.
        progress: Receives messages.

    Raises:
        AudioError: See `read_recordings`.
    """
    progress.say(f"reading {len(utterances)} recordings")
    skipped: list[str] = []
    recordings = read_recordings(utterances, contract, skipped if skip_bad else None)
    same_audio = SameAudio(recordings)
    tell_skipped(skipped, progress)
    tell_doubts(same_audio, progress)
    return CorpusRecordings(recordings, skipped, same_audio)


def check_corpus(
    utterances: Sequence[Utterance], contract: Contract, progress: Progress = QUIET
) -> tuple[list[Utterance], list[str], SameAudio]:
    """Read the recordings of `utterances` one at a time, and keep none in memory.

    Args:
        utterances: The recordings to read.
        contract: See `read_recordings`.
        progress: Receives messages on recordings with equal audio.

    Returns:
        The usable utterances, a line on each of the others, and those with equal audio.
    """
    usable, bad, same_audio = list[Utterance](), list[str](), SameAudio()
    for utterance in utterances:
        for recording in read_recordings([utterance], contract, bad):
            usable.append(recording.utterance)
            same_audio.add(recording)
    tell_doubts(same_audio, progress)
    return usable, bad, same_audio


def tell_skipped(skipped: Sequence[str], progress: Progress) -> None:
    """Report the recordings that were left out, and their number."""
    for problem in skipped:
        progress.say(f"skipped: {problem}")
    if skipped:
        progress.say(f"recordings skipped: {len(skipped)}")


def tell_doubts(same_audio: SameAudio, progress: Progress) -> None:
    """Report the recordings with equal audio."""
    for remark in same_audio.remarks():
        progress.say(f"warning: {remark}")


class SameAudio:
    """Finds recordings with equal samples, whatever their names, tags and formats.

    Digital silence is not compared, since it is equal in all recordings.
    """

    def __init__(self, recordings: Iterable[Recording] = ()) -> None:
        """Compare `recordings`; `add` adds more."""
        self._by_samples: dict[bytes, list[Utterance]] = defaultdict(list)
        for recording in recordings:
            self.add(recording)

    def add(self, recording: Recording) -> None:
        """Compare a recording with the earlier ones; its samples are not stored."""
        if recording.samples.any():
            key = hashlib.sha256(recording.samples.tobytes()).digest()
            self._by_samples[key].append(recording.utterance)

    @property
    def groups(self) -> list[list[Utterance]]:
        """Groups of utterances with equal audio."""
        return [group for group in self._by_samples.values() if len(group) > 1]

    def remarks(self) -> list[str]:
        """Return messages about the groups: contradictions first, then copies."""
        labels, speakers, copies = list[str](), list[str](), list[str]()
        for group in self.groups:
            if len({utterance.label for utterance in group}) > 1:
                labels.append(", ".join(f"{u.path} is {u.label}" for u in group))
            elif len({utterance.speaker for utterance in group}) > 1:
                speakers.append(
                    ", ".join(f"{u.path} is by {u.speaker or 'unknown'}" for u in group)
                )
            else:
                copies.append(" and ".join(str(u.path) for u in group))
        found = {
            "the same audio has two labels": labels,
            "the same audio has two speakers": speakers,
            "the same audio is there twice": copies,
        }
        return [f"{what}: {_first(cases)}" for what, cases in found.items() if cases]

    def check_split(
        self, training: Collection[Utterance], testing: Collection[Utterance], where: str = ""
    ) -> None:
        """Check that no test audio is also in training under another name.

        Args:
            training: Utterances to train on.
            testing: Utterances to test on.
            where: The split's name, for the error; empty if there is only one.

        Raises:
            SernetError: Names the recordings.
        """
        trained, tested = set(training), set(testing)
        shared = []
        for group in self.groups:
            ours = next((u for u in group if u in tested), None)
            theirs = next((u for u in group if u in trained), None)
            if ours and theirs:
                shared.append(f"{ours.path} ({_who(ours)}) is {theirs.path} ({_who(theirs)})")
        if shared:
            raise SernetError(
                f"{where and f'{where}: '}the same audio would be trained on and tested on: "
                f"{_first(shared)}",
                hint="remove the copies from the corpus, or give each recording its true speaker",
            )


def _first(cases: Sequence[str]) -> str:
    more = f"; and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
    return "; ".join(cases[:_NAMED]) + more


def _who(utterance: Utterance) -> str:
    return f"{utterance.label}, speaker {utterance.speaker or 'unknown'}"
