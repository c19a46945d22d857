"""Any corpus in folders named after the labels: LABEL/x.wav, or LABEL/SPEAKER/x.wav."""

from __future__ import annotations

from pathlib import Path

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance, label_named, recordings_below


def read(folder: Path) -> list[Utterance]:
    """List the audio files below `folder`.

    The first folder in the path of a file is its label; a folder inside that one is its speaker.
    Without it the speakers are unknown, and the corpus has no speaker-disjoint protocol.

    Raises:
        SernetError: There is no such folder, it has no audio, or a file is in no label's folder.
    """
    utterances = []
    for path in recordings_below(folder):
        label, *between = path.relative_to(folder).parts[:-1] or ("",)
        if not label:
            raise SernetError(
                f"{path} does not lie in a folder named after its label",
                hint=f"the folder must hold LABEL/{path.name} or LABEL/SPEAKER/{path.name}",
            )
        label = label_named(label, str(folder))
        utterances.append(Utterance(path, label, between[0] if between else ""))
    return utterances
