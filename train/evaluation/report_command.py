"""`sernet-edge report`: a page with pictures about cross-validation runs."""

from __future__ import annotations

from pathlib import Path

import click

from sernet_edge.runtime.files import make_folder, write_bytes, write_text


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to write to; created if missing. Files of an earlier report are replaced.",
)
def report_command(runs: tuple[Path, ...], out: Path) -> None:
    """Write a page with the figures and pictures of cross-validation runs.

    A RUN is a folder of `sernet-edge cross-validate`. Writes OUT/index.html with its pictures
    inside, and each picture as OUT/*.png. All figures come from the predictions in the runs.
    """
    if out.exists() and not out.is_dir():
        raise click.BadParameter(f"{out} is not a folder", param_hint="--out")
    if len({run.resolve().name for run in runs}) < len(runs):
        raise click.BadParameter("two runs have the same name", param_hint="RUN")
    from sernet_edge.train.evaluation.html_pages import runs_page

    document, drawn = runs_page(runs)
    make_folder(out)
    for name, png in drawn.items():
        write_bytes(out / f"{name}.png", png)
    write_text(out / "index.html", document)
    click.echo(f"wrote {out / 'index.html'} and {len(drawn)} pictures", err=True)
