"""Checks a contract against the tensors of somebody else's model, and attaches it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sernet_edge.firmware_export.adopt.settings import Ends, contract_of, read_settings
from sernet_edge.firmware_export.graph import Tensor, read_graph
from sernet_edge.firmware_export.tensors import short_name
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError, ModelError, SernetError
from sernet_edge.runtime.frontend import FrontEnd
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile

_ALONE = "`sernet-edge export` without a contract writes the network alone, for rows of your own"


def adopt(file: ModelFile, settings: Path) -> ModelFile:
    """Return a model with the contract that a file of settings describes.

    Args:
        file: A full-int8 `.tflite` without a contract.
        settings: JSON; see docs/guides/adopting.md.

    Raises:
        ModelError: The model is not one that listens, or has a contract.
        ContractError: The settings are impossible, or do not fit the model's tensors.
    """
    file.require_flatbuffer()
    if file.contract is not None:
        raise ModelError(f"{file.name} has a contract already, {file.contract.id}")
    ends = _ends(file)
    given = read_settings(settings)
    where = str(settings)
    contract = given if isinstance(given, Contract) else contract_of(given, ends, where)
    _check(contract, ends, where)
    _check_filters(contract, where)
    if not contract.provenance:
        contract = contract.replace(
            provenance={"adopted_from": Path(file.name).name, "model_sha256": file.sha256}
        )
    adopted = file.with_contract(contract)
    # The interpreter has the last word.
    model = Model(adopted)
    model.run(np.zeros((contract.window_frames, contract.feature_count), np.float32))
    return adopted


def _ends(file: ModelFile) -> Ends:
    """Return what a model takes and gives.

    Raises:
        ModelError: Not rows of int8 features in and int8 probabilities out.
    """
    graph = read_graph(file)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(
            f"{file.name}: the model has {len(graph.inputs)} inputs and {len(graph.outputs)} "
            "outputs, not one of each"
        )
    if any(operator.name == "VAR_HANDLE" for operator in graph.operators):
        raise ModelError(
            f"{file.name}: the network keeps a state from one window to the next, and a contract's "
            "windows overlap",
            _ALONE,
        )
    source, result = graph.inputs[0], graph.outputs[0]
    for what, tensor in (("input", source), ("output", result)):
        if tensor.type != "int8" or len(tensor.scales) != 1:
            raise ModelError(
                f"{file.name}: the {what} {short_name(tensor)!r} is {tensor.type}; a model that "
                "listens takes and gives int8",
                _ALONE,
            )
    if (np.float32(result.scales[0]), result.zero_points[0]) != (np.float32(1 / 256), -128):
        raise ModelError(
            f"{file.name}: the output {short_name(result)!r} has scale {result.scales[0]:g} and "
            f"zero point {result.zero_points[0]}, so its values are not probabilities",
            f"convert the model with a SOFTMAX or LOGISTIC at its end, or: {_ALONE}",
        )
    frames, features = _rows(source)
    labels = int(np.prod(result.fixed_shape))
    return Ends(frames, features, labels, source.scales[0], source.zero_points[0])


def _rows(source: Tensor) -> tuple[int, int]:
    """Return frames and features of an input; of a flat one, 0 and all values together."""
    sizes = [n for n in source.fixed_shape if n != 1]
    if len(sizes) == 2:
        return sizes[0], sizes[1]
    return 0, int(np.prod(source.fixed_shape))


def _check(contract: Contract, ends: Ends, where: str) -> None:
    """Refuse a contract that does not fit the model's tensors; say what would."""
    features = contract.feature_count
    _check_levels(contract, ends, where)
    if len(contract.labels) != ends.labels:
        raise ContractError(
            f"{where}: it names {len(contract.labels)} labels, the model gives {ends.labels} scores"
        )
    if not ends.frames:
        if contract.window_frames * features != ends.features:
            raise ContractError(
                f"{where}: {contract.window_frames} frames of {features} features are "
                f"{contract.window_frames * features} values, the model's input has {ends.features}"
            )
        return
    if (
        (ends.frames, ends.features)
        == (features, contract.window_frames)
        != (
            ends.features,
            ends.frames,
        )
    ):
        raise ContractError(
            f"{where}: the model's input has {ends.frames} rows of {ends.features}, which are "
            "features, not frames",
            "transpose the input before training: a row must be a frame",
        )
    if features != ends.features:
        raise ContractError(
            f"{where}: the front end makes {features} features a frame, the model's input has "
            f"{ends.features}",
            f"set {_count_field(contract)} to {ends.features}, if the model was trained so",
        )
    if contract.window_frames != ends.frames:
        raise ContractError(
            f"{where}: window_frames is {contract.window_frames}, the model's input has "
            f"{ends.frames} frames"
        )


def _check_levels(contract: Contract, ends: Ends, where: str) -> None:
    """Refuse levels of the micro frontend that are not the model's int8 input plus 128."""
    settings = contract.micro_frontend
    if settings is None or not settings.divisor:
        return
    if ends.zero_point != -128 or np.float32(settings.scale) != np.float32(ends.step):
        raise ContractError(
            f"{where}: with divisor {settings.divisor} the model's int8 input must be the level "
            f"less 128: a zero point of -128 and a scale of {settings.scale:g}, but the input has "
            f"{ends.zero_point} and {ends.step:g}",
            "give scale instead, if the model was trained with features times a scale",
        )


def _check_filters(contract: Contract, where: str) -> None:
    """Refuse filters that cannot be, which those who make them find."""
    try:
        FrontEnd(contract)
    except SernetError as error:
        raise ContractError(f"{where}: {error.message}", error.hint) from error


def _count_field(contract: Contract) -> str:
    names = {"mfcc": "mfcc_count", "mel": "mel_bands", "micro": "num_channels"}
    return names.get(contract.features, "mel_high_hz")
