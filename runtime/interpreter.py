"""The only module that chooses a TFLite interpreter and runs a model with it."""

from __future__ import annotations

import math
import os
import platform
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.errors import ContractError, ModelError
from sernet_edge.runtime.frontend import Float32
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.shared_rows import SharedRows

INTERPRETERS = ("tflite_runtime", "ai_edge_litert")
"""Packages that can run a `.tflite`, in the order of preference."""


def interpreter_module() -> Any:
    """Return the `interpreter` module of the first installed package.

    The environment variable SERNET_EDGE_INTERPRETER selects one package instead.

    Raises:
        ModelError: None is installed, or the variable is not one of `INTERPRETERS`.
    """
    wanted = os.environ.get("SERNET_EDGE_INTERPRETER")
    if wanted and wanted not in INTERPRETERS:
        raise ModelError(
            f"SERNET_EDGE_INTERPRETER is {wanted!r}, but must be one of {', '.join(INTERPRETERS)}"
        )
    for package in (wanted,) if wanted else INTERPRETERS:
        try:
            if package == "tflite_runtime":
                from tflite_runtime import interpreter
            else:
                from ai_edge_litert import interpreter
            return interpreter
        except ImportError:
            continue
    if platform.machine().startswith("armv6"):
        raise ModelError(
            "no TFLite interpreter is made for this processor (armv6: a Pi 1 or a Pi Zero)",
            hint="take a Pi Zero 2 W, a Pi 2 or a later one",
        )
    raise ModelError(
        f"no TFLite interpreter is installed ({wanted or ' or '.join(INTERPRETERS)})",
        hint="pip install tflite-runtime (Python 3.11) or pip install ai-edge-litert",
    )


class Model:
    """A `.tflite` model with its contract, ready to run.

    Attributes:
        file: The model's file.
        name: The file's name, for messages.
        contract: The model's contract.
        input_scale: Scale of the int8 input; 0.0 for a float model.
        input_zero_point: Zero point of the int8 input; 0 for a float model.
        output_scale: Scale of the int8 output; 0.0 for a float model.
        output_zero_point: Zero point of the int8 output; 0 for a float model.
    """

    def __init__(
        self,
        file: ModelFile,
        threads: int = 1,
        keep_tensors: bool = False,
        share_rows: bool = False,
    ) -> None:
        """Load a model from its file.

        Args:
            file: A `.tflite` with its contract.
            threads: Number of threads for the interpreter.
            keep_tensors: Whether `tensor` can read inner tensors; takes more memory.
            share_rows: Whether `run` keeps rows for the next window of a stream, if the contract
                says that windows share rows. The scores are the same.

        Raises:
            ModelError: The file is not a TFLite model, or is damaged.
            ContractError: There is no contract, or it does not fit the model's tensors.
        """
        self.file, self.name = file, file.name
        module = interpreter_module()
        file.require_flatbuffer()
        # First, since it also checks that the bytes are whole: interpreters crash on damaged ones.
        self.contract = file.require_contract()

        def interpreter(data: bytes) -> Any:
            # Without a delegate the optimised kernels run. On processors with AVX or Arm's NEON
            # they give the bits of the reference kernels and of TensorFlow Lite Micro; on others
            # they differ by up to 2. XNNPACK, the default delegate, rounds differently.
            return module.Interpreter(
                model_content=data,
                num_threads=threads,
                experimental_preserve_all_tensors=keep_tensors,
                experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )

        try:
            self._interpreter = interpreter(file.data)
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else "unknown reason"
            raise ModelError(
                f"{self.name}: {module.__name__} cannot run the model: {reason}",
                "convert it again with `sernet-edge convert`",
            ) from error
        self._check_tensors(inputs, outputs)
        self._input, self._output = inputs[0], outputs[0]
        self.input_scale, self.input_zero_point = self._input["quantization"]
        self.output_scale, self.output_zero_point = self._output["quantization"]
        self._shared: SharedRows | None = None
        if share_rows and self.contract.stride_frames and self.is_int8:
            # If the model cannot be cut, windows are computed whole.
            with suppress(ValueError, RuntimeError):
                self._shared = SharedRows(file.flatbuffer, interpreter, self.contract.stride_frames)

    @property
    def shares_rows(self) -> bool:
        """Whether `run` computes rows that a stream's windows share only once."""
        return self._shared is not None

    def _check_tensors(self, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> None:
        contract = self.contract
        expected = {
            "input": (inputs, (1, contract.window_frames, contract.feature_count, 1)),
            "output": (outputs, (1, len(contract.labels))),
        }
        for what, (tensors, shape) in expected.items():
            found = [tuple(int(n) for n in tensor["shape"]) for tensor in tensors]
            if len(found) != 1 or not _holds(found[0], shape):
                raise ContractError(
                    f"{self.name}: the contract asks for one {what} of shape {shape}, "
                    f"the model has {', '.join(map(str, found))}",
                    "convert the model again with `sernet-edge convert`",
                )
            if tensors[0]["dtype"] not in (np.int8, np.float32):
                raise ContractError(
                    f"{self.name}: the model's {what} is {np.dtype(tensors[0]['dtype']).name}, "
                    f"only int8 and float32 are known"
                )

    @property
    def is_int8(self) -> bool:
        """Whether input and output are int8."""
        return self._input["dtype"] is np.int8 and self._output["dtype"] is np.int8

    def quantise(self, features: Float32) -> NDArray[np.int8]:
        """Convert features to the model's int8 input: round half to even, saturate.

        It computes in float32, as a device does.
        """
        scaled = np.rint(features / np.float32(self.input_scale)) + self.input_zero_point
        return np.clip(scaled, -128, 127).astype(np.int8)

    def run_int8(self, features: NDArray[np.int8]) -> NDArray[np.int8]:
        """Run an int8 model on int8 features (frames, mfcc); return int8 scores (labels,)."""
        return self._invoke(features)

    def run(self, features: Float32) -> Float32:
        """Return the scores of one window.

        Args:
            features: float32 (window_frames, feature_count) from `FrontEnd.window_features`.

        Returns:
            float32 (labels,), 0..1, summing to about 1.
        """
        if self._input["dtype"] is not np.int8:
            return self._real(self._invoke(features))
        tensor = self.quantise(features)
        return self._real(
            self._shared.run(tensor[:, :, None]) if self._shared else self._invoke(tensor)
        )

    def real_scores(self, scores: NDArray[np.int8]) -> Float32:
        """Convert an int8 model's scores to real scores, float32."""
        shifted = scores.astype(np.float32) - self.output_zero_point
        return shifted * np.float32(self.output_scale)

    def _real(self, scores: NDArray[Any]) -> Float32:
        return self.real_scores(scores) if scores.dtype == np.int8 else scores

    def tensor(self, index: int) -> NDArray[Any]:
        """Return a tensor of the last run, by its number; the model must keep tensors."""
        values: NDArray[Any] = self._interpreter.get_tensor(index)
        return values

    def _invoke(self, tensor: NDArray[Any]) -> NDArray[Any]:
        self._interpreter.set_tensor(self._input["index"], tensor.reshape(self._input["shape"]))
        self._interpreter.invoke()
        scores: NDArray[Any] = self._interpreter.get_tensor(self._output["index"]).ravel()
        return scores


def _holds(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Return whether a tensor has the wanted shape, apart from dimensions of 1 or flattening."""
    sizes, others = (tuple(n for n in each if n != 1) for each in (shape, wanted))
    return shape[:1] == (1,) and sizes in (others, (math.prod(others),))


def load(path: str | os.PathLike[str], threads: int = 1) -> Model:
    """Load a `.tflite` file, for the windows of a stream; see `Model` for the errors."""
    return Model(ModelFile.read(path), threads, share_rows=True)
