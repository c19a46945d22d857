"""Writes architectures with random weights as `.tflite`; they cost the same as trained ones.

python benchmarks/untrained_models.py light-sernet-stream ... --out build/untrained
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from page_command import run_page_command

from sernet_edge.runtime.files import write_bytes
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.models import ARCHITECTURES, build_for_measuring
from sernet_edge.train.new_contract import new_contract
from sernet_edge.train.tensorflow_setup import quietly

_LABELS = ("anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral")

# Number of windows of noise that set the ranges.
_WINDOWS = 20


def untrained(name: str) -> ModelFile:
    """Return an int8 architecture with random weights, with its own features and window."""
    with quietly():
        from sernet_edge.convert.quantize import convert_model

    own = ARCHITECTURES[name]
    contract = new_contract(_LABELS, own.level, own.window_frames, own.features)
    contract = contract.replace(**own.rows, provenance={"architecture": name, "weights": "random"})
    model = build_for_measuring(name, contract, seed=0)
    shape = (_WINDOWS, contract.window_frames, contract.feature_count)
    noise = np.random.default_rng(0).normal(size=shape)
    windows = noise.clip(-contract.clip, contract.clip).astype(np.float32)
    return ModelFile(name, convert_model(model, "int8", windows)).with_contract(contract)


@click.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice(sorted(ARCHITECTURES)))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR"
)
def main(names: tuple[str, ...], out: Path) -> None:
    """Write NAMES, with random weights, to DIR/NAME.tflite."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_bytes(out / f"{name}.tflite", untrained(name).data)
        click.echo(f"wrote {out / name}.tflite", err=True)


if __name__ == "__main__":
    run_page_command(main)
