"""Figures in docs/guides/firmware.md equal those of the shipped model's plan."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile

ROOT = Path(__file__).parents[2]

_MOST_POSITIONS = 3  # PIXELS of sernet_conv.c on cores with the DSP extension
_CHUNK = 16  # a channel's weights are padded to a multiple of this


def test_the_guide_has_the_bytes_of_weights_read_for_a_window(
    shipped_model: Path,
) -> None:
    total = 0
    for stage in plan_network(read_network(ModelFile.read(shipped_model))).stages:
        layer = stage.layer
        if layer.weights.size:
            channels = layer.weights.shape[0]
            each = -(-layer.weights.size // channels // _CHUNK) * _CHUNK
            times = -(-layer.output.width // min(stage.pixels, _MOST_POSITIONS))
            total += layer.output.height * times * channels * each
    guide = (ROOT / "docs" / "guides" / "firmware.md").read_text()
    assert f"{total / 1e6:.1f} MB a window" in guide


def test_the_guide_has_the_number_of_arduino_sketches() -> None:
    sketches = list((ROOT / "firmware_export" / "layouts" / "arduino").rglob("*.ino"))
    assert len(sketches) == 3
    guide = (ROOT / "docs" / "guides" / "firmware.md").read_text()
    assert "a library with three sketches" in guide


@pytest.mark.parametrize("core", ["M4", "M7", "M55"])
def test_the_guides_instructions_are_those_of_the_benchmarks(core: str) -> None:
    measured = (ROOT / "docs" / "evidence" / "benchmarks.md").read_text()
    row = re.search(rf"^\| emodb \| {core.lower()} \| ([\d.]+) \| ([\d.]+) \|", measured, re.M)
    assert row
    network, second = float(row[1]), float(row[2])
    guide = (ROOT / "docs" / "guides" / "firmware.md").read_text()
    line = re.search(rf"^\| Cortex-{core}\b.*/s \|$", guide, re.M)
    assert line
    shown = [float(number) for number in re.findall(r"([\d.]+) M", line[0])]
    front_end = second - network / 0.496
    assert shown[0] == network
    assert shown[1] == pytest.approx(front_end, abs=0.3)  # rounded, and rows are moved
    assert shown[2] == round(second)
    for hop_s, instructions in zip((2, 4), shown[3:], strict=True):
        assert instructions == pytest.approx(network / hop_s + front_end, abs=0.6)
