"""Compares the features of the C front end with those of the runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bundle_cases import C_FOLDER, Samples, run
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.runtime.interpreter import Model

MAIN = C_FOLDER / "frontend_features.c"

Windows = NDArray[np.int8]  # (windows, frames, features)


def python_features(model: Model, streams: list[Samples]) -> Windows:
    contract, front_end = model.contract, FrontEnd(model.contract)
    windows = []
    for stream in streams:
        rows = feature_rows(front_end, stream)
        for start in range(0, len(rows) - contract.window_frames + 1, contract.hop_frames):
            window = rows[start : start + contract.window_frames]
            windows.append(model.quantise(front_end.window_features(window)))
    return np.stack(windows)


def c_features(program: Path, contract: Contract, streams: list[Samples], chunk: int) -> Windows:
    shape = (-1, contract.window_frames, contract.feature_count)
    return np.frombuffer(run(program, streams, chunk), np.int8).reshape(shape)


def compare(found: Windows, expected: Windows) -> tuple[float, int]:
    """Return the share of equal values and the largest difference."""
    difference = np.abs(found.astype(int) - expected)
    return float(np.mean(difference == 0)), int(difference.max())
