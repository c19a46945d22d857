"""`sernet-edge evaluate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from sernet_edge.runtime.errors import SettingError
from sernet_edge.runtime.files import check_outputs, write_text
from sernet_edge.runtime.options import MODEL_PATH, Integer, option_group
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder, in_words
from sernet_edge.train.evaluation import evaluate
from sernet_edge.train.evaluation.conditions import CONDITIONS
from sernet_edge.train.evaluation.saved_runs import four_lines
from sernet_edge.train.options import (
    corpus_option,
    labels_option,
    map_option,
    names,
    skip_bad_option,
)
from sernet_edge.train.progress import TerminalProgress


@dataclass(frozen=True)
class EvaluationOptions:
    """The data to test a model on; fields have the names of the options."""

    corpora: tuple[CorpusFolder, ...]
    mapping: dict[str, str]
    labels: tuple[str, ...] | None
    speakers: tuple[str, ...] | None
    conditions: tuple[str, ...]
    noise: Path | None
    seed: int
    skip_bad: bool

    def settings(self, model: Path) -> evaluate.EvaluationSettings:
        """Return the settings of the evaluation of a model."""
        named = tuple(CONDITIONS) if "all" in self.conditions else self.conditions
        return evaluate.EvaluationSettings(
            model,
            CorpusChoice(self.corpora, self.labels or (), self.mapping),
            self.speakers,
            self.skip_bad,
            tuple(dict.fromkeys(named)),
            self.noise,
            self.seed,
        )


_TESTED_OPTIONS = [
    corpus_option("Corpus ({names}) and its folder or csv file; may be repeated.", required=False),
    map_option,
    labels_option,
    click.option(
        "--speakers",
        metavar="NAMES",
        callback=names,
        help="Only these, separated by commas.  [default: all]",
    ),
    click.option(
        "--condition",
        "conditions",
        type=click.Choice([*CONDITIONS, "all"]),
        multiple=True,
        help="Also test the same recordings under this condition, and report what it costs; may be "
        "repeated.",
    ),
    click.option(
        "--noise",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder of sounds without speech: a listener without a gate gets them, and its events "
        "are counted. The condition noise uses them.",
    ),
    click.option(
        "--seed",
        type=Integer(0, 2**32 - 1),
        default=evaluate.EvaluationSettings.seed,
        show_default=True,
        help="Seed of the noise that a condition adds.",
    ),
    skip_bad_option,
]


@click.command("evaluate")
@click.argument("model", type=MODEL_PATH)
@option_group("tested", EvaluationOptions, _TESTED_OPTIONS)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Page to write, *.html: the report with pictures.",
)
@click.option("--force", is_flag=True, help="Replace an existing page.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def evaluate_command(
    model: Path, tested: EvaluationOptions, out: Path | None, force: bool, as_json: bool
) -> None:
    """Test MODEL, a .tflite or .keras with its contract, on whole utterances of a corpus, on
    noise, or on both.

    An utterance's scores are the mean over its windows, one each hop; a shorter utterance is
    padded with silence. The report names the speakers that the model was trained on.
    """
    if out is not None:
        if out.suffix != ".html":
            raise SettingError("out", f"{out} must end in .html")
        check_outputs([out], force)
        if not tested.corpora:
            raise SettingError("out", "the page is about speech: name a corpus")
    report = evaluate.evaluate(tested.settings(model), TerminalProgress())
    if out is not None:
        from sernet_edge.train.evaluation.html_pages import evaluation_page

        write_text(out, evaluation_page(report))
        click.echo(f"wrote {out}", err=True)
    click.echo(json.dumps(report) if as_json else _text(report))


def _text(report: dict[str, Any]) -> str:
    parts = []
    if "corpus" in report:
        parts.append(_speech_text(report))
    if conditions := report.get("conditions"):
        parts.append(_conditions_text(conditions))
    if noise := report.get("noise"):
        parts.append(_noise_text(noise))
    return "\n\n".join(parts)


def _conditions_text(conditions: dict[str, Any]) -> str:
    width = max(map(len, conditions))
    lines = [f"{'':{width}}    UAR   lost  four emotions   lost"]
    for name, found in conditions.items():
        four = ["     -", "     -"]
        if found["four_uar_lost"] is not None:
            four = [f"{found['four_uar']:6.1%}", f"{100 * found['four_uar_lost']:6.1f}"]
        lines.append(
            f"{name:{width}} {found['uar']:6.1%} {100 * found['uar_lost']:6.1f}  "
            f"{four[0]:>13} {four[1]:>6}  {CONDITIONS[name]}"
        )
    return "\n".join(lines)


def _noise_text(noise: dict[str, Any]) -> str:
    events = ", ".join(f"{label} {count}" for label, count in noise["event_labels"].items())
    leads = ", ".join(
        f"{label} {count / noise['windows']:.0%}" for label, count in noise["labels"].items()
    )
    return (
        f"noise: {60 * noise['hours']:.1f} min in {noise['clips']} clips, no gate: "
        f"{noise['events']} events ({noise['events_per_hour']:.1f} an hour)"
        f"{f': {events}' if events else ''}; {noise['sure']:.1%} of {noise['windows']} windows "
        f"surely an emotion; leads: {leads}"
    )


def _speech_text(report: dict[str, Any]) -> str:
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
        lines += ["", f"left out: {in_words(left_out)}"]
    if len(report["four"]["corpora"]) > 1:
        lines += ["", *four_lines(report["four"])]
    if seen := report["trained_on_these_speakers"]:
        lines += ["", f"optimistic: the model was trained on the speakers {', '.join(seen)}"]
    return "\n".join(lines)
