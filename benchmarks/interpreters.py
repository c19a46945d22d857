"""Compares the scores of the interpreters, without and with their delegate.

It cuts a corpus into windows as `listen` does, runs the model on each window with every interpreter
and delegate, and compares with the first. `listen` never uses the delegate (XNNPACK, if there is
one); this script shows what the delegate would change.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime import FrontEnd
from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.frontend import cut_windows, padded_rows
from sernet_edge.runtime.interpreter import INTERPRETERS, Model, load
from sernet_edge.runtime.models import BOX

Scores = NDArray[np.int16]
"""Scores (windows, labels) in steps of the output's scale, 1/256."""


def main() -> None:
    """Compare and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="a folder of WAV files")
    parser.add_argument("--model", type=Path, default=BOX["emodb"], help="[the one that ships]")
    parser.add_argument("--every", type=int, default=1, help="use only each N-th file [1]")
    arguments = parser.parse_args()
    files = sorted(arguments.corpus.rglob("*.wav"))[:: arguments.every]
    if not files:
        sys.exit(f"{arguments.corpus} holds no WAV files")
    model = load(arguments.model)
    if not model.is_int8:
        sys.exit(f"{arguments.model} is not an int8 model")
    inputs = np.stack(list(_windows(model, files)))
    ways = dict(_ways(arguments.model))
    print(
        f"{len(inputs)} windows of {len(files)} recordings, {arguments.model.name}; "
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}\n"
    )
    print("| run with | windows with the same bits | same label | largest difference of a score |")
    print("|---|---|---|---|")
    reference: Scores | None = None
    for name, run in ways.items():
        scores = _scores(run, inputs, name)
        reference = scores if reference is None else reference
        same = int(np.all(scores == reference, axis=1).sum())
        labels = int(np.sum(scores.argmax(axis=1) == reference.argmax(axis=1)))
        most = int(np.abs(scores - reference).max())
        print(
            f"| {name} | {same} | {labels} ({labels / len(inputs):.1%}) "
            f"| {most} steps, {most * model.output_scale:.3f} |"
        )


def _windows(model: Model, files: list[Path]) -> Iterator[NDArray[np.int8]]:
    """Yield the model's inputs, int8 (frames, features); a short recording is padded."""
    contract = model.contract
    front_end = FrontEnd(contract)
    for path in files:
        samples = read_recording(path, contract.sample_rate_hz)
        yield from map(model.quantise, cut_windows(front_end, padded_rows(front_end, samples)))


def _ways(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield names and functions from an int8 input to int8 scores."""
    for package in INTERPRETERS:
        try:
            module = importlib.import_module(f"{package}.interpreter")
        except ImportError:
            print(f"{package} is not installed here and is left out", file=sys.stderr)
            continue
        version = importlib.metadata.version(package.replace("_", "-"))
        os.environ["SERNET_EDGE_INTERPRETER"] = package
        yield f"{package} {version}, as `listen` does", load(path).run_int8
        yield (
            f"{package} {version}, with its default delegate",
            _with_default_delegate(module, path),
        )


def _with_default_delegate(module: Any, path: Path) -> Any:
    interpreter = module.Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(window: NDArray[np.int8]) -> NDArray[np.int8]:
        interpreter.set_tensor(source["index"], window[None, :, :, None])
        interpreter.invoke()
        scores: NDArray[np.int8] = interpreter.get_tensor(result["index"])[0]
        return scores

    return run


def _scores(run: Any, inputs: NDArray[np.int8], name: str) -> Scores:
    scores = []
    for number, window in enumerate(inputs):
        scores.append(run(window).astype(np.int16))
        if sys.stderr.isatty() and number % 20 == 0:
            print(f"\r{name}: {number}/{len(inputs)} windows\033[K", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return np.array(scores)


if __name__ == "__main__":
    main()
