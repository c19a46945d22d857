"""Golden vectors: inputs and the interpreter's outputs for them, as C for the self-test."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export import reference
from sernet_edge.firmware_export.emit import banner, c_array
from sernet_edge.firmware_export.network import Network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.interpreter import interpreter_module
from sernet_edge.runtime.modelfile import ModelFile


def golden_outputs(file: ModelFile, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the outputs of TensorFlow Lite's reference kernels and TensorFlow Lite Micro.

    Args:
        file: A full-int8 `.tflite`.
        inputs: int8 (windows, ...) in the model's input shape without the batch; for a uint8 input
            its bytes. A model with a state sees them one after the other.

    Returns:
        int8 (windows, values); for a uint8 output its bytes.

    Raises:
        ModelError: Both TensorFlow Lite and the engine's own reference refuse the model.
    """
    module, network = interpreter_module(), _engine_network(file)
    # For dense layers with a scale for each output, LiteRT rounds once, in floating point.
    rounds_otherwise = module.__name__.startswith("ai_edge_litert")
    if network is None or not (rounds_otherwise and _has_channelwise_dense_layer(network)):
        try:
            return _interpreted(module, file, inputs)
        except (ValueError, RuntimeError) as error:
            # TensorFlow Lite Micro and the engine take some files that TensorFlow Lite refuses: the
            # biases of person_detect have scales along an axis that the biases do not have.
            if network is None:
                reason = str(error).partition("\n")[0][:200]
                raise ModelError(
                    f"{file.name}: TensorFlow Lite refuses the model: {reason}"
                ) from error
    states: reference.States = {}
    return np.stack([reference.run(network, window.ravel(), states) for window in inputs])


def _interpreted(module: Any, file: ModelFile, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the outputs of the interpreter's reference kernels; see `golden_outputs`."""
    interpreter = module.Interpreter(
        model_content=file.data,
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for window in inputs:
        window = window.astype(np.int8).view(source["dtype"])
        interpreter.set_tensor(source["index"], window.reshape(source["shape"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"]).ravel().view(np.int8))
    return np.stack(outputs)


def _engine_network(file: ModelFile) -> Network | None:
    """Return the network, None if the engine does not know its operators."""
    try:
        return read_network(file)
    except ModelError:
        return None


def _has_channelwise_dense_layer(network: Network) -> bool:
    dense = [layer for layer in network.layers if layer.op == "FULLY_CONNECTED"]
    return any(len(layer.weight_scales) > 1 for layer in dense)


def adversarial_windows(network: Network, seed: int = 0) -> NDArray[np.int8]:
    """Return windows unlike real speech, int8 (3, values): all lowest, all highest, noise."""
    size = network.input.height * network.input.row_bytes
    noise = np.random.default_rng(seed).integers(-128, 128, size)
    return np.stack([np.full(size, -128), np.full(size, 127), noise]).astype(np.int8)


def golden_source(
    network: Network, inputs: NDArray[np.int8], outputs: NDArray[np.int8], name: str
) -> str:
    """Return C that defines `const sernet_golden NAME_golden` with whole windows.

    Args:
        network: The network of the C tables called `name`.
        inputs: int8 (windows, values).
        outputs: int8 (windows, values).
        name: The network's C name.
    """
    rows = network.input.height
    start = f"sernet_replay_windows, &{name}, 0, {len(inputs)}, {rows}, {rows}"
    return _golden(network, start, inputs, outputs, name)


def golden_stream_source(
    network: Network, hop_rows: int, inputs: NDArray[np.int8], outputs: NDArray[np.int8], name: str
) -> str:
    """Return C that defines `const sernet_golden NAME_golden` with windows that share rows.

    Args:
        network: The network of the C tables called `name`.
        hop_rows: Rows from one window to the next.
        inputs: int8 (rows, values): the rows of all windows.
        outputs: int8 (windows, values).
        name: The network's C name.
    """
    start = f"sernet_replay_stream, 0, &{name}, {len(outputs)}, {network.input.height}, {hop_rows}"
    return _golden(network, start, inputs, outputs, name)


def _golden(
    network: Network, start: str, inputs: NDArray[np.int8], outputs: NDArray[np.int8], name: str
) -> str:
    return (
        banner()
        + f'#include "{name}.h"\n#include "sernet_selftest.h"\n\n'
        + c_array("int8_t", f"{name}_inputs", inputs.ravel().tolist())
        + c_array("int8_t", f"{name}_outputs", outputs.ravel().tolist())
        + f"extern const sernet_golden {name}_golden;\n"
        + f"const sernet_golden {name}_golden = {{{start}, {network.input.row_bytes}, "
        + f"{outputs.shape[1]}, {name}_inputs, {name}_outputs}};\n"
    )


def stream_windows(rows: NDArray[np.int8], window_rows: int, hop_rows: int) -> NDArray[np.int8]:
    """Return the windows of a stream, int8 (windows, values).

    Args:
        rows: int8 (rows, values), at least a window.
        window_rows: Rows in a window.
        hop_rows: Rows from one window to the next.
    """
    starts = range(0, len(rows) - window_rows + 1, hop_rows)
    return np.stack([rows[start : start + window_rows].ravel() for start in starts])
