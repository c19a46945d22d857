"""Recordings that hold the same audio under several names, speakers or labels.

Corpora are published with folders in them twice, and copied together by hand. Audio that is trained
on and tested on makes figures that no new speaker will reach.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.recordings import Recording

_NAMED = 3
"""How many recordings a message names; it counts the others."""


class SameAudio:
    """Finds recordings of the same samples, however their files are named, tagged or packed.

    Digital silence is not compared: it is the same in all recordings and tells nothing.
    """

    def __init__(self, recordings: Iterable[Recording] = ()) -> None:
        """Compare `recordings`; `add` takes more."""
        self._by_samples: dict[bytes, list[Utterance]] = defaultdict(list)
        for recording in recordings:
            self.add(recording)

    def add(self, recording: Recording) -> None:
        """Compare a recording with those before it; its samples are not kept."""
        if recording.samples.any():
            key = hashlib.sha256(recording.samples.tobytes()).digest()
            self._by_samples[key].append(recording.utterance)

    @property
    def groups(self) -> list[list[Utterance]]:
        """The utterances that share their audio with another, those of one audio together."""
        return [group for group in self._by_samples.values() if len(group) > 1]

    def remarks(self) -> list[str]:
        """Return the doubts about the corpus: contradictions first, then mere copies."""
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
        """Check that nothing which is tested on is trained on under another name.

        Args:
            training: Utterances that are trained on.
            testing: Utterances that are tested on.
            where: Which split it is, for the error; empty if there is but one.

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
