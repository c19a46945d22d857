"""Counts the events of an exported model in noise, as `evaluate --noise` does for `listen`.

python benchmarks/noise_in_c.py voices NOISE > benchmarks/strangers/noise-voices-in-c.json

The model is exported and compiled for this computer, with the decisions and the drift in C. It
gets the clips of NOISE that are not used in training, each as a stream of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import wave
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from page_command import run_page_command

from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.options import MODEL_PATH
from sernet_edge.train.evaluation.false_events import summary
from sernet_edge.train.noise import Noise, NoiseClip
from sernet_edge.train.progress import TerminalProgress

_OPTIONS = "-DSERNET_DECIDE -DSERNET_MEASURE_DRIFT"

_RESULT = re.compile(r"^ *[0-9.]+ s  (\S+) +(sure|unsure) ", re.MULTILINE)
_EVENT = re.compile(r"^event \d+, (\S+): starts", re.MULTILINE)


@click.command()
@click.argument("model", type=MODEL_PATH)
@click.argument("noise", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(model: Path, noise: Path) -> None:
    """Count the events of MODEL's export in NOISE; write JSON to standard output."""
    file = ModelFile.read(model)
    contract = file.require_contract()
    clips = Noise.read(noise, contract.sample_rate_hz).testing
    with tempfile.TemporaryDirectory() as scratch:
        program = _program(model, Path(scratch) / "bundle")
        counts = _counts(program, clips, contract.sample_rate_hz, Path(scratch) / "clip.wav")
    click.echo(json.dumps({"model": model.name, "contract_id": contract.id, "noise": counts}))


def _program(model: Path, bundle: Path) -> Path:
    """Compile the demo of an exported model; return its path."""
    export = [sys.executable, "-m", "sernet_edge", "export", str(model), "--out", str(bundle)]
    for command in (export, ["make", "-C", str(bundle), "demo_host", f"OPTIONS={_OPTIONS}"]):
        # Error messages have already gone to standard error.
        if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
            raise SernetError(f"`{' '.join(command[:4])}` failed")
    return bundle / "demo_host"


def _counts(program: Path, clips: Sequence[NoiseClip], rate_hz: int, path: Path) -> dict[str, Any]:
    """Return the figures of `false_events`, counted in the program's output.

    Args:
        program: Reads a WAV file, and prints results and events.
        clips: The clips.
        rate_hz: Their sample rate.
        path: File for each clip in turn.
    """
    labels: Counter[str] = Counter()
    events: Counter[str] = Counter()
    sure = 0
    progress = TerminalProgress()
    progress.begin("clip of noise", len(clips))
    for clip in clips:
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, rate_hz, 0, "NONE", ""))
            file.writeframes(clip.samples.astype("<i2").tobytes())
        done = subprocess.run([program, path], check=False, capture_output=True, text=True)
        if done.returncode:
            raise SernetError(f"the exported model failed on {clip.name}: {done.stderr.strip()}")
        printed = done.stdout
        results = _RESULT.findall(printed)
        labels.update(label for label, _ in results)
        sure += sum(how == "sure" and label != NONE for label, how in results)
        events.update(_EVENT.findall(printed))
        progress.advance()
    return summary(clips, rate_hz, labels, sure, events)


if __name__ == "__main__":
    run_page_command(main)
