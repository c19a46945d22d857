"""`sernet-edge evaluate`: a model's figures on any corpus."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime import interpreter
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import check_outputs, write_text
from sernet_edge.runtime.frontend import Float32
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation import calibration, metrics
from sernet_edge.train.evaluation.seen_speakers import seen_speakers
from sernet_edge.train.options import (
    corpus_option,
    list_utterances,
    skip_bad_option,
    tell_doubts,
    tell_skipped,
)
from sernet_edge.train.recordings import read_recordings
from sernet_edge.train.same_audio import SameAudio
from sernet_edge.train.tensorflow_setup import quietly
from sernet_edge.train.windows import Windows

Scorer = Callable[[Float32], NDArray[Any]]
"""From float32 (windows, window_frames, features) to scores (windows, labels)."""


@click.command()
@click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
@corpus_option
@click.option(
    "--map",
    "mappings",
    multiple=True,
    metavar="THEIRS=OURS",
    help="A corpus's label that the model calls otherwise; nothing behind the = leaves it out. "
    "May be repeated.",
)
@click.option("--speakers", metavar="NAMES", help="Only these, with commas.  [default: all]")
@skip_bad_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Page to write, *.html: the same with pictures.",
)
@click.option("--force", is_flag=True, help="Replace an existing page.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def evaluate(
    model_path: Path,
    corpus_and_folder: tuple[str, Path],
    mappings: tuple[str, ...],
    speakers: str | None,
    skip_bad: bool,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Test MODEL, a .tflite or .keras with its contract, on whole utterances of a corpus.

    An utterance's scores are the mean over its windows, one each hop; a shorter one is padded
    with silence. Speakers that the model was trained on are counted and named as such.
    """
    if out is not None:
        if out.suffix != ".html":
            raise click.BadParameter(f"{out} must end in .html", param_hint="--out")
        check_outputs([out], force)
    contract, scorer = _load(model_path)
    name, folder = corpus_and_folder
    renamed = _parse(mappings, contract.labels)
    utterances = list_utterances(name, folder)
    if speakers is not None:
        wanted = {speaker.strip() for speaker in speakers.split(",")}
        if unknown := sorted(wanted - {u.speaker for u in utterances}):
            raise click.BadParameter(
                f"no speaker {', '.join(unknown)} in this corpus", param_hint="--speakers"
            )
        utterances = [u for u in utterances if u.speaker in wanted]
    utterances, left_out = _in_our_labels(utterances, renamed, contract.labels)

    bad: list[str] = []
    windows = Windows(contract)
    truth, means, tested = [], [], []
    audio = SameAudio()
    with click.progressbar(
        utterances, label="evaluating", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for utterance in bar:
            for recording in read_recordings([utterance], contract, bad if skip_bad else None):
                means.append(scorer(windows.test_windows(recording)).mean(axis=0))
                truth.append(contract.labels.index(utterance.label))
                tested.append(utterance)
                audio.add(recording)
    tell_skipped(bad)
    tell_doubts(audio.remarks())
    if not tested:
        raise SernetError("no utterance is left to evaluate on")
    report = {
        "model": str(model_path),
        "contract_id": contract.id,
        "corpus": name,
        "left_out": left_out,
        "skipped": bad,
        "trained_on_these_speakers": seen_speakers(
            contract.provenance, name, {utterance.speaker for utterance in tested}
        ),
        **_figures(np.stack(means).astype(np.float64), np.array(truth), contract),
    }
    if out is not None:
        from sernet_edge.train.evaluation.html_pages import evaluation_page

        write_text(out, evaluation_page(report))
        click.echo(f"wrote {out}", err=True)
    click.echo(json.dumps(report) if as_json else _text(report))


def _load(path: Path) -> tuple[Contract, Scorer]:
    """Return a model's contract and what scores windows with it."""
    if path.suffix != ".keras":
        model = interpreter.load(path)
        return model.contract, lambda windows: np.stack([model.run(w) for w in windows])
    contract = ModelFile.read(path).require_contract()
    from sernet_edge.train.models.saved import load_saved

    with quietly():
        saved = load_saved(path, contract)
    return contract, lambda windows: np.asarray(saved.predict_on_batch(windows[..., None]))


def _figures(
    scores: NDArray[np.float64], truth: NDArray[Any], contract: Contract
) -> dict[str, Any]:
    """Return the figures of scores (utterances, labels), JSON-ready."""
    matrix = metrics.confusion_matrix(truth, scores.argmax(axis=1), len(contract.labels))
    figures = {
        **metrics.summary(matrix, contract.labels),
        "calibration_error": calibration.expected_calibration_error(scores, truth),
        "reliability": calibration.reliability(scores, truth),
    }
    if contract.unsure_below:
        sure = scores.max(axis=1) >= contract.unsure_below
        right = scores.argmax(axis=1) == truth
        figures["sure"] = {
            "from_score": contract.unsure_below,
            "share": float(sure.mean()),
            "precision": float(right[sure].mean()) if sure.any() else None,
        }
    return figures


def _parse(mappings: tuple[str, ...], labels: tuple[str, ...]) -> dict[str, str]:
    """Return theirs -> ours, "" for a label that is left out."""
    renamed = {}
    for mapping in mappings:
        theirs, equals, ours = mapping.partition("=")
        if not equals or not theirs or ours not in ("", *labels):
            raise click.BadParameter(
                f"{mapping!r} must be THEIRS=OURS, with one of {', '.join(labels)} behind the =",
                param_hint="--map",
            )
        renamed[theirs] = ours
    return renamed


def _in_our_labels(
    utterances: list[Utterance], renamed: dict[str, str], labels: tuple[str, ...]
) -> tuple[list[Utterance], dict[str, int]]:
    """Return the utterances in the model's labels, and how many of which label are left out."""
    left_out = Counter(u.label for u in utterances if renamed.get(u.label) == "")
    kept = [
        Utterance(u.path, renamed.get(u.label, u.label), u.speaker)
        for u in utterances
        if u.label not in left_out
    ]
    if strange := sorted({u.label for u in kept} - set(labels)):
        raise SernetError(
            f"the model knows no {', '.join(strange)}, only {', '.join(labels)}",
            hint="say what they are with --map THEIRS=OURS, or leave them out with --map THEIRS=",
        )
    if not kept:
        raise SernetError("no utterance is left to evaluate on")
    return kept, dict(sorted(left_out.items()))


def _text(report: dict[str, Any]) -> str:
    classes = report["classes"]
    width = max(map(len, classes))
    lines = [
        f"{report['utterances']} utterances: UAR {report['uar']:.1%}, WA {report['wa']:.1%}, "
        f"macro F1 {report['macro_f1']:.1%}, calibration error {report['calibration_error']:.1%}",
        "",
        f"{'':{width}}  precision  recall      F1  support   recognised as "
        + " ".join(label[:4].rjust(4) for label in classes),
    ]
    for (label, f), row in zip(classes.items(), report["confusion"], strict=True):
        recall = "    -" if f["recall"] is None else f"{f['recall']:5.1%}"
        lines.append(
            f"{label:{width}}     {f['precision']:6.1%}  {recall:>6}  {f['f1']:6.1%}  "
            f"{f['support']:7}                 " + " ".join(f"{count:4}" for count in row)
        )
    if sure := report.get("sure"):
        precision = "" if sure["precision"] is None else f", {sure['precision']:.1%} of them right"
        lines += [
            "",
            f"sure (top score {sure['from_score']} or more): {sure['share']:.1%}{precision}",
        ]
    if left_out := report["left_out"]:
        counts = ", ".join(f"{count} of {label}" for label, count in left_out.items())
        lines += ["", f"left out, by --map: {counts}"]
    if seen := report["trained_on_these_speakers"]:
        lines += ["", f"optimistic: the model was trained on the speakers {', '.join(seen)}"]
    return "\n".join(lines)
