"""Post-training quantisation with TensorFlow's converter, and the check that it is complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sernet_edge.convert.precision import Precision
from sernet_edge.firmware_export.graph import read_graphs
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.frontend import Float32
from sernet_edge.runtime.interpreter import interpreter_module
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.tensorflow_setup import quietly

# tflite-runtime fails in a process that has imported TensorFlow's copy of the same C++ code first.
# In this order both work, and a model can be verified in the process that converts it.
interpreter_module()
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

TENSORFLOW_VERSION: str = tf.__version__

_FLOAT_TYPES = ("float16", "float32", "float64")


def convert_model(model: keras.Model, precision: Precision, calibration: Float32) -> bytes:
    """Convert a Keras model with one input and one output.

    Args:
        model: From (batch, frames, features, 1) to (batch, labels); may accept any number of
            frames.
        precision: "int8": weights, activations, input and output are int8; "float32": nothing is
            quantised; "float16": weights are float16; "dynamic": only weights are int8.
        calibration: float32 (windows, frames, features). Only "int8" uses the values; the number
            of frames becomes the model's.

    Returns:
        The flatbuffer, with a batch of 1.

    Raises:
        SernetError: The converter failed, or left a float tensor in an int8 model.
    """
    # With a variable size the converter would leave arithmetic on shapes in the graph.
    inputs = keras.Input(batch_shape=(1, *calibration.shape[1:], 1), name="features")
    fixed = keras.Model(inputs, model(inputs, training=False), name=model.name)
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    # In int8 dense layers with a scale for each output, interpreters differ by one; tflite-runtime
    # 2.14 does not support them in dynamic-range models.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":

        def representative() -> Iterator[list[Any]]:
            for window in calibration:
                yield [window[None, :, :, None]]

        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    try:
        with quietly():
            flatbuffer: bytes = converter.convert()
    except Exception as error:  # the converter raises any exception of MLIR
        raise SernetError(f"TensorFlow cannot convert the model: {_reason(error)}") from error
    if precision == "int8" and (
        found := float_tensors(ModelFile("the converted model", flatbuffer))
    ):
        raise SernetError(
            f"the converted model is not int8 throughout: {'; '.join(found)}",
            hint="leave out the layer that the converter cannot quantise",
        )
    return flatbuffer


def float_tensors(file: ModelFile) -> list[str]:
    """Name every float tensor that an op of the model reads or writes, and the op."""
    return [
        f"op {index} {operator.name} has the float tensor {tensor.name}"
        for graph in read_graphs(file)
        for index, operator in enumerate(graph.operators)
        for tensor in (*operator.tensors, *operator.outputs)
        if tensor.type in _FLOAT_TYPES
    ]


def _reason(error: Exception) -> str:
    """Return the line of the converter's long diagnostics that names the op."""
    lines = str(error).strip().splitlines() or [repr(error)]
    named = re.search(r"'tfl?\.\w+' op .*|[^\n]*not yet supported for op[^\n]*", "\n".join(lines))
    return named.group() if named else lines[-1]
