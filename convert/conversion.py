"""Converts a Keras model to a `.tflite` with its contract, and verifies it on speech."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sernet_edge import __version__
from sernet_edge.convert.drift_limit import drift_limit
from sernet_edge.convert.precision import Precision
from sernet_edge.convert.temperature import fold_temperature, temperature_from
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError, SettingError
from sernet_edge.runtime.files import check_outputs, write_bytes, write_text
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.licences import forbids_commerce
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora import corpus_named
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder, names_in
from sernet_edge.train.evaluation.seen_speakers import corpora_heard
from sernet_edge.train.models.saved import load_saved
from sernet_edge.train.noise import Noise
from sernet_edge.train.progress import QUIET, Progress
from sernet_edge.train.recipe import recipe_from
from sernet_edge.train.recordings import Recording, read_corpus
from sernet_edge.train.tensorflow_setup import quietly


@dataclass(frozen=True)
class ConversionSettings:
    """The settings of one conversion.

    Attributes:
        model: The Keras model, with its contract.
        corpora: The corpora that the model was trained on.
        out: The model's file, *.tflite; its verification and an int8 model's C header are written
            beside it.
        precision: See `quantize.convert_model`.
        windows: Number of windows of speech that calibrate the quantisation.
        seed: Seed of the choice of those windows.
        calibrate_from: Folder of a cross-validation of the same system, which calibrates the
            scores; None leaves them as they are.
        sure_precision: Share of right results that is required of sure ones, 0..1.
        licence: SPDX expression of the model's licence, which its exports name; None: no licence.
        noise: Folder of the noise that the model was trained with; None: no noise.
        skip_bad: Whether to leave out recordings that cannot be read.
        force: Whether to replace existing files.
    """

    model: Path
    corpora: tuple[CorpusFolder, ...]
    out: Path
    precision: Precision = "int8"
    windows: int = 200
    seed: int = 1
    calibrate_from: Path | None = None
    sure_precision: float = 0.9
    licence: str | None = None
    noise: Path | None = None
    skip_bad: bool = False
    force: bool = False

    @property
    def verification_path(self) -> Path:
        """The file of the verification's figures."""
        return self.out.with_suffix(".verify.json")

    @property
    def header_path(self) -> Path | None:
        """The C header; None for a model that is not int8."""
        return self.out.with_suffix(".h") if self.precision == "int8" else None

    @property
    def paths(self) -> list[Path]:
        """All files to write."""
        return [self.out, self.verification_path, *filter(None, [self.header_path])]


@dataclass(frozen=True)
class Converted:
    """A converted model.

    Attributes:
        file: The `.tflite`.
        contract: The contract in it.
        report: The content of OUT.verify.json.
        files: The written files.
    """

    file: ModelFile
    contract: Contract
    report: dict[str, Any]
    files: tuple[Path, ...]


def convert(settings: ConversionSettings, progress: Progress = QUIET) -> Converted:
    """Convert a Keras model, verify it on other speech than that of the calibration, and write it.

    Args:
        settings: The model and the files.
        progress: Receives messages.

    Raises:
        SettingError: `settings.out` is not *.tflite, or the model was trained on other corpora or
            with other noise.
        SernetError: An output exists, the model or the corpus cannot be read, no recording is left
            to calibrate or verify on, or TensorFlow cannot convert the model.
    """
    if settings.out.suffix != ".tflite":
        raise SettingError("out", f"{settings.out} must end in .tflite")
    check_outputs(settings.paths, settings.force)
    contract = ModelFile.read(settings.model).require_contract()
    corpora = _training_corpora(settings, contract)
    if freer := _freer_than(settings.licence, contract):
        progress.say(f"warning: {freer}")
    utterances = [u for u in corpora.utterances(progress) if u.label in contract.labels]
    fitted = _fitted(settings, contract)
    noise = _training_noise(settings, contract, progress)
    # TensorFlow takes seconds to import, so all quick checks come before it.
    with quietly():
        from sernet_edge.convert import calibrate, quantize, verify

    parent = _parent(settings.model, contract, fitted)
    read = read_corpus(utterances, contract, settings.skip_bad, progress)
    training = _training_recordings(read.recordings, contract, corpora)
    recipe = recipe_from(contract.provenance.get("recipe"))
    samples, chosen = calibrate.calibration_windows(
        contract, training, settings.windows, settings.seed, recipe
    )
    verifying, verified_on = _verifying_recordings(
        read.recordings, training, chosen, contract, corpora
    )

    progress.say(f"converting to {settings.precision}, calibrated on {len(samples)} windows")
    flatbuffer = quantize.convert_model(parent, settings.precision, samples)
    bare = ModelFile(settings.out.name, flatbuffer)
    progress.say(f"verifying on {len(verifying)} recordings")
    report: dict[str, Any] = {
        "model": settings.out.name,
        "parent": settings.model.name,
        "precision": settings.precision,
        "bytes": len(flatbuffer),
        "calibration_windows": len(samples),
        "skipped_recordings": len(read.skipped),
        "verified_on": verified_on,
        **verify.verify(parent, Model(bare.with_contract(contract)), verifying),
        "converted_with": f"sernet-edge {__version__}, tensorflow {quantize.TENSORFLOW_VERSION}",
        **({"calibration": fitted} if fitted else {}),
    }
    contract = contract.replace(
        unsure_below=fitted["unsure_below"] if fitted else contract.unsure_below,
        drift_limit=drift_limit(contract, training, recipe, noise),
        provenance=_provenance(contract, report, settings.licence),
    )
    file = bare.with_contract(contract)
    _write(settings, file, report)
    return Converted(file, contract, report, tuple(settings.paths))


def _fitted(settings: ConversionSettings, contract: Contract) -> dict[str, Any] | None:
    """Return the result of `temperature_from`; None if there is no cross-validation."""
    run = settings.calibrate_from
    return temperature_from(run, contract, settings.sure_precision) if run else None


def _parent(path: Path, contract: Contract, fitted: dict[str, Any] | None) -> Any:
    """Return the `keras.Model` to convert, with the temperature folded in."""
    parent = load_saved(path, contract)
    if fitted:
        fold_temperature(parent, fitted["temperature"])
    return parent


def _training_corpora(settings: ConversionSettings, contract: Contract) -> CorpusChoice:
    """Return the corpora that the model was trained on, with the model's labels.

    Raises:
        SettingError: The given corpora are not those of the training.
        SernetError: The contract names no corpora.
    """
    name, given = contract.provenance.get("corpus"), CorpusChoice(settings.corpora)
    if not name:
        raise SernetError(
            f"{settings.model}: its contract names no corpus, so its training speakers are unknown",
            "train the model again with `sernet-edge train`",
        )
    if given.name != name:
        raise SettingError(
            "corpus",
            f"{settings.model} was trained on {' and '.join(names_in(name))}, not on "
            f"{' and '.join(names_in(given.name))}",
            "name all corpora that it was trained on, and no other",
        )
    mapping: Any = contract.provenance.get("map", {})
    return CorpusChoice(settings.corpora, mapping=mapping)


def _freer_than(licence: str | None, contract: Contract) -> str:
    """Return which corpora allow no commercial use although `licence` does, in words; else ""."""
    if licence is None or forbids_commerce(licence):
        return ""
    licences = {name: corpus_named(name).licence for name in corpora_heard(contract.provenance)}
    closed = [f"{name} ({its})" for name, its in licences.items() if forbids_commerce(its)]
    if not closed:
        return ""
    return (
        f"{licence} may allow commercial use, but the model was trained on {' and '.join(closed)}, "
        "whose licence does not: ask a lawyer, or choose another licence"
    )


def _training_noise(
    settings: ConversionSettings, contract: Contract, progress: Progress
) -> Noise | None:
    """Return the noise that the model was trained with; None if there was none.

    Raises:
        SettingError: The folder is missing, or holds other noise.
        SernetError: See `Noise.read`.
    """
    trained: Any = contract.provenance.get("noise")
    if not trained:
        if settings.noise:
            raise SettingError("noise", f"{settings.model} was trained without noise: leave it out")
        return None
    if not settings.noise:
        raise SettingError(
            "noise",
            f"{settings.model} was trained with noise: name that folder, so that noisy speech does "
            "not count as unlike the training",
        )
    noise = Noise.read(settings.noise, contract.sample_rate_hz, settings.skip_bad, progress)
    if noise.digest != trained["digest"]:
        raise SettingError(
            "noise",
            f"{settings.noise} holds other sounds ({len(noise.training)} to train with) than "
            f"{settings.model} was trained with ({trained['clips']})",
            "name the folder that the training was given",
        )
    return noise


def _training_recordings(
    recordings: Sequence[Recording], contract: Contract, corpora: CorpusChoice
) -> list[Recording]:
    """Return the recordings of the training speakers.

    Raises:
        SernetError: There are none.
    """
    held_out = contract.provenance.get("holdout_speakers", ())
    training = [r for r in recordings if r.utterance.speaker not in held_out]
    if not training:
        raise SernetError(
            f"{corpora.places} holds no recording of a training speaker, only of the held-out "
            f"{', '.join(held_out)}",
            "name the whole corpus",
        )
    return training


def _verifying_recordings(
    recordings: Sequence[Recording],
    training: Sequence[Recording],
    chosen: Sequence[int],
    contract: Contract,
    corpora: CorpusChoice,
) -> tuple[list[Recording], str]:
    """Return the recordings to verify on.

    These are the recordings of the held-out speakers. If no speaker was held out, they are the
    recordings that did not calibrate the quantisation.

    Args:
        recordings: Recordings of the whole corpora.
        training: Recordings of the training speakers.
        chosen: Indices of the `training` recordings that calibrate the quantisation.
        contract: The model's contract.
        corpora: The corpora, for errors.

    Returns:
        The recordings, and a description of them in words.

    Raises:
        SernetError: There are none.
    """
    held_out = contract.provenance.get("holdout_speakers", ())
    if held_out:
        verifying = [r for r in recordings if r.utterance.speaker in held_out]
        speakers = sorted({recording.utterance.speaker for recording in verifying})
        whose = f"held-out speakers {', '.join(speakers)}"
        hint = f"name the whole corpus, with the speakers {', '.join(held_out)}"
    else:
        rest = sorted(set(range(len(training))) - set(chosen))
        verifying, whose = [training[i] for i in rest], "training speakers"
        hint = "calibrate on fewer --windows"
    if not verifying:
        raise SernetError(f"no recording in {corpora.places} is left to verify on", hint)
    return verifying, f"{len(verifying)} recordings of {whose}"


def _provenance(contract: Contract, report: dict[str, Any], licence: str | None) -> dict[str, Any]:
    """Return the model's provenance with a part of the conversion's report."""
    brief = {k: v for k, v in report.items() if k not in ("model", "float", "converted")}
    brief |= {name: {k: report[name][k] for k in ("wa", "uar")} for name in ("float", "converted")}
    named = {"licence": licence} if licence else {}
    return {**contract.provenance, "conversion": brief, **named}


def _write(settings: ConversionSettings, file: ModelFile, report: dict[str, Any]) -> None:
    from sernet_edge.firmware_export.header import model_header
    from sernet_edge.firmware_export.licence import model_licence, with_line

    write_bytes(settings.out, file.data)
    write_text(settings.verification_path, json.dumps(report, indent=1) + "\n")
    if settings.header_path:
        licence = model_licence(file.require_contract())
        write_text(settings.header_path, with_line("model.h", model_header(file), licence))
