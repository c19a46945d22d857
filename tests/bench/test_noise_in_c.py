"""The figures of noise in C are those of Python where both hear the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundle_cases import read_wav
from noise_in_c import _counts, _program
from support import SAMPLE

from sernet_edge.runtime.interpreter import load
from sernet_edge.train.evaluation.false_events import false_events
from sernet_edge.train.noise import NoiseClip


@pytest.mark.slow
def test_c_counts_the_windows_and_events_that_python_counts(
    shipped_model: Path, tmp_path: Path
) -> None:
    # Speech, so that there are events to count.
    clips = [NoiseClip("speech", read_wav(SAMPLE))]
    in_python = false_events(load(shipped_model), clips)
    assert in_python["events"] > 0 and in_python["sure"] > 0
    program = _program(shipped_model, tmp_path / "bundle")
    assert _counts(program, clips, 16_000, tmp_path / "clip.wav") == in_python
