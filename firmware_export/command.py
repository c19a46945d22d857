"""`sernet-edge export`: turns a `.tflite` into C for firmware."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sernet_edge.firmware_export import licence, naming
from sernet_edge.firmware_export.header import model_header
from sernet_edge.firmware_export.layout import LAYOUTS, arrange
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.options import MODEL_PATH, Integer, Number, finite

if TYPE_CHECKING:
    from sernet_edge.firmware_export.plan import External


def _checked_name(
    _context: click.Context, _parameter: click.Parameter, name: str | None
) -> str | None:
    if name is not None and (problem := naming.problem_with(name)):
        raise click.BadParameter(problem)
    return name


@click.command()
@click.argument("model", type=MODEL_PATH)
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
@click.option(
    "--engine",
    type=click.Choice(["native", "tflm"]),
    default="native",
    show_default=True,
    help="What runs the network: the native engine, or your own TensorFlow Lite Micro (tflm).",
)
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    help="Folders and build files for a build system.  [default: plain; tflm: cmake]",
)
@click.option(
    "--name",
    metavar="NAME",
    callback=_checked_name,
    help="Begin the model's files, symbols and macros with NAME instead of sernet, so that one "
    "firmware can hold several exports.",
)
@click.option(
    "--weights",
    type=click.Choice(["internal", "external"]),
    default="internal",
    show_default=True,
    help="Where the weights will lie. With external, a slow memory outside the chip, the engine "
    "reads them as rarely as RAM allows.",
)
@click.option(
    "--ram",
    type=Integer(1),
    metavar="BYTES",
    help="With --weights external: limit of the network's state.  [default: no limit]",
)
@click.option(
    "--hop",
    type=Number(0, 3600, min_open=True),
    callback=finite,
    metavar="SECONDS",
    help="Time between results, rounded to whole frames. For a model with shared rows, a hop below "
    "the stride takes more memory and work; `sernet-edge inspect` says how much.  "
    "[default: the model's]",
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def export(
    model: Path,
    out: Path | None,
    header: Path | None,
    engine: str,
    layout: str | None,
    name: str | None,
    weights: str,
    ram: int | None,
    hop: float | None,
    force: bool,
) -> None:
    """Turn MODEL, a .tflite, into C for firmware.

    A model with a contract, as `sernet-edge convert` makes it, is exported with its front end: it
    takes audio and gives labels. Any other int8 model is exported as the network alone: it takes
    the rows of its input and gives its output.
    """
    if (out is None) == (header is None):
        raise click.UsageError("Give either --out DIR or --header FILE.h.")
    if out is None and (engine, layout) != ("native", None):
        raise click.UsageError("--engine and --layout belong to --out; --header is one file.")
    if engine == "tflm" and layout not in (None, "cmake"):
        raise click.UsageError("With --engine tflm the layout is cmake.")
    if weights == "external" and (out is None or engine == "tflm"):
        raise click.UsageError("--weights external belongs to --out and the native engine.")
    if hop is not None and (out is None or engine == "tflm"):
        raise click.UsageError("--hop belongs to --out and the native engine.")
    if ram is not None and weights != "external":
        raise click.UsageError("--ram belongs to --weights external.")
    if header is not None and header.suffix not in (".h", ".hpp", ".hh"):
        raise click.BadParameter(f"{header} must end in .h", param_hint="--header")
    file = ModelFile.read(model)
    if out is not None:
        # Not at the top: --header must work without the package `tflite`, which these import.
        from sernet_edge.firmware_export import bundle
        from sernet_edge.firmware_export.plan import External

        file.require_flatbuffer()
        if engine == "tflm":
            texts, shared, remarks = _tflm_files(file)
        else:
            external = External(ram) if weights == "external" else None
            texts, shared, remarks = _native_files(file, layout or "plain", external, hop)
        if name is not None:
            texts = naming.named(texts, name, shared)
        card = licence.card_files(model, file.contract)
        bundle.write_files(licence.licensed(texts, file.contract, card), out, force)
        what = (
            "" if file.contract is not None else " of the network alone, since it has no contract"
        )
        click.echo(f"wrote {out}{what}; {out}/README.md says how to build it")
        for remark in [*remarks, licence.remark(file.contract)]:
            click.echo(remark)
    if header is not None:
        if header.exists() and not force:
            raise SernetError(f"{header} exists already", hint="choose another name or add --force")
        write_text(header, _header(file, name))
        click.echo(f"wrote {header}")
        click.echo(licence.remark(file.contract))


def _header(file: ModelFile, name: str | None) -> str:
    """Return the model and its contract as one C header."""
    text = model_header(file)
    if name is not None:
        text = naming.named({"model.h": text}, name)["model.h"]
    whose = licence.model_licence(file.require_contract())
    return licence.with_line("model.h", text, whose)


_Files = tuple[dict[str, str], frozenset[str], list[str]]
"""Text by path; names of the files that all models share; remarks for the user."""


def _native_files(
    file: ModelFile, layout: str, external: External | None, hop_s: float | None
) -> _Files:
    """Return a bundle for the native engine."""
    from sernet_edge.firmware_export import bundle, hops, network_bundle, traffic
    from sernet_edge.firmware_export.cores import CORES
    from sernet_edge.firmware_export.planned import PlannedModel

    hop_frames = None
    if hop_s is not None:
        hop_frames = max(1, round(hop_s / file.require_contract().frame_step_s))
    planned = PlannedModel.read(file, external, hop_frames)
    write = (
        bundle.bundle_files if file.contract is not None else network_bundle.network_bundle_files
    )
    way = "each row once" if planned.stream else "each window whole"
    remarks = [
        f"the network computes {way}: {planned.reason}",
        *([] if file.contract is None else [hops.sentence(planned)]),
        traffic.sentence(planned, CORES["m4"]),
    ]
    return arrange(layout, write(planned)), frozenset(bundle.NATIVE_SOURCES), remarks


def _tflm_files(file: ModelFile) -> _Files:
    """Return a bundle for TensorFlow Lite Micro."""
    from sernet_edge.firmware_export import bundle, network_bundle
    from sernet_edge.runtime.interpreter import Model

    texts = (
        bundle.tflm_bundle_files(Model(file))
        if file.contract is not None
        else network_bundle.tflm_network_bundle_files(file)
    )
    way = "each window whole: TensorFlow Lite Micro keeps no rows"
    return texts, frozenset(), [f"the network computes {way}"]
