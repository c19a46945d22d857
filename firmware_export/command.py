"""`sernet-edge export`: a `.tflite` turned into C for firmware."""

from __future__ import annotations

from pathlib import Path

import click

from sernet_edge.firmware_export.header import model_header
from sernet_edge.runtime import files, modelfile
from sernet_edge.runtime.errors import SernetError


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--header",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.h",
    help="Write the model and its contract as one C header for TensorFlow Lite Micro.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def export(model: Path, header: Path, force: bool) -> None:
    """Turn MODEL, a .tflite made by `sernet-edge convert`, into C for firmware."""
    if header.exists() and not force:
        raise SernetError(f"{header} exists already", hint="choose another name or add --force")
    text = model_header(modelfile.read_bytes(model), str(model))
    files.write_text(header, text)
    click.echo(f"wrote {header}")
