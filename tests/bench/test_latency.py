"""Latencies on this computer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench_cases import Document

from sernet_edge.bench.measure import (
    latency,
    latency_worker,
)


def test_bench_measures_latency_with_every_installed_runtime(measured: Document) -> None:
    host = measured["models"][0]["latency"]
    by_name = {(run["runtime"], run["threads"]): run for run in host["runs"]}
    expected = {"LiteRT", "LiteRT, XNNPACK", "native engine, gcc -O3"}
    assert expected <= {name for name, _ in by_name}
    for run in (*host["runs"], *host["features"]):
        if "not_measured" in run:
            assert "install" in run["not_measured"]
            continue
        assert run["processes"] == 2 and run["repetitions"] == 10
        assert 0 < run["median_ms"] <= run["p95_ms"]
        assert run["real_time_factor"] == pytest.approx(run["median_ms"] / 128)
        assert run["cpu_ms"] > 0
    assert len(by_name["native engine, gcc -O3", 1]["layers_ms"]) == len(
        measured["models"][0]["engine"]["layers"]
    )


def test_a_worker_does_five_repetitions_even_if_they_take_long(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = {"what": "features", "model": str(small), "warm_up": 0, "most": 9, "budget_ms": 0}
    latency_worker.main(job)
    found = json.loads(capsys.readouterr().out)
    assert len(found["wall_ns"]) == 5
    assert all(ns > 0 for ns in found["wall_ns"]) and found["cpu_ns"] > 0


def test_bench_counts_noisy_latencies_and_names_the_worst() -> None:
    def job(runtime: str, medians: tuple[int, int], cpu_share: float = 1.0) -> latency.LatencyJob:
        wall = [[median] * 5 for median in medians]
        cpu = [round(sum(times) * cpu_share) for times in wall]
        return latency.LatencyJob(0, runtime, 1, lambda *_: [], 0.5, wall_ns=wall, cpu_ns=cpu)

    steady = job("steady", (1000, 1050))
    assert latency.warnings([steady], ["model"]) == []
    noisy = [job("apart", (1000, 1500)), job("far apart", (1000, 3000)), steady]
    (said,) = latency.warnings(noisy, ["model"])
    assert "of 3 latencies 2 are unsteady" in said and "model, far apart, 1 thread" in said
    (said,) = latency.warnings([job("starved", (1000, 1000), 0.5), steady], ["model"])
    assert "of 2 latencies 1 had less than 90%" in said and "model, starved" in said
