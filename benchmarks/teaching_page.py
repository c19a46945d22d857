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

`sernet-edge teach` adapts a model to one person. Here each speaker of a corpus is taught with K
clips of each emotion, or as many as there are. A draw halves the speaker's sentences at random:
the clips come from one half, and the recordings of the other half are tested. The figures are
UAR in percent over the emotions named, though the model may answer with any of its own: the mean
over speakers and {draws} draws, and the range of the draws' means.

The program is `benchmarks/teaching.py`, which takes any model and corpus. A constant of the method
was chosen by figures of these speakers, so others may gain a little less.

With clips of some of a model's emotions, `teach` holds back, for the sake of the others: fitting
the last layer without regard to these is better where they never occur, as here, and worse where
they do. The rows "only" show how far that goes.
"""

_MISUSE = """
### When teaching goes wrong

`teach` as above, in other conditions. "Wrong labels": each clip has a label drawn at random with a
probability of {wrong:.0%}. "Other people": the other speakers of the corpus. "Only": no clips but
those of one emotion.{microphone}
"""

_MICROPHONE = """ "Other microphone": the tested recordings have lost what lies below 300 Hz and
above 3 kHz, and half their loudness; the clips have not."""

_UNLABELLED = """
### Without labels

Streams of a speaker's recordings, in which an untaught head adapts by matching its mean scores to
stated shares of the emotions: equal ones, or those that the stream was made with. The shares name
only emotions that occur, which a device could not know. UAR of a stream's second half. It is an
experiment; no command does it.
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
Each speaker is tested by a model that was trained on the others, and is then taught: {labels}. \
The network is {architecture}{start}. `benchmarks/emodb_after_others.sh` measures it.
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
        return f"{names}. It may have heard these speakers: the figures are not of strangers"
    return f"{names}; it has heard nothing of this corpus"


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
