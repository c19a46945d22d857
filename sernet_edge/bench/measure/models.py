"""The models of a run: files that were given, and what `--zoo` makes of a Keras model."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.frontend import Float32
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.models import ARCHITECTURES, DEFAULT_ARCHITECTURE, build_for_measuring
from sernet_edge.train.recordings import Recording
from sernet_edge.train.tensorflow_setup import quietly

Progress = Callable[[str], None]

PRECISIONS = ("float32", "float16", "dynamic", "int8")

_CALIBRATION_WINDOWS = 200
_NOISE_WINDOWS = 20


@dataclass(frozen=True)
class Speech:
    """A corpus that was read, or several.

    Attributes:
        corpus: Its name in `train.corpora`; of several, `CorpusChoice.name`.
        rate_hz: The rate that it was read at; models of another cannot hear it.
        recordings: Of all its speakers.
    """

    corpus: str
    rate_hz: int
    recordings: Sequence[Recording]


@dataclass(frozen=True)
class BenchModel:
    """A model to measure.

    Attributes:
        file: The `.tflite`; no other model of the run has its name, which tables show.
        architecture: Its name in `train.models`; "" when it is not known.
        made: How bench made it; "" for a given file.
        untrained: Whether its scores mean nothing: its weights are random, or its ranges are of
            noise.
        parent: The Keras model it came from, when that was given.
    """

    file: ModelFile
    architecture: str
    made: str = ""
    untrained: bool = False
    parent: Any = None

    @property
    def name(self) -> str:
        """For tables and messages."""
        return self.file.name

    @property
    def contract(self) -> Contract | None:
        """The contract inside; None when there is none."""
        return self.file.contract


def given(
    paths: Sequence[Path], zoo: bool, speech: Speech | None, progress: Progress
) -> list[BenchModel]:
    """Return the models of a run.

    Args:
        paths: `.tflite` and `.keras` files; of a Keras model its int8 conversion is measured,
            the one given beside it or else one made here.
        zoo: Whether to add a Keras model's other precisions, and for each architecture given
            its smaller relatives.
        speech: Its training speakers are calibrated on; None: noise, which will do for size and
            cost but spoils the scores.
        progress: Told what is done.

    Raises:
        SernetError: A file cannot be read or converted.
    """
    found: list[BenchModel] = []
    for path, name in _names(paths).items():
        file = ModelFile.read(path)
        if file.is_flatbuffer:
            architecture = architecture_of(file.contract) if file.contract else ""
            found.append(BenchModel(replace(file, name=name), architecture))
        else:
            precisions = PRECISIONS if zoo else ("int8",)
            found += _converted(path, name, file, precisions, speech, progress)
    found = [_with_parent(model, found) for model in found]
    # Where its own int8 conversion was given, none with ranges of noise is wanted.
    files = [model.parent for model in found if not model.made]
    found = [s for s in found if not (s.untrained and any(s.parent is file for file in files))]
    if zoo:
        for model in list(found):
            there = {s.architecture for s in found}
            if (contract := model.contract) and model.architecture:
                found += relatives(contract, model.architecture, there, progress)
    return _named_apart(found)


def relatives(
    contract: Contract, architecture: str, there: set[str], progress: Progress
) -> list[BenchModel]:
    """Return the smaller relatives of an architecture, int8, with random weights.

    Args:
        contract: Says how large their input and output are.
        architecture: Whose relatives.
        there: Architectures that are not made again.
        progress: Told what is done.
    """
    if architecture not in ARCHITECTURES:
        return []
    family = ARCHITECTURES[architecture].family
    wanted = [n for n, a in ARCHITECTURES.items() if a.family == family and n not in there]
    if not wanted:
        return []
    _need_tensorflow()
    with quietly():
        from sernet_edge.convert import quantize

    found = []
    for name in wanted:
        progress(f"making {name} with random weights")
        model = build_for_measuring(name, contract, seed=0)
        flatbuffer = quantize.convert_model(model, "int8", _noise(contract))
        own = contract.replace(provenance={"architecture": name, "weights": "random"})
        file = ModelFile(f"{name}-int8", flatbuffer).with_contract(own)
        made = "random weights: size and cost only"
        found.append(BenchModel(file, name, made, untrained=True))
    return found


def _with_parent(model: BenchModel, found: Sequence[BenchModel]) -> BenchModel:
    """Return a model with the Keras model that was given beside it, if its contract says so."""
    contract = model.contract
    if model.parent is not None or contract is None:
        return model
    for other in found:
        if other.parent is not None and other.contract and _trained(other.contract, contract):
            return replace(model, parent=other.parent)
    return model


def _trained(one: Contract, other: Contract) -> bool:
    """Whether two contracts are of one training, whatever conversion found out since."""

    def kept(contract: Contract) -> Contract:
        provenance = {k: v for k, v in contract.provenance.items() if k != "conversion"}
        return contract.replace(provenance=provenance, unsure_below=0.0, drift_limit=0.0)

    return kept(one) == kept(other)


def architecture_of(contract: Contract) -> str:
    """Return the architecture that a contract's provenance names; "" when it names none."""
    return str(contract.provenance.get("architecture", ""))


def _converted(
    path: Path,
    name: str,
    file: ModelFile,
    precisions: Sequence[str],
    speech: Speech | None,
    progress: Progress,
) -> list[BenchModel]:
    """Convert a Keras model."""
    contract = file.require_contract()
    _need_tensorflow()
    with quietly():
        from sernet_edge.convert import calibrate, quantize
    from sernet_edge.train.models.saved import load_saved

    parent = load_saved(path, contract)
    held_out = contract.provenance.get("holdout_speakers", ())
    heard = speech.recordings if speech and speech.rate_hz == contract.sample_rate_hz else ()
    training = [r for r in heard if r.utterance.speaker not in held_out]
    if training:
        samples, _ = calibrate.calibration_windows(contract, training, _CALIBRATION_WINDOWS, 1)
        made = f"converted here, calibrated on {len(samples)} windows"
    else:
        samples = _noise(contract)
        made = "converted here, calibrated on noise"
    architecture = architecture_of(contract) or DEFAULT_ARCHITECTURE
    found = []
    for precision in precisions:
        progress(f"{name}: converting to {precision}")
        # What conversion found out about an earlier file does not hold for this one.
        own = contract.replace(
            provenance={k: v for k, v in contract.provenance.items() if k != "conversion"}
        )
        flatbuffer = quantize.convert_model(parent, precision, samples)  # type: ignore[arg-type]
        found.append(
            BenchModel(
                ModelFile(f"{name}-{precision}", flatbuffer).with_contract(own),
                architecture,
                made if precision == "int8" else "converted here",
                # Noise sets ranges that speech does not have.
                untrained=precision == "int8" and not training,
                parent=parent,
            )
        )
    return found


def _need_tensorflow() -> None:
    if importlib.util.find_spec("tensorflow") is None:
        raise SernetError(
            "converting Keras models needs the Python package 'tensorflow'",
            "pip install 'sernet-edge[convert]'",
        )


def _noise(contract: Contract) -> Float32:
    """Return windows like standardised features, float32 (windows, frames, features)."""
    shape = (_NOISE_WINDOWS, contract.window_frames, contract.feature_count)
    noise = np.random.default_rng(0).standard_normal(shape)
    return np.clip(noise, -contract.clip, contract.clip).astype(np.float32)


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return a name for each file: its own, after as many folders as make it unique."""
    files = {path.resolve(): path for path in paths}  # One that was given twice is there once.
    names = {}
    for place, path in files.items():
        parts, others = place.with_suffix("").parts, [o for o in files if o != place]
        same = [o.with_suffix("").parts for o in others if o.suffix == place.suffix]
        depth = 1
        while any(other[-depth:] == parts[-depth:] for other in same):
            depth += 1
        names[path] = "/".join(parts[-depth:])
    return names


def _named_apart(found: list[BenchModel]) -> list[BenchModel]:
    """Check that no two have one name, by which a later run finds them again."""
    names = [model.name for model in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SernetError(
            f"several models would be called {', '.join(twice)}",
            "name the files apart; a run tells its models by their names",
        )
    return found
