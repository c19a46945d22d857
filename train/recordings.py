"""The recordings of a corpus, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.audio.sources import to_int16
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import AudioError
from sernet_edge.train.corpora.utterance import Utterance


@dataclass(frozen=True)
class Recording:
    """An utterance with its audio: int16 (samples,) at the contract's rate."""

    utterance: Utterance
    samples: NDArray[np.int16]


def read_recordings(
    utterances: Sequence[Utterance], contract: Contract, bad: list[str] | None = None
) -> list[Recording]:
    """Read and, where needed, resample the audio of `utterances`.

    Args:
        utterances: The recordings to read.
        contract: Gives the sample rate and the length of a frame.
        bad: Collects a line on each recording that cannot be used, which is left out. None: the
            first such recording raises.

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


def amplified(samples: NDArray[np.int16], gain_db: float) -> NDArray[np.int16]:
    """Return samples made louder by `gain_db`, rounded and saturated."""
    return to_int16(samples * 10 ** (gain_db / 20))
