"""`sernet-edge adopt`: attaches a contract to a model of another project."""

from __future__ import annotations

from pathlib import Path

import click

from sernet_edge.runtime.files import check_outputs, write_bytes
from sernet_edge.runtime.modelfile import ModelFile


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--contract",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.json",
    help="The model's features and labels; see docs/guides/adopting.md.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.tflite",
    help="Where to write the model with its contract.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def adopt(model: Path, contract: Path, out: Path, force: bool) -> None:
    """Give MODEL, an int8 .tflite of another project, a contract, so that `listen` can use it.

    The contract must describe the front end of the model's training.
    """
    # Not at the top: this import loads an interpreter.
    from sernet_edge.firmware_export.adopt import adoption

    if out.suffix != ".tflite":
        raise click.BadParameter(f"{out} must end in .tflite", param_hint="--out")
    check_outputs([out], force)
    adopted = adoption.adopt(ModelFile.read(model), contract)
    write_bytes(out, adopted.data)
    made = adopted.require_contract()
    click.echo(f"wrote {out} with the contract {made.id}")
    click.echo(
        f"its window is {made.window_frames} frames of {made.feature_count} features "
        f"({made.window_s:.2f} s), its labels are {', '.join(made.labels)}"
    )
