"""RAM: the engine's state by layer, and the arena of TensorFlow Lite Micro's own interpreter."""

from __future__ import annotations

import importlib.util
import math
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.bench.document import Section, not_measured
from sernet_edge.firmware_export import golden, tflm
from sernet_edge.firmware_export.graph import Graph
from sernet_edge.firmware_export.hops import hop_costs
from sernet_edge.firmware_export.plan import state_bytes
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile


def engine(planned: PlannedModel) -> Section:
    """Return the section "engine": the memory of the network in the native engine.

    Returns:
        `shares_rows`: whether each row is computed once, and `reason`; `hops`, of a model with a
        contract: what a hop costs in both ways, see `hops.HopCost`; of a whole window
        `state_bytes`, of it `arena_bytes`, and `layers`, in each `op`, `shape` (height, width,
        channels), `map_bytes` (the whole tensor, as an interpreter keeps it), `ring_rows` and
        `ring_bytes` (what is kept of it here) and `scratch_bytes`. Layers share the arena over
        time, so their sum is more than it.
    """
    plan = planned.plan
    return {
        "shares_rows": planned.stream is not None,
        "reason": planned.reason,
        "hops": [asdict(cost) for cost in hop_costs(planned)] if planned.file.contract else [],
        "state_bytes": state_bytes(plan),
        "arena_bytes": plan.arena_bytes,
        "layers": [
            {
                "op": stage.layer.op,
                "shape": [(tensor := stage.layer.output).height, tensor.width, tensor.channels],
                "map_bytes": tensor.height * tensor.row_bytes,
                "ring_rows": stage.ring_rows,
                "ring_bytes": stage.ring_rows * tensor.row_bytes,
                "scratch_bytes": stage.scratch_bytes,
            }
            for stage in plan.stages
        ],
    }


def interpreter(file: ModelFile, graph: Graph) -> Section:
    """Return the section "tflm": a run of TensorFlow Lite Micro's interpreter on this computer.

    Args:
        file: A `.tflite` of any types.
        graph: Its operators and tensors.

    Returns:
        `arena_bytes`, of it `head_bytes` and `tail_bytes`; `same_bits`: whether its output on
        noise is that of TensorFlow Lite's reference kernels, which the engine is tested against;
        None for a float model, and where TensorFlow Lite does not run the model.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        return not_measured("install the package tflite-micro: pip install --pre tflite-micro")
    window = _noise(graph)
    if window is None:
        return not_measured("it has no input of numbers")
    try:
        run = tflm.run(file, window)
    except ModelError as error:
        return not_measured(error.message.removeprefix(f"{file.name}: "))
    same = None
    if run.outputs.dtype == np.int8 and window.dtype == np.int8:
        with suppress(ModelError):
            same = bool((run.outputs == golden.golden_outputs(file, window)).all())
    return {
        "arena_bytes": run.arena_bytes,
        "head_bytes": run.head_bytes,
        "tail_bytes": run.tail_bytes,
        "same_bits": same,
    }


def _noise(graph: Graph) -> NDArray[Any] | None:
    """Return one window of noise for a model, of its input's type (1, values)."""
    inputs = graph.inputs
    if not inputs:
        return None
    shape, kind = (1, math.prod(inputs[0].fixed_shape)), inputs[0].type
    rng = np.random.default_rng(0)
    if kind == "float32":
        return rng.standard_normal(shape).astype(np.float32)
    if kind in ("int8", "uint8", "int16"):
        integers = np.dtype(kind).type
        values = np.iinfo(integers)
        return rng.integers(values.min, values.max + 1, shape, integers)
    # Larger integers may be places in a table.
    return np.zeros(shape, kind) if kind in ("int32", "int64", "bool") else None
