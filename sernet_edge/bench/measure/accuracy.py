"""Accuracy of a model: measured on a corpus, or read from its card, with its origin."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from sernet_edge.bench.document import Section, not_measured
from sernet_edge.bench.measure.models import BenchModel, Speech
from sernet_edge.convert.verify import AGREEMENT, verify
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.interpreter import Model
from sernet_edge.train.corpora import voices_of
from sernet_edge.train.corpora.choice import names_in
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation.seen_speakers import heard_voices, seen_speakers
from sernet_edge.train.recipe import Recipe


def section(model: BenchModel, speech: Speech | None, runs: Path | None) -> Section:
    """Return the section "accuracy" of a model.

    Args:
        model: The model.
        speech: To measure on; None: there is none.
        runs: Folder of cross-validations, for models that are not trained; None: there is
            none.

    Returns:
        `uar` and `wa` over whole utterances, 0..1, `source` in words, `how`: "measured", "card"
        or "cross-validation", and where it is known `agreement` with the float parent.
    """
    contract = model.contract
    if model.untrained:
        found = _cross_validated(model.architecture, contract, runs) if contract else None
        return found or not_measured(
            "it is not trained, and --runs names no cross-validation of its architecture and input"
        )
    if contract is None:
        return not_measured("the model has no contract, which says what the front end must be")
    if speech is not None:
        try:
            return _measured(model, contract, speech)
        except SernetError as error:
            return not_measured(str(error))
    return _from_card(contract) or not_measured("give a corpus: --corpus NAME PATH")


def _measured(model: BenchModel, contract: Contract, speech: Speech) -> Section:
    """Score whole recordings, of the held-out speakers where the corpus is the model's own.

    Raises:
        SernetError: The model and the corpus do not go together, or it does not run here.
    """
    provenance, corpus, recordings = contract.provenance, speech.corpus, speech.recordings
    if contract.sample_rate_hz != speech.rate_hz:
        raise SernetError(
            f"{model.name} hears {contract.sample_rate_hz} Hz, but the corpus was read at "
            f"{speech.rate_hz} Hz for another model",
            "measure it in a run of its own",
        )
    speakers = {recording.utterance.speaker for recording in recordings}
    known = seen_speakers(provenance, corpus, speakers)
    new = speakers - set(known)
    tested = [r for r in recordings if r.utterance.speaker in new] or list(recordings)
    if strange := sorted({r.utterance.label for r in tested} - set(contract.labels)):
        raise SernetError(
            f"{model.name} knows no {', '.join(strange)}, only {', '.join(contract.labels)}",
            "`sernet-edge evaluate` can map a corpus's labels to a model's",
        )
    sources = []
    for name in names_in(corpus):
        own = [r.utterance for r in tested if r.utterance.corpus in ("", name)]
        if own:
            sources.append(_source(name, own, known, voices_of(name) in heard_voices(provenance)))
    source = "; ".join(sources)
    if not new:
        source += ": optimistic"
    found = verify(model.parent, Model(model.file), tested)
    return {
        "uar": found["converted"]["uar"],
        "wa": found["converted"]["wa"],
        "how": "measured",
        "source": source,
        "agreement": {key: found[key] for key in AGREEMENT} if model.parent is not None else None,
    }


def _source(corpus: str, tested: Sequence[Utterance], known: Collection[str], is_own: bool) -> str:
    """Say which recordings of a corpus a model was tested on, and whether it had heard them.

    Args:
        corpus: Its name.
        tested: Its utterances.
        known: Speakers of all corpora that the model was trained on.
        is_own: Whether the model was trained on other speakers of this corpus.
    """
    text = f"{len(tested)} recordings of {corpus}"
    speakers = {utterance.speaker for utterance in tested}
    if speakers & set(known):
        return f"{text}, on which it was trained"
    if is_own:
        return f"{text}, held-out speakers {', '.join(sorted(speakers))}"
    return f"{text}, unheard"


def _from_card(contract: Contract) -> Section | None:
    """Return the card's accuracy for speakers that the model was not trained on.

    Those who were held out; where none were, those of the cross-validation it was calibrated with.
    What conversion saw of training speakers tells how alike it is to its parent, and no more.
    """
    conversion: Any = contract.provenance.get("conversion")
    if not conversion:
        return None
    agreement = {"agreement": {key: conversion[key] for key in AGREEMENT}}
    if contract.provenance.get("holdout_speakers"):
        return {
            "uar": conversion["converted"]["uar"],
            "wa": conversion["converted"]["wa"],
            "how": "card",
            "source": f"its card: {conversion['verified_on']}",
        } | agreement
    fitted: Any = conversion.get("calibration", {})
    strict = fitted.get("strict", {}).get(conversion["precision"].replace("float32", "float"))
    if strict:
        return {
            "uar": strict["uar"],
            "wa": strict["wa"],
            "how": "cross-validation",
            "source": f"its card: cross-validation {fitted['run']}, strict; other weights, since "
            "its own heard all speakers",
        } | agreement
    why = "it was trained on all speakers that its card knows; give a corpus: --corpus NAME PATH"
    return not_measured(why) | agreement


def _cross_validated(architecture: str, contract: Contract, runs: Path | None) -> Section | None:
    """Return the figures of an architecture's saved cross-validation, of other weights.

    On another input, such as a longer window, and with other labels an architecture is another
    model. Of several runs the one that tests most is taken, or else that of the default recipe.
    """
    found = []
    for path in sorted(runs.glob("*/report.json")) if runs else ():
        try:
            report = json.loads(path.read_bytes())
            strict = report["protocols"]["strict"]["int8"]
            named = report["architecture"]
            figures = {"uar": strict["uar"], "wa": strict["wa"]}
            taken = (report["features"], report["level"], report["window_frames"])
            labels = set(strict["classes"])
            rank = (strict["utterances"], Recipe(**report["recipe"]) == Recipe())
            folds = ", ".join(report["folds"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # not a report, or one without these figures
        wanted = (contract.features, contract.level, contract.window_frames)
        if (named, taken, labels) == (architecture, wanted, set(contract.labels)):
            source = f"cross-validation {path.parent.name}, folds {folds}, strict, int8"
            found.append((rank, source, figures))
    if not found:
        return None
    _, source, figures = max(found, key=lambda run: run[0])
    return {
        **figures,
        "how": "cross-validation",
        "source": f"{source}; other weights",
        "agreement": None,
    }
