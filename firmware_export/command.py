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
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write a folder of C99 that runs the model, with demo, self-test and README.",
)
@click.option(
    "--header",
    type=click.Path(path_type=Path),
    metavar="FILE.h",
    help="Write the model and its contract as one C header for TensorFlow Lite Micro.",
)
@click.option("--force", is_flag=True, help="Overwrite what exists.")
def export(model: Path, out: Path | None, header: Path | None, force: bool) -> None:
    """Turn MODEL, a .tflite made by `sernet-edge convert`, into C for firmware."""
    if (out is None) == (header is None):
        raise click.UsageError("Give either --out DIR or --header FILE.h.")
    data = modelfile.read_bytes(model)
    if out is not None:
        # Here, since --header does without the parser's package.
        from sernet_edge.firmware_export.bundle import write_bundle

        write_bundle(data, str(model), out, force)
        click.echo(f"wrote {out}; {out}/README.md says how to build it")
    if header is not None:
        if header.exists() and not force:
            raise SernetError(f"{header} exists already", hint="choose another name or add --force")
        files.write_text(header, model_header(data, str(model)))
        click.echo(f"wrote {header}")
