"""Multiply-accumulates and weights, against what is counted by hand."""

from __future__ import annotations

from pathlib import Path

from graphs import SAME, RandomGraph

from sernet_edge.bench.measure import macs
from sernet_edge.firmware_export.graph import read_graph
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile


def test_multiply_accumulates_are_those_counted_by_hand() -> None:
    random = RandomGraph(0)
    last = random.graph.input((1, 8, 6, 3), 0.1, 0)
    last = random.conv(last, 5, window=(SAME, (3, 2), (2, 1)))
    layers = macs.section(read_graph(ModelFile("graph", random.graph.finish(last))))["layers"]
    # 4 x 6 positions of 5 channels, each of 3 x 2 positions of 3 channels, and 5 biases.
    assert layers == [
        {"op": "CONV_2D", "shape": [1, 4, 6, 5], "macs": 24 * 5 * 18, "parameters": 5 * 18 + 5}
    ]


def test_weights_are_what_the_engines_reader_finds(shipped_model: Path) -> None:
    found = macs.section(read_graph(ModelFile.read(shipped_model)))
    assert found["weight_bytes"] == read_network(ModelFile.read(shipped_model)).weight_bytes
    assert found["precision"] == "int8" and found["uncounted"] == []
    # The published network's, with batch normalisation folded in: see test_firmware_measure.
    assert found["macs"] == 159_326_400
