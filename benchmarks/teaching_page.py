"""Writes docs/evidence/teaching.md from the figures of `benchmarks/teaching.py`.

python benchmarks/teaching_page.py benchmarks/teaching.json benchmarks/teaching-strict \
    --out docs/evidence/teaching.md

The folder contains the output of `cross-validate --teach K --json` under the protocol `strict`, as
K.json.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from page_command import run_page_command
from teaching_methods import METHODS

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.train.corpora.choice import names_in

_HEAD = """\
# Teaching with a few clips

<!-- Made by python benchmarks/teaching_page.py from {saved} and
     teaching-strict; do not edit. -->

`sernet-edge teach` adapts a model to one person. In this test, each speaker of a corpus teaches a
model with K clips of each emotion, or fewer if the corpus has fewer. A draw divides the speaker's
sentences into two random halves: the clips come from one half, and the test uses the recordings of
the other half. The figures are UAR in percent over the named emotions. The model may also answer
with its other emotions. Each cell has the mean over speakers and {draws} draws, and the range of
the draws' means.

`benchmarks/teaching.py` measures this for any model and corpus. One constant of the method was
chosen with these speakers, so other speakers may gain a little less.

If the clips cover only some of the model's emotions, `teach` changes the model less, to protect the
other emotions. A fit of the last layer without this protection is better if the other emotions
never occur, as in this test, and worse if they do. The rows "only" show the limits of the
protection.
"""

_MISUSE = """
### When teaching goes wrong

`teach` as above, under other conditions. "Wrong labels": each clip gets a random label with a
probability of {wrong:.0%}. "Other people": the test uses the corpus's other speakers. "Only": all
clips have the same emotion.{microphone}
"""

_MICROPHONE = """ "Other microphone": the tested recordings lack sound below 300 Hz and above
3 kHz, and have half the loudness; the clips are unchanged."""

_UNLABELLED = """
### Without labels

This is an experiment; no command offers it. In a stream of a speaker's recordings, an untaught head
adapts until its mean scores match given shares of the emotions. The shares are equal, or those of
the stream itself. They include only emotions that occur in the stream, which a device could not
know. The figures are the UAR of the stream's second half.
"""

_WAYS = ("as it is", "equal shares", "its own shares")

_CONDITIONS = {
    "int8 weights": ("int8", "untaught"),
    "wrong labels": ("wrong labels", "untaught"),
    "other microphone": ("microphone", "microphone untaught"),
    "other people": ("others", "others untaught"),
    "neutral only": ("neutral only", "untaught"),
    "anger only": ("anger only", "untaught"),
}


_STRICT = """\
Each speaker teaches and tests a model that was trained on the other speakers. The labels are \
{labels}. The network is {architecture}{start}. `benchmarks/emodb_after_others.sh` measures it.
"""


def page(document: dict[str, Any], saved: str, strict: Sequence[dict[str, Any]] = ()) -> str:
    """Return the page, Markdown.

    Args:
        document: The figures of `benchmarks/teaching.py`.
        saved: The file's name, for the page.
        strict: The outputs of `cross-validate --teach K --json` for one run, for each K.
    """
    head = _HEAD.format(
        saved=saved,
        draws=document["draws"],
    )
    sections = [_section(r, document["wrong_share"]) for r in document["results"]]
    return "".join([head, *sections, _strict(strict) if strict else ""])


def _strict(reports: Sequence[dict[str, Any]]) -> str:
    """Return the section about a run in which each fold's speaker is taught."""
    run, counts = reports[0], [report["teach"]["clips"] for report in reports]
    initial = run["initial"]
    what = _STRICT.format(
        labels=", ".join(run["labels"]),
        architecture=run["architecture"],
        start=f", first trained on {' and '.join(names_in(initial['corpus']))}" if initial else "",
    )
    conditions = run["teach"]["uar"]
    rows = [[name, *(_figure(r["teach"]["uar"][name]) for r in reports)] for name in conditions]
    title = f"\n## {run['corpus']}, {len(run['labels'])} emotions, strict\n\n"
    table = _table(["condition", *(f"K = {k}" for k in counts)], rows)
    return f"{title}{textwrap.fill(what, 100)}\n\n{table}"


def _heard(corpora: str, tested: str) -> str:
    """Return the training corpora in words, and whether the tested corpus is among them.

    Args:
        corpora: The contract's corpora, with + between several.
        tested: The corpus whose speakers are taught.
    """
    trained = names_in(corpora)
    names = " and ".join(trained)
    if tested in trained:
        return f"{names}. Its training may include these speakers, so they may not be new to it"
    return f"{names}, but not on this corpus"


def _section(result: dict[str, Any], wrong: float) -> str:
    counts = list(result["clips"])
    columns = [f"K = {k}" for k in counts]
    methods = [[name, *(_figure(result["clips"][k][name]) for k in counts)] for name in METHODS]
    misuse = []
    for name, (taught, before) in _CONDITIONS.items():
        if taught in result["clips"][counts[0]]:
            cells = [
                f"{_mean(result['clips'][k][taught])} ({_mean(result['clips'][k][before])})"
                for k in counts
            ]
            misuse.append([name, *cells])
    has_microphone = "microphone" in result["clips"][counts[0]]
    title = f"\n## {result['corpus']}, {len(result['labels'])} emotions\n\n"
    what = (
        f"{result['recordings']:,} recordings of {result['speakers']} speakers: "
        f"{', '.join(result['labels'])}. The model is {result['model']}, contract "
        f"{result['contract']}, trained on {_heard(result['trained_on'], result['corpus'])}.\n\n"
    )
    return (
        title
        + what
        + _table(["method", *columns], methods)
        + _MISUSE.format(wrong=wrong, microphone=_MICROPHONE if has_microphone else "")
        + "\n"
        + _table(["condition: taught (untaught)", *columns], misuse)
        + _UNLABELLED
        + "\n"
        + _table(["stream", *_WAYS], _streams(result["unlabelled"]))
    )


def _streams(figures: dict[str, list[float]]) -> list[list[str]]:
    names = dict.fromkeys(key.rpartition(", ")[0] for key in figures)
    return [[name, *(_figure(figures[f"{name}, {way}"]) for way in _WAYS)] for name in names]


def _mean(draws: Sequence[float]) -> str:
    return f"{100 * float(np.mean(draws)):.1f}"


def _figure(draws: Sequence[float]) -> str:
    return f"{_mean(draws)} ({100 * min(draws):.1f} to {100 * max(draws):.1f})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


@click.command()
@click.argument("saved", type=click.Path(path_type=Path))
@click.argument("strict", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(saved: Path, strict: Path, out: Path) -> None:
    """Write the page from SAVED, and from the reports in the folder STRICT."""
    reports = [_read(path) for path in sorted(strict.glob("*.json"))]
    write_text(out, page(_read(saved), f"{saved.parent.name}/{saved.name}", reports))


def _read(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SernetError(f"cannot read {path}: {error}") from error
    return document


if __name__ == "__main__":
    run_page_command(main)
