"""`sernet-edge evaluate`: a model's figures on any corpus."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from sernet_edge.runtime import interpreter
from sernet_edge.runtime.errors import SernetError
from sernet_edge.train import dataset, metrics
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.options import corpus_option
from sernet_edge.train.recipe import Recipe


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
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def evaluate(
    model_path: Path,
    corpus_and_folder: tuple[str, Path],
    mappings: tuple[str, ...],
    speakers: str | None,
    as_json: bool,
) -> None:
    """Test MODEL, a .tflite with its contract, on whole utterances of a corpus.

    An utterance's scores are the mean over its windows, one each hop; a shorter one is padded
    with silence. Speakers that the model was trained on are counted and named as such.
    """
    model = interpreter.load(model_path)
    contract = model.contract
    name, folder = corpus_and_folder
    renamed = _parse(mappings, contract.labels)
    utterances = CORPORA[name].read(folder)
    if speakers is not None:
        wanted = {speaker.strip() for speaker in speakers.split(",")}
        if unknown := sorted(wanted - {u.speaker for u in utterances}):
            raise click.BadParameter(
                f"no speaker {', '.join(unknown)} in this corpus", param_hint="--speakers"
            )
        utterances = [u for u in utterances if u.speaker in wanted]
    utterances = _in_our_labels(utterances, renamed, contract.labels)

    windows = dataset.Windows(contract, Recipe())
    truth, guess = [], []
    with click.progressbar(
        utterances, label="evaluating", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for utterance in bar:
            (recording,) = dataset.read_recordings([utterance], contract)
            scores = [model.run(window) for window in windows.test_windows(recording)]
            truth.append(contract.labels.index(utterance.label))
            guess.append(int(np.mean(scores, axis=0).argmax()))
    matrix = metrics.confusion_matrix(truth, guess, len(contract.labels))
    report = {
        "model": str(model_path),
        "contract_id": contract.id,
        "corpus": name,
        "trained_on_these_speakers": _seen(utterances, name, contract.provenance),
        **metrics.summary(matrix, contract.labels),
    }
    click.echo(json.dumps(report) if as_json else _text(report))


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
) -> list[Utterance]:
    ours = [Utterance(u.path, renamed.get(u.label, u.label), u.speaker) for u in utterances]
    if strange := sorted({u.label for u in ours} - {*labels, ""}):
        raise SernetError(
            f"the model knows no {', '.join(strange)}, only {', '.join(labels)}",
            hint="say what they are with --map THEIRS=OURS, or leave them out with --map THEIRS=",
        )
    if not (kept := [u for u in ours if u.label]):
        raise SernetError("no utterance is left to evaluate on")
    return kept


def _seen(utterances: list[Utterance], corpus: str, provenance: Any) -> list[str]:
    """Return the speakers of `utterances` that the model was trained on."""
    if provenance.get("corpus") != corpus:
        return []
    held_out = set(provenance.get("holdout_speakers", ()))
    return sorted({u.speaker for u in utterances} - held_out)


def _text(report: dict[str, Any]) -> str:
    classes = report["classes"]
    width = max(map(len, classes))
    lines = [
        f"{report['utterances']} utterances: UAR {report['uar']:.1%}, WA {report['wa']:.1%}, "
        f"macro F1 {report['macro_f1']:.1%}",
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
    if seen := report["trained_on_these_speakers"]:
        lines += ["", f"optimistic: the model was trained on the speakers {', '.join(seen)}"]
    return "\n".join(lines)
