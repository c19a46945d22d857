"""`sernet-edge train`."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sernet_edge import __version__
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import check_outputs, replacing, write_bytes, write_text
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora import CORPORA, labels_of
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.epochs import epochs_table
from sernet_edge.train.evaluation.seen_speakers import seen_speakers
from sernet_edge.train.initial_weights import InitialWeights
from sernet_edge.train.options import (
    Settings,
    list_utterances,
    read_corpus,
    skip_bad_option,
    training_options,
)
from sernet_edge.train.tensorflow_setup import quietly

if TYPE_CHECKING:
    from sernet_edge.train.fit import Fit

_ORACLE_FILES = 10


@click.command()
@training_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Model to write, *.keras; its metrics and picture are written beside it.",
)
@click.option(
    "--holdout",
    metavar="SPEAKERS",
    help="Speakers to test on and not to train on, with commas, or 'none'.  "
    "[default: the last two]",
)
@skip_bad_option
@click.option(
    "--log-csv", is_flag=True, help="Keep each epoch's figures in OUT's .epochs.csv, too."
)
@click.option("--force", is_flag=True, help="Replace an existing model.")
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def train(
    settings: Settings,
    out: Path,
    holdout: str | None,
    skip_bad: bool,
    log_csv: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Train a model on a corpus of emotional speech.

    Writes OUT (the Keras model, its contract inside), OUT's .metrics.json and
    .confusion.png. A run that was stopped goes on when the same command is given again.
    """
    if out.suffix != ".keras":
        raise click.BadParameter(f"{out} must end in .keras", param_hint="--out")
    outputs = {name: out.with_suffix(f".{name}") for name in ("metrics.json", "confusion.png")}
    check_outputs((out, *outputs.values()), force)
    utterances = list_utterances(settings.corpus, settings.folder)
    labels = labels_of(CORPORA[settings.corpus], utterances)
    held_out = _held_out_speakers(holdout, utterances)
    initial = InitialWeights.read(settings.init) if settings.init else None

    with quietly():
        import keras

    from sernet_edge.train import frontend_check
    from sernet_edge.train.evaluation import metrics, pictures
    from sernet_edge.train.fit import predict, start
    from sernet_edge.train.new_contract import new_contract
    from sernet_edge.train.same_audio import SameAudio

    contract = new_contract(labels, settings.level, settings.window_frames, settings.features)
    recordings, bad = read_corpus(utterances, contract, skip_bad)
    training = [r for r in recordings if r.utterance.speaker not in held_out]
    testing = [r for r in recordings if r.utterance.speaker in held_out]
    if not training:
        raise SernetError("no recording is left to train on")
    SameAudio(recordings).check_split(
        [r.utterance for r in training], [r.utterance for r in testing]
    )
    # A label that stands on unreadable files alone is not one of the model's.
    labels = labels_of(CORPORA[settings.corpus], [r.utterance for r in recordings])
    contract = contract.replace(labels=labels)
    learnt = {r.utterance.label for r in training}
    if absent := [label for label in labels if label not in learnt]:
        _say(f"warning: no training recording is labelled {' or '.join(absent)}")
    spread = training[:: -(-len(training) // _ORACLE_FILES)]
    difference = frontend_check.check_front_end(spread, contract)
    _say(f"front end: at most {difference:.1e} from python_speech_features")
    checkpoint = out.with_suffix(".checkpoint.npz")
    fit = start(
        contract,
        settings.recipe,
        training,
        settings.seed,
        checkpoint,
        settings.architecture,
        initial,
    )
    model, contract = fit.model, fit.windows.contract
    _say(
        f"training on {len(training)} recordings of {len({r.utterance.speaker for r in training})} "
        f"speakers, testing on {len(testing)} of {', '.join(held_out) or 'none'}; "
        f"{settings.architecture}, {model.count_params():,} parameters, "
        f"Keras on {keras.backend.backend()}"
    )
    if initial:
        _say(_what_was_taken(initial, fit))
        if known := seen_speakers(initial.provenance, settings.corpus, held_out):
            _say(
                f"warning: {settings.init} was trained on the held-out {', '.join(known)}: "
                "the figures will be optimistic"
            )
    if fit.history:
        _say(f"going on after epoch {len(fit.history)}, from the checkpoint")
    progress = _progress(settings.recipe.epochs, len(fit.history))

    def after_epoch(epoch: int, entry: dict[str, float]) -> None:
        progress(epoch, entry)
        if log_csv:
            write_text(out.with_suffix(".epochs.csv"), epochs_table(fit.history))

    fit.run(after_epoch)
    fit.finish()

    results: dict[str, Any] = {"holdout_speakers": held_out}
    matrix = None
    if testing:
        truth = [contract.labels.index(r.utterance.label) for r in testing]
        cut = [fit.windows.test_windows(recording) for recording in testing]
        guess = predict(model, cut).argmax(axis=1).tolist()
        matrix = metrics.confusion_matrix(truth, guess, len(contract.labels))
        results |= metrics.summary(matrix, contract.labels)
    provenance = {
        "architecture": settings.architecture,
        "initial": initial.provenance if initial else None,
        "corpus": settings.corpus,
        "protocol": "single speaker-disjoint split" if testing else "all speakers",
        "holdout_speakers": held_out,
        "skipped_recordings": len(bad),
        "seed": settings.seed,
        "recipe": dataclasses.asdict(settings.recipe),
        "trained_with": f"sernet-edge {__version__}, keras {keras.__version__} "
        f"on {keras.backend.backend()}",
        "metrics": {k: results[k] for k in ("utterances", "wa", "uar", "macro_f1") if testing},
    }
    contract = contract.replace(provenance=provenance)
    with replacing(out) as temporary:
        model.save(temporary)
        temporary.write_bytes(ModelFile.read(temporary).with_contract(contract).data)
    report = {"model": out.name, "contract_id": contract.id, **provenance, **results}
    report |= {"history": fit.history, "front_end_difference": difference}
    write_text(outputs["metrics.json"], json.dumps(report, indent=1) + "\n")
    written = [out, outputs["metrics.json"]]
    if matrix is not None:
        title = (
            f"{settings.corpus}, held-out speakers {', '.join(held_out)}: "
            f"UAR {results['uar']:.1%}, WA {results['wa']:.1%}"
        )
        picture = pictures.confusion(matrix, contract.labels, title)
        write_bytes(outputs["confusion.png"], picture)
        written.append(outputs["confusion.png"])
    # Last, so that a full disk before it costs no training.
    fit.checkpoint.unlink(missing_ok=True)
    _say(f"wrote {', '.join(str(path) for path in written)}; contract {contract.id}")
    if as_json:
        click.echo(json.dumps(report))
    elif testing:
        click.echo(
            f"held-out speakers {', '.join(held_out)}: UAR {results['uar']:.1%}, "
            f"WA {results['wa']:.1%}, macro F1 {results['macro_f1']:.1%} "
            f"over {results['utterances']} utterances (a single split)"
        )


def _held_out_speakers(holdout: str | None, utterances: list[Utterance]) -> list[str]:
    speakers = sorted({utterance.speaker for utterance in utterances})
    if holdout != "none" and "" in speakers:
        raise SernetError(
            "the corpus does not say who speaks in every recording, so no speaker can be held out",
            "add the column speaker, or train on everything with --holdout none",
        )
    if holdout == "none":
        return []
    if len(speakers) < 2:
        raise SernetError(
            f"the corpus has {len(speakers)} speaker, so none can be held out",
            "add speakers, or train on everything with --holdout none",
        )
    if holdout is None:
        return speakers[-min(2, len(speakers) - 1) :]
    wanted = sorted({speaker.strip() for speaker in holdout.split(",")})
    if unknown := [speaker for speaker in wanted if speaker not in speakers]:
        raise click.BadParameter(
            f"no speaker {', '.join(unknown)} in this corpus, which has {', '.join(speakers)}",
            param_hint="--holdout",
        )
    if wanted == speakers:
        raise click.BadParameter("no speaker is left to train on", param_hint="--holdout")
    return wanted


def _what_was_taken(initial: InitialWeights, fit: Fit) -> str:
    """Say in words which layers start from another model's weights."""
    said = f"{len(fit.taken)} layers start from {initial.path}: {', '.join(fit.taken)}"
    return f"{said}; from random weights: {', '.join(fit.not_taken) or 'none'}"


def _say(text: str) -> None:
    click.echo(text, err=True)


def _progress(epochs: int, done: int) -> Any:
    """Return a reporter that rewrites one line on a terminal, and prints now and then elsewhere."""
    started = time.monotonic()
    live = sys.stderr.isatty()

    def report(epoch: int, entry: dict[str, float]) -> None:
        last = epoch + 1 == epochs
        if not live and (epoch + 1) % 10 and not last:
            return
        per_epoch = (time.monotonic() - started) / (epoch + 1 - done)
        left = round(per_epoch * (epochs - epoch - 1))
        click.echo(
            ("\r\x1b[K" if live else "")
            + f"epoch {epoch + 1}/{epochs}: loss {entry['loss']:.3f}, accuracy "
            f"{entry['accuracy']:.1%} (on augmented windows), {left // 60}:{left % 60:02d} left",
            err=True,
            nl=not live or last,
        )

    return report
