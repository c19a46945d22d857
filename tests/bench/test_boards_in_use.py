"""Boards in use: which ones keep up, their latency and energy, with and without shared rows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bench_cases import Document, Shown
from cores import needs_m4
from stream_graphs import stream_contract, stream_model
from support import Run, made_once

from sernet_edge.bench.measure.boards import BOARDS, Supply, section

pytestmark = needs_m4

_CYCLES = 1.3  # the assumed cycles per instruction of an M4


@pytest.fixture(scope="session")
def streaming(sernet_edge: Run, tmp_path_factory: pytest.TempPathFactory) -> Document:
    """A run on a small model whose windows share rows, with a hop of 8 frames."""

    def measure(folder: Path) -> None:
        path = folder / "stream.tflite"
        path.write_bytes(stream_model(stream_contract(hop_frames=8)))
        done = sernet_edge(
            *("bench", path, "--core", "m4", "--processes", 0, "--current", 100, "--supply", 3),
            *("--json", "--out", folder / "run.json"),
        )
        assert done.returncode == 0, done.stderr

    run = made_once(tmp_path_factory, "streaming", measure) / "run.json"
    document: Document = json.loads(run.read_bytes())
    return document


@pytest.mark.slow
def test_shared_rows_stand_beside_whole_windows(
    streaming: Document, bench: Shown, tmp_path: Path
) -> None:
    (model,) = streaming["models"]
    found = model["cores"]["m4"]
    whole, shared = found["ways"]["whole"], found["ways"]["shared"]
    # A window has 6 rows of the last map, a hop 2 of them.
    network = whole["hop"]["network"] / shared["hop"]["network"]
    assert 2 < network < 4
    # Audio buffer and front end are equal.
    assert whole["hop"]["features"] == pytest.approx(shared["hop"]["features"], rel=0.01)
    for way in (whole, shared):
        hop = way["hop"]
        assert way["per_second"] == (hop["features"] + hop["network"]) / hop["seconds"]
        assert hop["longest_call"] < hop["network"]
        assert hop["longest_call"] < hop["after_last_sample"]
    # The exported code shares rows.
    assert found["hop"] == shared["hop"] and found["ram_bytes"] == shared["ram_bytes"]
    assert model["engine"]["shares_rows"] is True
    assert [cost["hop_frames"] for cost in model["engine"]["hops"]] == [8, 4, 2, 1]
    path = tmp_path / "run.json"
    path.write_text(json.dumps(streaming))
    shown = bench("--from", path).stdout
    for way, its in (("each window whole", whole), ("each row once", shared)):
        assert re.search(rf"{way} +{its['per_second'] / 1e6:.2f} ", shown), shown
    for cost in model["engine"]["hops"]:
        costs = (cost["shared"]["state_bytes"], cost["whole"]["state_bytes"])
        pattern = rf"{cost['hop_s']:.3f} +\S+ +{costs[0]:,} +\S+ +{costs[1]:,}"
        assert re.search(pattern, shown), shown
    names = bench("--from", path, "--csv").stdout
    assert "m4, each row once: most instructions in one call" in names


def test_bench_says_why_windows_do_not_share_rows(
    measured: Document, bench: Shown, saved: Path
) -> None:
    found = measured["models"][0]["cores"]["m4"]
    assert list(found["ways"]) == ["whole"] and found["hop"] == found["ways"]["whole"]["hop"]
    assert (
        "each row once is not possible: windows cannot share rows" in bench("--from", saved).stdout
    )


@pytest.mark.slow
def test_latency_and_energy_follow_from_instructions_clock_and_current(streaming: Document) -> None:
    (model,) = streaming["models"]
    hop = model["cores"]["m4"]["hop"]
    rows = {row["name"]: row for row in model["boards"]}
    row = rows["NUCLEO-F446RE"]
    assert row["keeps_up"] is True and (row["current_ua_mhz"], row["supply_v"]) == (100, 3)
    work_s = hop["after_last_sample"] * _CYCLES / 180e6
    assert row["latency_s"] == pytest.approx(8 * 0.016 / 2 + work_s)
    assert row["latency_most_s"] == pytest.approx(8 * 0.016 + work_s)
    megahertz = (hop["features"] + hop["network"]) / (8 * 0.016) * _CYCLES / 1e6
    assert row["clock_mhz_needed"] == pytest.approx(megahertz)
    # 100 microamperes per MHz, for 24 hours.
    assert row["charge_mah"] == pytest.approx(megahertz * 0.1 * 24)
    assert row["energy_j"] == pytest.approx(row["charge_mah"] * 3.6 * 3)
    assert row["clock_mhz_whole"] > row["clock_mhz_needed"]
    # Bench does not judge a core without counted instructions.
    assert "keeps_up" not in rows["Teensy 4.1"]


@pytest.mark.slow
def test_a_board_that_does_not_keep_up_has_no_latency(streaming: Document) -> None:
    (model,) = json.loads(json.dumps(streaming["models"]))
    found = model["cores"]["m4"]
    found["hop"]["network"] = int(70e6 * found["hop"]["seconds"])
    rows = section(model["cores"], model["tflm"], (), Supply())
    slow, fast = (
        next(row for row in rows if row["name"].startswith(name))
        for name in ("Arduino", "NUCLEO-F4")
    )
    assert slow["keeps_up"] is False and "latency_s" not in slow
    assert fast["keeps_up"] is True


def test_every_board_has_a_current_and_its_source() -> None:
    for board in BOARDS:
        assert 10 < board.current_ua_mhz < 1000 and 1 < board.supply_v <= 5
        assert re.search("unverified|thread", board.current_source)
