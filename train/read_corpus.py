"""Reads the recordings of a corpus, and reports those that are bad or there twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sernet_edge.runtime.contract import Contract
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.progress import QUIET, Progress
from sernet_edge.train.recordings import Recording, read_recordings
from sernet_edge.train.same_audio import SameAudio


@dataclass(frozen=True)
class CorpusRecordings:
    """The recordings of a corpus.

    Attributes:
        recordings: Those that can be used.
        skipped: A line on each one that was left out.
        same_audio: Those that hold the same audio.
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
        skip_bad: Whether to leave out recordings that cannot be used.
        progress: Receives remarks.

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


def tell_skipped(skipped: Sequence[str], progress: Progress) -> None:
    """Name the recordings that were left out, and count them."""
    for problem in skipped:
        progress.say(f"skipped: {problem}")
    if skipped:
        progress.say(f"recordings skipped: {len(skipped)}")


def tell_doubts(same_audio: SameAudio, progress: Progress) -> None:
    """Name the recordings that hold the same audio."""
    for remark in same_audio.remarks():
        progress.say(f"warning: {remark}")
