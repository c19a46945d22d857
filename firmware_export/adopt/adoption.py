"""Checks that a contract fits the tensors of another project's model, and attaches it."""

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

_QUANTISE = "convert the model again, with all tensors in int8, its input and output included"
_ALONE = "`sernet-edge export` without a contract writes the network alone; you supply its rows"


def adopt(file: ModelFile, settings: Path) -> ModelFile:
    """Return the model with a contract made from a file of settings.

    Args:
        file: A full-int8 `.tflite` without a contract.
        settings: JSON; see docs/guides/adopting.md.

    Raises:
        ModelError: The model does not turn int8 rows into int8 probabilities, or it has a contract
            already.
        ContractError: The settings are impossible, or do not fit the model's tensors.
    """
    file.require_flatbuffer()
    if file.contract is not None:
        raise ModelError(
            f"{file.name} has a contract already, {file.contract.id}",
            "name the file that this one was made from, and replace this one with --force",
        )
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
    # The interpreter may refuse what the checks above let through.
    model = Model(adopted)
    model.run(np.zeros((contract.window_frames, contract.feature_count), np.float32))
    return adopted


def _ends(file: ModelFile) -> Ends:
    """Return the sizes and scales of a model's input and output.

    Raises:
        ModelError: The input is not int8 features, or the output is not int8 probabilities.
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
                f"{file.name}: the {what} {short_name(tensor)!r} is {tensor.type}; a model with a "
                "contract needs an int8 input and an int8 output",
                _ALONE if tensor.type == "uint8" else _QUANTISE,  # no engine runs other types
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
    """Return (frames, features) of an input; for a flat input (0, number of values)."""
    sizes = [n for n in source.fixed_shape if n != 1]
    if len(sizes) == 2:
        return sizes[0], sizes[1]
    return 0, int(np.prod(source.fixed_shape))


def _check(contract: Contract, ends: Ends, where: str) -> None:
    """Refuse a contract that does not fit the model's tensors; the error says which value fits."""
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
    """With `divisor`, refuse an int8 input that is not the frontend's level minus 128."""
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
    """Refuse impossible filters: building the front end finds them."""
    try:
        FrontEnd(contract)
    except SernetError as error:
        raise ContractError(f"{where}: {error.message}", error.hint) from error


def _count_field(contract: Contract) -> str:
    names = {
        "mfcc": "mfcc_count, or numcep of python_speech_features,",
        "mel": "mel_bands",
        "micro": "num_channels",
    }
    return names.get(contract.features, "mel_high_hz")
