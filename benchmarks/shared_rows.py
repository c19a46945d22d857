"""Compares windows that share rows with windows computed whole, as `listen` runs them.

python benchmarks/untrained_models.py light-sernet-stream --out build/untrained
python benchmarks/shared_rows.py build/untrained/light-sernet-stream.tflite
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from page_command import run_page_command

from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.interpreter import INTERPRETERS, Model
from sernet_edge.runtime.modelfile import ModelFile

_WINDOWS = 60
_STRIDES = (0.25, 0.5, 1, 2, 3)


@click.command()
@click.argument(
    "models", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def main(models: tuple[Path, ...]) -> None:
    """Print a Markdown table of the processor time of MODELS, in ms per second of audio."""
    click.echo(f"One thread; {platform.machine()}, Python {platform.python_version()}\n")
    click.echo("| interpreter | model | hop, s | whole windows | shared rows | ratio | same bits |")
    click.echo("|---|---|---|---|---|---|---|")
    for package in INTERPRETERS:
        os.environ["SERNET_EDGE_INTERPRETER"] = package
        version = importlib.metadata.version(package.replace("_", "-"))
        for path in models:
            for strides in _STRIDES:
                _print_row(f"{package} {version}", path, strides)


def _print_row(interpreter: str, path: Path, strides: float) -> None:
    file = ModelFile.read(path)
    whole, shared = Model(file), Model(file, share_rows=True)
    contract = whole.contract
    if not shared.shares_rows:
        raise ModelError(f"{path}: windows of the model share no rows")
    hop = round(strides * contract.stride_frames)
    frames = contract.window_frames + (_WINDOWS - 1) * hop
    noise = np.random.default_rng(0).normal(size=(frames, contract.feature_count))
    features = noise.clip(-contract.clip, contract.clip).astype(np.float32)
    took, same = np.zeros((_WINDOWS, 2)), True
    for n in range(_WINDOWS):
        window = features[n * hop :][: contract.window_frames]
        began = time.process_time()
        expected = whole.run(window)
        between = time.process_time()
        found: NDArray[np.float32] = shared.run(window)
        took[n] = between - began, time.process_time() - between
        same = same and bool(np.array_equal(expected, found))
    # The first window is computed whole in both cases; the second makes the interpreters ready.
    ms = 1000 * np.min(took[2:], axis=0) / (hop * contract.frame_step_s)
    click.echo(
        f"| {interpreter} | {path.stem} | {hop * contract.frame_step_s:.3f} | {ms[0]:.2f} | "
        f"{ms[1]:.2f} | {ms[0] / ms[1]:.1f} | {'yes' if same else 'NO'} |"
    )


if __name__ == "__main__":
    run_page_command(main)
