"""Writes the card of a converted model from its contract.

    python -m sernet_edge.convert.card model.tflite

The card is beside the model, with the suffix .md. A file NOISE.md beside them credits the noise of
the training (see train/noise_credits.py).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sernet_edge.runtime.contract import NONE, Contract
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.licences import address, terms
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.trust import INTENDED_USE, trust
from sernet_edge.train.corpora import corpus_named
from sernet_edge.train.corpora.choice import names_in
from sernet_edge.train.evaluation.cross_corpus import FOUR
from sernet_edge.train.evaluation.seen_speakers import corpora_heard, seen_speakers

_CARD = """\
# {name}

<!-- Made by python -m sernet_edge.convert.card from the contract in the model; do not edit. -->

An {precision} model that recognises {labels} in {window_s:.1f} s of speech.

How far to trust it: {trust}.
Its use: {intended_use}.

| | |
|---|---|
| architecture | {architecture}, input {frames} frames x {features} |
| size | {bytes:,} bytes |
| contract | {contract_id} |
| trained on | {corpus}, {speakers}; seed {seed} |{start}
| with | {trained_with} |
| converted with | {converted_with} |
| calibrated on | {calibration_windows} windows of the training speakers |

## Accuracy

{reaches}

On {windows} windows of {verified_on}, float (Keras) and {precision} (TFLite, as shipped) give the
same label in {label_agreement:.1%}; scores differ by {mean_score_difference:.4f} on average and
{largest_score_difference:.3f} at most.

## Meaning of the scores

{scores}

## Data and licence

{sources}

Changes: the recordings were resampled, cut into windows, varied and turned into features; the model
is what a training made of them. It contains no recording.{noise}

{model_licence}

## Intended use and limits

Use it to try out speech emotion recognition on a small device, and as a start for your own model.
{nature}The figures above do not hold for spontaneous speech, other languages, children, noise or
distance. {silence}
Do not use it to judge people, or where a wrong result does harm. In the European Union, Regulation
(EU) 2024/1689 prohibits emotion recognition at work and in education, except for medical or safety
reasons (Article 5(1)(f)), and demands that those who are heard know of it (Article 50(3)); other
duties may apply. This is not legal advice.
"""

_HAS_NONE = 'Its label "none" is for silence and noise.'
_HAS_NO_NONE = 'The model labels silence and noise, too: it has no label for "no speech".'

_HELD_OUT = """\
Protocol: {protocol}; {innocent}.
This is one split of one small corpus, not a cross-validation: another pair of speakers changes the
figures by several points.

| {verified_on} | UAR | WA |
|---|---|---|
| float (Keras) | {float_uar:.1%} | {float_wa:.1%} |
| {precision} (TFLite, as shipped) | {uar:.1%} | {wa:.1%} |

{method}"""

_STRICT = """\
{whose} Cross-validation of the same system, each speaker tested by a model that was trained on the
others for a fixed number of epochs (`strict`; run {run}, folds {folds}):

| | UAR (95 % interval over speakers) | WA | macro F1 |
|---|---|---|---|
{rows}

{method}"""

_CROSS_CORPUS = """\
Each corpus tested by a model of the same system that never heard it: another language, other rooms
and microphones, other people (`cross-corpus`; run {run}). Of anger, happiness, neutral and sadness,
where any other answer counts as wrong{others}:

| unheard corpus | | UAR (95 % interval over speakers) | WA | arousal, balanced accuracy |
|---|---|---|---|---|
{rows}

{method} Guessing reaches 25% (arousal: 50%).
{sure}"""

_METHOD = """\
UAR is the mean recall of the emotions, WA the share of right answers. A recording's answer is that
of the mean scores of its windows. Another seed changes the figures by up to a few points."""

_UNKNOWN = """\
It was trained on all speakers, so no speaker is left to test it on. The conversion named no
cross-validation of its recipe."""

_CALIBRATED = """\
They are calibrated as probabilities: the logits are divided by {temperature}. This temperature was
fitted on the cross-validation's scores of {utterances} utterances by speakers that it was not
trained on{apart}.
The expected calibration error over utterances changes from {ece_before:.1%} to {ece_after:.1%},
each {group}'s with the temperature of the others. A result counts as sure from a top score of
{unsure_below} on: {sure_share:.1%} of those utterances, {sure_precision:.0%} of them right.
This score was chosen on these same utterances, so expect fewer right ones on other speech."""

_UNCALIBRATED = (
    "They are not calibrated as probabilities: a higher score only means a likelier label."
)

_DRIFT = """\
A window counts as unlike the training speech from a drift of {drift_limit} on; 1 % of the training
windows lie beyond it."""


_FEATURES = {"mfcc": "MFCCs", "mel": "mel bands", "spectrogram": "FFT bins"}


_CREDITS = "NOISE.md"


def model_card(file: ModelFile, credits: str = "") -> str:
    """Return the card, Markdown, of a model made by `sernet-edge convert`.

    Args:
        file: The `.tflite`.
        credits: Path of the credits of the training's noise; empty: there are none.
    """
    contract = file.require_contract()
    provenance: dict[str, Any] = dict(contract.provenance)
    conversion = provenance["conversion"]
    names, heard = names_in(provenance["corpus"]), corpora_heard(provenance)
    return _CARD.format(
        **{k: v for k, v in provenance.items() if k in ("architecture", "seed", "trained_with")},
        **{k: v for k, v in conversion.items() if k not in ("float", "converted", "bytes")},
        name=Path(file.name).stem,
        trust=trust(contract),
        intended_use=INTENDED_USE,
        labels=f"{', '.join(contract.labels[:-1])} or {contract.labels[-1]}",
        window_s=contract.window_s,
        frames=contract.window_frames,
        features=f"{contract.feature_count} {_FEATURES[contract.features]}",
        bytes=len(file.data),
        contract_id=contract.id,
        corpus=", ".join(names),
        speakers=_speakers(provenance["holdout_speakers"]),
        start=_start(provenance),
        reaches=_reaches(provenance, contract.labels),
        scores=_scores(contract),
        sources="\n".join(f"- {name}: {_source(name)}." for name in heard),
        noise=_noise(provenance, credits),
        model_licence=_licence(Path(file.name).stem, provenance),
        silence=_HAS_NONE if contract.none_index is not None else _HAS_NO_NONE,
        nature=_nature(heard),
    )


def _start(provenance: dict[str, Any]) -> str:
    """Return the table's row of the model that the weights started from; empty without one."""
    start = provenance.get("initial")
    if not start:
        return ""
    return f"\n| started from | {start['model']}, trained on {', '.join(corpora_heard(start))} |"


def _source(name: str) -> str:
    """Return the citation, the source and the licence of a corpus."""
    corpus = corpus_named(name)
    source = f" Source: {_links(corpus.source)}." if corpus.source else ""
    return f"{corpus.citation}.{source} Licence: {_named(corpus.licence)}"


def _links(addresses: str) -> str:
    return ", ".join(f"<{address}>" for address in addresses.split("; "))


def _named(licence: str) -> str:
    """Return a licence with the address of its text, if that is known."""
    return f"[{licence}]({where})" if (where := address(licence)) else licence


def _noise(provenance: dict[str, Any], credits: str) -> str:
    """Return how much noise the model was trained with, and where it is credited, in words."""
    noise = provenance.get("noise")
    if not noise:
        return ""
    where = f", credited in [{credits}]({credits})" if credits else ""
    return f"\nNoise: {noise['clips']} clips{where}."


def _nature(names: list[str]) -> str:
    """Return the kinds of speech in the corpora, as far as known, in words."""
    natures = {name: corpus_named(name).nature for name in names}
    if len(names) == 1:
        (nature,) = natures.values()
        return f"The corpus is {nature}.\n" if nature else ""
    known = [f"{name} is {nature}" for name, nature in natures.items() if nature]
    return f"The corpora: {'; '.join(known)}.\n" if known else ""


def _licence(name: str, provenance: dict[str, Any]) -> str:
    """Return the model's licence, what it demands, and how to name the model, in words."""
    licence = provenance.get("licence")
    if not licence:
        return "The model's own licence is not stated."
    published = f"The model is published under {_named(licence)}."
    demands = "".join(f"\n- {sentence}" for sentence in terms(licence))
    if not demands:
        return published
    return f"""\
{published} In short (its text decides):
{demands}

Name it as "{name}, made with sernet-edge, {licence} <{address(licence)}>, trained on the speech and
the noise listed above, changed by this training"."""


def _speakers(held_out: list[str]) -> str:
    return f"all speakers but {', '.join(held_out)}" if held_out else "all speakers"


def _reaches(provenance: dict[str, Any], labels: Sequence[str]) -> str:
    """Return the accuracy on speakers that the model was not trained on, in words."""
    conversion = provenance["conversion"]
    parts = []
    if provenance["holdout_speakers"]:
        parts.append(
            _HELD_OUT.format(
                protocol=provenance["protocol"],
                innocent=_innocent(provenance),
                verified_on=conversion["verified_on"],
                precision=conversion["precision"],
                float_uar=conversion["float"]["uar"],
                float_wa=conversion["float"]["wa"],
                uar=conversion["converted"]["uar"],
                wa=conversion["converted"]["wa"],
                method=_METHOD,
            )
        )
    fitted = conversion.get("calibration", {})
    if "cross-corpus" in fitted:
        parts.append(_cross_corpus(fitted, labels))
    if "strict" in fitted:
        rows = [
            f"| {precision} | {f['uar']:.1%} ({f['uar_interval'][0]:.1%} to "
            f"{f['uar_interval'][1]:.1%}) | {f['wa']:.1%} | {f['macro_f1']:.1%} |"
            for precision, f in fitted["strict"].items()
        ]
        whose = (
            "" if parts else "It was trained on all speakers, so no speaker is left to test it on."
        )
        parts.append(
            _STRICT.format(
                whose=whose,
                run=fitted["run"],
                folds=", ".join(fitted["folds"]),
                rows="\n".join(rows),
                method=_METHOD,
            ).strip()
        )
    return "\n\n".join(parts) or _UNKNOWN


def _cross_corpus(fitted: dict[str, Any], labels: Sequence[str]) -> str:
    """Return the accuracy on corpora that the models of a cross-validation were not trained on."""
    untested = [label for label in labels if label not in (*FOUR, NONE)]
    others = f"; recordings of {', '.join(untested)} are left out" if untested else ""

    def share(figures: dict[str, Any], name: str) -> str:
        if figures[name] is None:
            return "–"
        low, high = figures[f"{name}_interval"]
        return f"{figures[name]:.1%} ({low:.1%} to {high:.1%})"

    def called(name: str, figures: dict[str, Any]) -> str:
        count = figures.get("utterances")
        return name if count is None else f"{name}, {count:,} recordings"

    rows = [
        f"| {called(name, figures)} | {precision} | "
        + " | ".join(share(figures, key) for key in ("uar", "wa", "arousal"))
        + " |"
        for precision, found in fitted["cross-corpus"].items()
        for name, figures in {**found["four"]["corpora"], "mean": found["four"]["mean"]}.items()
    ]
    sure = [
        f"{name} none sure"
        if found["right"] is None
        else f"{name} {found['right']:.0%} of {found['share']:.0%}"
        for name, found in fitted["sure_by_corpus"].items()
    ]
    return _CROSS_CORPUS.format(
        run=fitted["run"],
        others=others,
        rows="\n".join(rows),
        method=_METHOD,
        sure="Right among the results that count as sure, with a threshold chosen on the other "
        f"corpora: {'; '.join(sure)}.",
    )


def _innocent(provenance: dict[str, Any]) -> str:
    """Return whether the held-out speakers took part in the training, in words."""
    if known := seen_speakers(provenance, provenance["corpus"], provenance["holdout_speakers"]):
        return (
            f"but the model that it started from was trained on {', '.join(known)}: these figures "
            "are optimistic"
        )
    return "the held-out speakers took no part in training, calibration or any choice"


def _scores(contract: Contract) -> str:
    """Return an explanation of the scores."""
    fitted = contract.provenance["conversion"].get("calibration")
    apart = (
        " and that this model did not hold out" if contract.provenance["holdout_speakers"] else ""
    )
    parts = [_UNCALIBRATED]
    if fitted:
        group = "corpus" if "cross-corpus" in fitted else "speaker"
        parts = [_CALIBRATED.format(**fitted, apart=apart, group=group)]
    if contract.drift_limit:
        parts.append(_DRIFT.format(drift_limit=contract.drift_limit))
    return "\n\n".join(parts)


def main(path: Path) -> None:
    """Write the card of the model at `path`."""
    credits = _CREDITS if path.with_name(_CREDITS).is_file() else ""
    write_text(path.with_suffix(".md"), model_card(ModelFile.read(path), credits))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
