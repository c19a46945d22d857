"""`sernet-edge convert`."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import click

from sernet_edge.convert import conversion
from sernet_edge.convert.conversion import ConversionSettings
from sernet_edge.convert.precision import Precision
from sernet_edge.firmware_export.licence import is_licence
from sernet_edge.runtime.options import Integer, Number, finite, option_group
from sernet_edge.train.options import corpus_option, skip_bad_option
from sernet_edge.train.progress import TerminalProgress


def _checked_licence(
    _context: click.Context, _parameter: click.Parameter, licence: str | None
) -> str | None:
    if licence is not None and not is_licence(licence):
        raise click.BadParameter(f"{licence!r} is not an SPDX expression, such as CC-BY-4.0")
    return licence


_conversion_options = option_group(
    "settings",
    ConversionSettings,
    (
        click.argument("model", type=click.Path(path_type=Path)),
        corpus_option(
            "Corpus ({names}) that the model was trained on, and its folder or csv file; repeat it "
            "for a model of several corpora. Recordings of the training speakers calibrate the "
            "quantisation; the others verify it."
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path, dir_okay=False),
            required=True,
            help="File of the model, *.tflite; an int8 model's C header goes beside it, *.h.",
        ),
        click.option(
            "--precision",
            type=click.Choice(typing.get_args(Precision)),
            default=ConversionSettings.precision,
            show_default=True,
            help="Number format of the converted model.",
        ),
        click.option(
            "--windows",
            type=Integer(1),
            default=ConversionSettings.windows,
            show_default=True,
            help="Number of windows of speech that calibrate the quantisation.",
        ),
        click.option(
            "--seed",
            type=Integer(0),
            default=ConversionSettings.seed,
            show_default=True,
            help="Seed of the choice of those windows.",
        ),
        click.option(
            "--calibrate-from",
            type=click.Path(path_type=Path),
            metavar="RUN",
            help="Folder of a cross-validation of this system. Its scores of speakers that its "
            "models were not trained on calibrate the model's scores as probabilities, and set the "
            "score from which a result is sure.",
        ),
        click.option(
            "--sure-precision",
            type=Number(0, 1, min_open=True),
            default=ConversionSettings.sure_precision,
            show_default=True,
            callback=finite,
            help="Share of right results that is required of sure ones, with --calibrate-from.",
        ),
        click.option(
            "--licence",
            metavar="SPDX",
            callback=_checked_licence,
            help="Licence of the model, such as CC-BY-NC-SA-4.0; exports of the model name it.  "
            "[default: none]",
        ),
        click.option(
            "--noise",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder of noise that the model was trained with.",
        ),
        skip_bad_option,
        click.option("--force", is_flag=True, help="Replace existing files."),
    ),
)


@click.command()
@_conversion_options
@click.option("--json", "as_json", is_flag=True, help="Print the verification as JSON.")
def convert(settings: ConversionSettings, as_json: bool) -> None:
    """Quantise the Keras model MODEL to a .tflite with its contract.

    Writes OUT, its verification (.verify.json) and, for int8, its C header (.h).
    """
    progress = TerminalProgress()
    converted = conversion.convert(settings, progress)
    files = ", ".join(str(path) for path in converted.files)
    progress.say(f"wrote {files}; contract {converted.contract.id}")
    report = converted.report
    click.echo(json.dumps(report) if as_json else _summary(report))


def _summary(report: dict[str, Any]) -> str:
    before, after = report["float"], report["converted"]
    text = (
        f"{report['precision']}: {report['bytes']:,} bytes; on {report['windows']} windows "
        f"({report['verified_on']}):\n"
        f"  same label as Keras  {report['label_agreement']:.1%}\n"
        f"  score difference     largest {report['largest_score_difference']:.3f}, "
        f"mean {report['mean_score_difference']:.4f}\n"
        f"  UAR                  {before['uar']:.1%} -> {after['uar']:.1%}\n"
        f"  WA                   {before['wa']:.1%} -> {after['wa']:.1%}"
    )
    if fitted := report.get("calibration"):
        text += (
            f"\n  calibration error    {fitted['ece_before']:.1%} -> {fitted['ece_after']:.1%}, "
            f"temperature {fitted['temperature']}"
            f"\n  sure                 from a score of {fitted['unsure_below']} on: "
            f"{fitted['sure_share']:.1%} of {fitted['utterances']} utterances, "
            f"{fitted['sure_precision']:.0%} of them right"
        )
    return text
