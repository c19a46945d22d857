"""Memory of the interpreter and of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from sernet_edge.bench.measure import memory
from sernet_edge.firmware_export.graph import read_graph
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.modelfile import ModelFile


def test_the_arena_matches_the_interpreters_own_figure(shipped_model: Path) -> None:
    file = ModelFile.read(shipped_model)
    data = file.flatbuffer
    found = memory.interpreter(file, read_graph(file))
    assert found["same_bits"] is True
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    # The reported size is enough, and 64 bytes less are too few.
    runtime.Interpreter.from_bytes(data, arena_size=found["arena_bytes"] + 64)
    assert found["head_bytes"] + found["tail_bytes"] == found["arena_bytes"]
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(data, arena_size=found["arena_bytes"] - 64)


def test_layers_share_the_engines_state(shipped_model: Path) -> None:
    data = shipped_model.read_bytes()
    found = memory.engine(PlannedModel.read(ModelFile("shipped", data)))
    each = [layer["ring_bytes"] + layer["scratch_bytes"] for layer in found["layers"]]
    assert max(each) < found["arena_bytes"] < sum(each)
    assert found["arena_bytes"] < found["state_bytes"]
    assert found["layers"][1]["map_bytes"] == 184 * 40 * 32
    assert found["shares_rows"] is False and "1 row of padding" in found["reason"]
    (cost,) = found["hops"]
    assert cost["shared"] is None and cost["whole"]["state_bytes"] == found["state_bytes"]
    assert cost["whole"]["macs"] == pytest.approx(159.3e6 / 0.496, rel=1e-3)
