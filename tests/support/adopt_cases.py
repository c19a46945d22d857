"""Runs `sernet-edge adopt` on models that tests make."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from graphs import SAME, RandomGraph
from micro_contracts import MICRO_SPEECH, MICRO_WAKE_WORD
from support import Run


def adopt(
    sernet_edge: Run, folder: Path, data: bytes, settings: object, *options: object
) -> subprocess.CompletedProcess[str]:
    """Adopt a model as folder/mine.tflite.

    Args:
        settings: As a JSON object or as text.
    """
    model, contract = folder / "theirs.tflite", folder / "theirs.json"
    model.write_bytes(data)
    text = settings if isinstance(settings, str) else json.dumps(settings)
    contract.write_text(text)
    out = folder / "mine.tflite"
    return sernet_edge("adopt", model, "--contract", contract, "--out", out, *options)


def check_refused(
    sernet_edge: Run, folder: Path, data: bytes, settings: object, message: str
) -> None:
    """Check that `adopt` refuses settings with a one-line error and writes nothing."""
    result = adopt(sernet_edge, folder, data, settings)
    assert result.returncode == 1 and message in result.stderr, result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (folder / "mine.tflite").exists()


def micro_speech(
    scale: float = 26 / 255, zero_point: int = -128, shape: tuple[int, ...] = (1, 1960)
) -> bytes:
    """Return a model like micro_speech: a convolution of one channel, a dense layer, 4 labels."""
    # With this seed the scores depend on the audio.
    random = RandomGraph(16)
    last = random.graph.input(shape, scale, zero_point)
    last = random.reshape(last, (1, 49, 40, 1))
    last = random.conv(last, 8, window=(SAME, (10, 8), (2, 2)))
    last = random.reshape(last, (1, 25 * 20 * 8))
    return random.graph.finish(random.softmax(random.dense(last, 4)))


MICRO_LABELS = ["silence", "unknown", "yes", "no"]

SPEECH: dict[str, Any] = {
    "labels": MICRO_LABELS, "micro_frontend": {**MICRO_SPEECH, "divisor": 666}
}  # fmt: skip
"""Return the settings of micro_speech for `adopt`."""

WAKE_WORD: dict[str, Any] = {
    "labels": MICRO_LABELS, "micro_frontend": {**MICRO_WAKE_WORD, "scale": 0.0390625}
}  # fmt: skip
"""Return the settings of microWakeWord for `adopt`."""
