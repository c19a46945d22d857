"""The description of the computer that ran the benchmark."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from bench_cases import Document

from sernet_edge.bench.measure import (
    machine,
)


def test_a_run_describes_its_computer(measured: Document) -> None:
    described = measured["machine"]
    assert described["cores"] == os.cpu_count()
    assert described["packages"]["numpy"] == np.__version__
    assert described["before"]["load"] >= 0


def test_a_hot_throttled_pi_gives_warnings() -> None:
    before = {"load": 0.0, "temperature_c": 50.0, "clock_mhz": 1500.0, "throttled": []}
    after = {"load": 1.0, "temperature_c": 84.6, "clock_mhz": 750.0, "throttled": ["throttled"]}
    assert machine.warnings(before, before) == []
    said = "; ".join(machine.warnings(before, after))
    assert "hot: 85 degrees" in said and "1500 to 750 MHz" in said and "throttled" in said
    busy = {**before, "load": 99.0}
    assert "busy before measuring: load 99.0" in machine.warnings(busy, before)[0]


def test_bench_reads_the_bits_of_vcgencmd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vcgencmd"
    program.write_text("#!/bin/sh\necho throttled=0x50005\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    # 0x5: low voltage and throttled now; 0x50000: at some earlier time.
    assert machine.state()["throttled"] == ["under-voltage", "throttled"]
