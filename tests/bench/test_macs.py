"""Multiply-accumulates and weights, compared with a count by hand."""

from __future__ import annotations

from pathlib import Path

from graphs import SAME, RandomGraph

from sernet_edge.bench.measure import macs
from sernet_edge.firmware_export.graph import read_graph
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile


def test_multiply_accumulates_match_a_count_by_hand() -> None:
    random = RandomGraph(0)
    last = random.graph.input((1, 8, 6, 3), 0.1, 0)
    last = random.conv(last, 5, window=(SAME, (3, 2), (2, 1)))
    layers = macs.section(read_graph(ModelFile("graph", random.graph.finish(last))))["layers"]
    # Output: 4 x 6 positions of 5 channels; each needs 3 x 2 positions of 3 channels. 5 biases.
    assert layers == [
        {"op": "CONV_2D", "shape": [1, 4, 6, 5], "macs": 24 * 5 * 18, "parameters": 5 * 18 + 5}
    ]


def test_weights_match_the_engines_reader(shipped_model: Path) -> None:
    found = macs.section(read_graph(ModelFile.read(shipped_model)))
    assert found["weight_bytes"] == read_network(ModelFile.read(shipped_model)).weight_bytes
    assert found["precision"] == "int8" and found["uncounted"] == []
    # The published network with folded batch normalisation: see test_firmware_measure. 320 more
    # make the label none.
    assert found["macs"] == 159_326_400 + 320
