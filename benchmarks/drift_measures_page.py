"""Writes docs/evidence/drift-measures.md from the figures of `benchmarks/drift_measures.py`.

python benchmarks/drift_measures_page.py benchmarks/drift-measures.json \
    --out docs/evidence/drift-measures.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
from drift_measures import AREAS, COMPONENTS, FIGURES, FITS, MEASURES
from page_command import run_page_command
from seed_tables import Figures
from speech_bank import TESTED

from sernet_edge.convert.drift_limit import PERCENTILE
from sernet_edge.runtime.files import write_text

_PAGE = """\
# Drift and unfamiliar voices

<!-- Made by python benchmarks/drift_measures_page.py {name}; do not edit. -->

Drift, as `listen` and the firmware compute it, rises for noise, but not for voices that the
training did not hear. This page compares it with other measures. None of them was built, for three
reasons:

- A robust training adds noise, rooms and telephone lines to the speech. When the measures are
  fitted to this speech, none rises for unfamiliar voices much more than drift does.
- When the measures are fitted to unchanged recordings, both covariances rise for unfamiliar voices
  and detect noise as well as drift does. However, familiar voices in other noise and rooms raise
  them more than unfamiliar voices do, and the model is trained to judge such sound. Many
  familiar voices are above their limits, too.
- No measure is clearly higher for wrong results than for right ones. The score does differ, and it
  decides whether a result is sure.

## Measures

A window's statistics are the mean of each standardised feature, and the logarithm of its spread.

- **today**: drift, the distance of the statistics from 0, averaged over features.
- **spreads**: the distance of each statistic from its mean, in units of its spread, averaged. The
  contract would hold 4 numbers for each feature.
- **components**: the distance by the {components} largest principal components of the
  statistics, and the distance from the space of these components.
- **covariance**: the Mahalanobis distance of the statistics.
- **embedding**: the distance of the embedding, which is the input of the last dense layer, from the
  mean of the nearest label. Variants: in units of each channel's spread, and with the covariance
  that all labels share.
- **score**: 1 less the highest score, for comparison.

The embedding is not an output tensor of the model. Python would have to keep the interpreter's
tensors, as `teach` does. In C the embedding is the input of the head.

## Method

Each corpus in turn is unfamiliar. The model was trained on the two other corpora; it has full width
and is int8. Each measure is fitted to two thirds of the speakers of these two corpora; the other
third are the familiar voices. The network has heard them, which favours the measures of the
embedding. The noise clips took no part in training. The figures use at most {most} recordings of
each corpus ({tested}), with one window of each recording. They are means over
the three unfamiliar corpora; parentheses hold the range over {splits} splits of the speakers.

Each measure is fitted in two ways: to windows as the training of `voices` hears them, with noise,
rooms, microphones and gains, as `convert` fits the limit; and to the same recordings unchanged.

## Areas under the ROC curve

In percent; 50 is chance. The first three columns are against familiar voices as recorded. The
second is of the same familiar voices as the training hears them. The last column is of wrong
results against right ones, for unfamiliar voices with {four}.

{areas}
## Windows above the limit

In percent. The limit is the {percentile}th percentile of the windows that a measure was fitted to.
The voices are as recorded. Few windows fit the many numbers of the covariances, so even familiar
voices lie above their limits.

{beyond}
## Unfamiliar voices by corpus

The first column of the areas, for each corpus that was unfamiliar.

{by_corpus}"""


@click.command()
@click.argument("saved", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(saved: Path, out: Path) -> None:
    """Write the page about measures of drift from the figures in SAVED."""
    figures = {fit: _figures(saved, fit) for fit in FITS}
    some = figures[FITS[0]]
    areas, beyond = slice(len(AREAS)), slice(len(AREAS), None)
    page = _PAGE.format(
        name=some.name,
        most=some.settings["most"],
        tested=some.tested,
        splits=some.seeds,
        components=COMPONENTS,
        percentile=PERCENTILE,
        four=", ".join(TESTED),
        areas=_tables(
            {fit: _columns(f, areas).by_condition("measure") for fit, f in figures.items()}
        ),
        beyond=_tables(
            {fit: _columns(f, beyond).by_condition("measure") for fit, f in figures.items()}
        ),
        by_corpus=_tables({fit: f.by_corpus("measure") for fit, f in figures.items()}),
    )
    write_text(out, page)


def _figures(saved: Path, fit: str) -> Figures:
    names = [f"{measure}; {fit}" for measure in MEASURES]
    return replace(Figures.read(saved, names, FIGURES, ("most",)), systems=tuple(MEASURES))


def _columns(figures: Figures, which: slice) -> Figures:
    return replace(figures, conditions=figures.conditions[which], values=figures.values[..., which])


def _tables(by_fit: Mapping[str, str]) -> str:
    return "\n".join(f"Fitted to windows {fit}:\n\n{table}" for fit, table in by_fit.items())


if __name__ == "__main__":
    run_page_command(main)
