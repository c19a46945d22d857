"""`sernet-edge convert`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import click

from sernet_edge import __version__
from sernet_edge.convert.temperature import fold_temperature, temperature_from
from sernet_edge.firmware_export.licence import is_licence
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import check_outputs, write_bytes, write_text
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.options import finite
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.options import list_utterances, read_corpus, skip_bad_option
from sernet_edge.train.tensorflow_setup import quietly

PRECISIONS = ("int8", "float32", "float16", "dynamic")


def _checked_licence(
    _context: click.Context, _parameter: click.Parameter, licence: str | None
) -> str | None:
    if licence is not None and not is_licence(licence):
        raise click.BadParameter(f"{licence!r} is not an SPDX expression, such as CC-BY-4.0")
    return licence


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of the corpus that the model was trained on. Only recordings of the training "
    "speakers calibrate the quantisation; others verify it.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Model to write, *.tflite; an int8 model's C header goes beside it, *.h.",
)
@click.option("--precision", type=click.Choice(PRECISIONS), default="int8", show_default=True)
@click.option(
    "--windows",
    "count",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Windows of speech to calibrate on.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--calibrate-from",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Folder of a cross-validation of this system. What it said of speakers that it was not "
    "trained on makes the scores probabilities, and says from which score on a result is sure.",
)
@click.option(
    "--sure-precision",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.9,
    show_default=True,
    callback=finite,
    help="Share of right ones among the results that count as sure, with --calibrate-from.",
)
@click.option(
    "--licence",
    metavar="SPDX",
    callback=_checked_licence,
    help="Licence of the model, such as CC-BY-NC-SA-4.0; exports of it name that.  "
    "[default: none named]",
)
@skip_bad_option
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("--json", "as_json", is_flag=True, help="Print the verification as JSON.")
def convert(
    model: Path,
    calibration: Path,
    out: Path,
    precision: str,
    count: int,
    seed: int,
    calibrate_from: Path | None,
    sure_precision: float,
    licence: str | None,
    skip_bad: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Quantise the Keras model MODEL to a .tflite that carries its contract.

    Writes OUT, its verification (.verify.json) and, for int8, its C header (.h).
    """
    if out.suffix != ".tflite":
        raise click.BadParameter(f"{out} must end in .tflite", param_hint="--out")
    outputs = [out, out.with_suffix(".verify.json")]
    if precision == "int8":
        outputs.append(out.with_suffix(".h"))
    check_outputs(outputs, force)
    contract = ModelFile.read(model).require_contract()
    if contract.provenance.get("corpus") not in CORPORA:
        raise SernetError(
            f"{model}: its contract names no corpus that this program can read, so nobody "
            "knows which speakers it was trained on",
            "train the model again with `sernet-edge train`",
        )
    utterances = list_utterances(contract.provenance["corpus"], calibration)
    fitted = None
    if calibrate_from is not None:
        fitted = temperature_from(calibrate_from, contract, sure_precision)

    # TensorFlow takes seconds to load: everything cheap is checked by now.
    with quietly():
        from sernet_edge.convert import calibrate, quantize, verify
    from sernet_edge.convert.drift import drift_limit
    from sernet_edge.firmware_export.header import model_header
    from sernet_edge.runtime.interpreter import Model
    from sernet_edge.train.models.saved import load_saved

    parent = load_saved(model, contract)
    if fitted:
        fold_temperature(parent, fitted["temperature"])
    recordings, bad = read_corpus(utterances, contract, skip_bad)
    held_out = contract.provenance.get("holdout_speakers", ())
    training = [r for r in recordings if r.utterance.speaker not in held_out]
    if not training:
        raise SernetError(
            f"{calibration} holds no recording of a training speaker, only of the held-out "
            f"{', '.join(held_out)}",
            "name the whole corpus",
        )
    samples, chosen = calibrate.calibration_windows(contract, training, count, seed)
    verifying = [r for r in recordings if r.utterance.speaker in held_out]
    whose = f"held-out speakers {', '.join(sorted({r.utterance.speaker for r in verifying}))}"
    if not held_out:
        # A model trained on everybody is verified on speech that did not calibrate it.
        rest = sorted(set(range(len(training))) - set(chosen))
        verifying, whose = [training[i] for i in rest], "training speakers"
    if not verifying:
        raise SernetError(
            f"no recording in {calibration} is left to verify on",
            f"name the whole corpus, with the speakers {', '.join(held_out)}"
            if held_out
            else "calibrate on fewer --windows",
        )

    _say(f"converting to {precision}, calibrated on {len(samples)} windows")
    flatbuffer = quantize.convert_model(parent, cast(quantize.Precision, precision), samples)
    bare = ModelFile(out.name, flatbuffer)

    _say(f"verifying on {len(verifying)} recordings")
    report: dict[str, Any] = {
        "model": out.name,
        "parent": model.name,
        "precision": precision,
        "bytes": len(flatbuffer),
        "calibration_windows": len(samples),
        "skipped_recordings": len(bad),
        "verified_on": f"{len(verifying)} recordings of {whose}",
        **verify.verify(parent, Model(bare.with_contract(contract)), verifying),
        "converted_with": f"sernet-edge {__version__}, tensorflow {quantize.TENSORFLOW_VERSION}",
    }
    if fitted:
        report["calibration"] = fitted
    brief = {k: v for k, v in report.items() if k not in ("model", "float", "converted")}
    brief |= {name: {k: report[name][k] for k in ("wa", "uar")} for name in ("float", "converted")}
    contract = contract.replace(
        unsure_below=fitted["unsure_below"] if fitted else contract.unsure_below,
        drift_limit=drift_limit(contract, training),
        provenance={
            **contract.provenance,
            "conversion": brief,
            **({"licence": licence} if licence else {}),
        },
    )
    file = bare.with_contract(contract)

    write_bytes(out, file.data)
    write_text(outputs[1], json.dumps(report, indent=1) + "\n")
    if precision == "int8":
        write_text(outputs[2], model_header(file))
    _say(f"wrote {', '.join(str(path) for path in outputs)}; contract {contract.id}")
    if as_json:
        click.echo(json.dumps(report))
    else:
        click.echo(_summary(report))


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


def _say(text: str) -> None:
    click.echo(text, err=True)
