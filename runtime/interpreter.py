"""The one place that chooses a TFLite interpreter and runs a model with it."""

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
"""Packages that can run a `.tflite`, in the order they are tried."""


def interpreter_module() -> Any:
    """Return the `interpreter` module of the first package installed.

    The environment variable SERNET_EDGE_INTERPRETER names one package to use instead.

    Raises:
        ModelError: None is installed, or the variable names none of `INTERPRETERS`.
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
        contract: What the model was trained with.
        input_scale: Quantisation of the input; 0.0 for a float model.
        input_zero_point: Likewise.
        output_scale: Quantisation of the output; 0.0 for a float model.
        output_zero_point: Likewise.
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
            threads: Threads that the interpreter may use.
            keep_tensors: Whether what is computed inside stays for `tensor`; takes more memory.
            share_rows: Whether `run` keeps what the next window of a stream needs again, where
                the contract says that windows share rows. The scores are the same.

        Raises:
            ModelError: Not a TFLite model, or a damaged one.
            ContractError: No contract, or one that does not fit the model's tensors.
        """
        self.file, self.name = file, file.name
        module = interpreter_module()
        file.require_flatbuffer()
        # First, since it also checks that the bytes are whole: interpreters crash where not.
        self.contract = file.require_contract()

        def interpreter(data: bytes) -> Any:
            # Without the default delegate the optimised kernels run, which on processors with
            # AVX or Arm's NEON give the bits of the reference kernels and of TensorFlow Lite
            # Micro; elsewhere they are up to 2 off. XNNPACK, the delegate, rounds differently.
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
            # Where the model cannot be cut, windows are computed whole.
            with suppress(ValueError, RuntimeError):
                self._shared = SharedRows(file.flatbuffer, interpreter, self.contract.stride_frames)

    @property
    def shares_rows(self) -> bool:
        """Whether `run` computes each row once for all the windows of a stream that hold it."""
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
        """Whether the model takes and gives int8."""
        return self._input["dtype"] is np.int8 and self._output["dtype"] is np.int8

    def quantise(self, features: Float32) -> NDArray[np.int8]:
        """Return features as the model's int8 input: round half to even, saturate.

        The arithmetic is float32: it is the device's.
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
        """Return the scores, float32, that an int8 model's stand for."""
        shifted = scores.astype(np.float32) - self.output_zero_point
        return shifted * np.float32(self.output_scale)

    def _real(self, scores: NDArray[Any]) -> Float32:
        return self.real_scores(scores) if scores.dtype == np.int8 else scores

    def tensor(self, index: int) -> NDArray[Any]:
        """Return a tensor of the last run by its number; only where the model keeps them."""
        values: NDArray[Any] = self._interpreter.get_tensor(index)
        return values

    def _invoke(self, tensor: NDArray[Any]) -> NDArray[Any]:
        self._interpreter.set_tensor(self._input["index"], tensor.reshape(self._input["shape"]))
        self._interpreter.invoke()
        scores: NDArray[Any] = self._interpreter.get_tensor(self._output["index"]).ravel()
        return scores


def _holds(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Return whether a tensor has the wanted values in the same order: flat, or with other ones."""
    sizes, others = (tuple(n for n in each if n != 1) for each in (shape, wanted))
    return shape[:1] == (1,) and sizes in (others, (math.prod(others),))


def load(path: str | os.PathLike[str], threads: int = 1) -> Model:
    """Load a `.tflite` file, to be run on a stream's windows; see `Model` for what it raises."""
    return Model(ModelFile.read(path), threads, share_rows=True)
