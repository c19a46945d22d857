"""Measures one thing in a process of its own.

    python -m sernet_edge.bench.measure.latency_worker JSON

Prints one JSON object: `wall_ns` of each repetition and `cpu_ns` of all of them together.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FEWEST = 5
"""Repetitions that are done however long they take."""


def main(job: dict[str, Any]) -> None:
    """Do a job and print its times.

    Args:
        job: `what` ("tflite_runtime", "ai_edge_litert" or "features"), `model` (path), `threads`,
            `delegate` (whether the interpreter may use its default one), `warm_up` and `most`
            repetitions, and `budget_ms` after which to stop.
    """
    work = _features(job) if job["what"] == "features" else _inference(job)
    for _ in range(job["warm_up"]):
        work()
    wall_ns: list[int] = []
    cpu, start = time.process_time_ns(), time.perf_counter_ns()
    while len(wall_ns) < job["most"] and (
        len(wall_ns) < FEWEST or time.perf_counter_ns() - start < 1_000_000 * job["budget_ms"]
    ):
        begin = time.perf_counter_ns()
        work()
        wall_ns.append(time.perf_counter_ns() - begin)
    print(json.dumps({"wall_ns": wall_ns, "cpu_ns": time.process_time_ns() - cpu}))


def _inference(job: dict[str, Any]) -> Callable[[], Any]:
    if job["what"] == "tflite_runtime":
        from tflite_runtime.interpreter import Interpreter, OpResolverType
    else:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    interpreter = Interpreter(
        model_content=Path(job["model"]).read_bytes(),
        num_threads=job["threads"],
        experimental_op_resolver_type=OpResolverType.BUILTIN
        if job["delegate"]
        else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    details, rng = interpreter.get_input_details()[0], np.random.default_rng(0)
    if details["dtype"] is np.int8:
        window = rng.integers(-128, 128, details["shape"], np.int8)
    else:
        window = rng.standard_normal(details["shape"]).astype(details["dtype"])
    interpreter.set_tensor(details["index"], window)
    return interpreter.invoke


def _features(job: dict[str, Any]) -> Callable[[], Any]:
    """Return a function that computes the features of one hop, as `listen` does."""
    from sernet_edge.runtime.frontend import FeatureStream, FrontEnd
    from sernet_edge.runtime.modelfile import ModelFile

    contract = ModelFile.read(job["model"]).require_contract()
    stream = FeatureStream(FrontEnd(contract))
    count = contract.hop_frames * contract.frame_step_samples
    samples = np.random.default_rng(0).integers(-3000, 3000, count).astype(np.int16)
    return lambda: stream.push(samples)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
