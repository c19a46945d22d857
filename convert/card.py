"""Writes the card of a converted model from what its contract says about its making.

    python -m sernet_edge.convert.card model.tflite

The card lies beside the model, with the suffix .md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sernet_edge.runtime import modelfile
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.files import write_text
from sernet_edge.train.corpora import CORPORA

_CARD = """\
# {name}

<!-- Made by python -m sernet_edge.convert.card from the contract in the model; do not edit. -->

An {precision} model that hears {labels} in {window_s:.1f} s of speech.

| | |
|---|---|
| architecture | {architecture}, input {frames} frames x {features} |
| size | {bytes:,} bytes |
| contract | {contract_id} |
| trained on | {corpus}, all speakers but {holdout}; seed {seed} |
| with | {trained_with} |
| converted with | {converted_with} |
| calibrated on | {calibration_windows} windows of the training speakers |

## What it reaches

Protocol: {protocol}; the held-out speakers took no part in training, calibration or any choice.
This is one split of one small corpus and no cross-validation: expect several points of
difference from one pair of speakers to the next.

| {verified_on} | UAR | WA |
|---|---|---|
| float (Keras) | {float_uar:.1%} | {float_wa:.1%} |
| {precision} (TFLite, as shipped) | {uar:.1%} | {wa:.1%} |

Whole utterances, the mean of the scores of their windows. On {windows} windows the two give the
same label in {label_agreement:.1%}; scores differ by {mean_score_difference:.4f} on average and
{largest_score_difference:.3f} at most.

## Data and licence

{citation}. Licence of the data: {licence}. The model is published under Apache-2.0 like the rest
of sernet-edge.

## Intended use and limits

To try out speech emotion recognition on a small device, and as a start for a model of your own.
The corpus is acted, German, read by ten adults in a quiet studio. On spontaneous speech, other
languages, children, noise or distance the figures above do not hold. Silence and noise get a
label too: the model knows no "nothing". Scores are not calibrated probabilities. Do not use it
to judge people, nor where a wrong answer does harm.
"""


_FEATURES = {"mfcc": "MFCCs", "mel": "mel bands", "spectrogram": "FFT bins"}


def model_card(data: bytes, contract: Contract, name: str) -> str:
    """Return the card, Markdown, of a model made by `sernet-edge convert`.

    Args:
        data: The whole `.tflite`.
        contract: The contract in it.
        name: The model's name.
    """
    provenance: dict[str, Any] = dict(contract.provenance)
    conversion = provenance["conversion"]
    corpus = CORPORA[provenance["corpus"]]
    return _CARD.format(
        **{k: v for k, v in provenance.items() if k in ("architecture", "protocol", "seed")},
        **{k: v for k, v in conversion.items() if k not in ("float", "converted", "bytes")},
        name=name,
        labels=f"{', '.join(contract.labels[:-1])} or {contract.labels[-1]}",
        window_s=contract.window_s,
        frames=contract.window_frames,
        features=f"{contract.feature_count} {_FEATURES[contract.features]}",
        bytes=len(data),
        contract_id=contract.id,
        corpus=provenance["corpus"],
        trained_with=provenance["trained_with"],
        holdout=", ".join(provenance["holdout_speakers"]) or "none",
        float_uar=conversion["float"]["uar"],
        float_wa=conversion["float"]["wa"],
        uar=conversion["converted"]["uar"],
        wa=conversion["converted"]["wa"],
        citation=corpus.citation,
        licence=corpus.licence,
    )


def main(path: Path) -> None:
    """Write the card of the model at `path`."""
    data = path.read_bytes()
    contract = modelfile.read_contract(data, str(path))
    write_text(path.with_suffix(".md"), model_card(data, contract, path.stem))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
