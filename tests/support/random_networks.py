"""Tests for all random networks: the engine's output must equal TensorFlow Lite Micro's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine_cases import C_FOLDER, Case, tflm_outputs
from host_engine import compiled, replay

from sernet_edge.firmware_export import reference
from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.measure import cross
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile

Graphs = tuple[Path, list[Path], list[Case]]
"""Return (folder of the engine and the networks' tables, its C files, the networks)."""


def check_on_this_computer(compiler: str, graphs: Graphs) -> None:
    """Replay the networks on this computer, with sanitizers."""
    folder, sources, cases = graphs
    output = replay(compiled(compiler, folder, sources, compiler))
    assert f"cases {len(cases)}\nwindows {_windows(cases)}\nfailures 0" in output


def check_on_core(core: str, graphs: Graphs) -> None:
    """Replay the networks on a core."""
    if CORES[core].missing:
        pytest.skip(f"{' and '.join(CORES[core].missing)} not installed")
    folder, sources, cases = graphs
    program = folder / f"{core}.elf"
    cross.build(CORES[core], [*sources, C_FOLDER / "replay.c"], program)
    done = cross.run(CORES[core], program)
    assert f"windows {_windows(cases)}\nfailures 0" in done.stdout, done.stdout[-2000:]


def check_reference(graphs: Graphs) -> None:
    """Compare the NumPy version of the engine, too; it keeps a state between windows."""
    for case in graphs[2]:
        network, states = read_network(ModelFile(case.name, case.data)), reference.States()
        computed = np.stack([reference.run(network, window, states) for window in case.inputs])
        expected = tflm_outputs(case.data, case.inputs)
        np.testing.assert_array_equal(computed, expected, err_msg=case.name)


def _windows(cases: list[Case]) -> int:
    return sum(len(case.inputs) for case in cases)
