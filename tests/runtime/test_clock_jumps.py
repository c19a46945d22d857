"""The clock is set while the program listens: dates follow it, times and events do not."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import SAMPLE

YEARS_S = 1e8  # three

# The first time of day is right; every later one jumps.
_JUMPING = f"""
import datetime, itertools, sys, time
jumps = itertools.chain([0.0], itertools.cycle([{YEARS_S}, -{YEARS_S}, 0.0]))
now = time.time
time.time = lambda: now() + next(jumps)
class Jumping(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = Jumping
from sernet_edge.cli import main
main(sys.argv[1:])
"""
_STEADY = "import sys; from sernet_edge.cli import main; main(sys.argv[1:])"


def listened(program: str, folder: Path) -> list[dict[str, Any]]:
    """Listen to the sample with every output that writes dates; return the JSON records."""
    folder.mkdir()
    outputs = ["--csv", folder / "a.csv", "--record", folder / "kept", "--json", "--web", "0"]
    # Every label makes an event.
    outputs += ["--unsure-below", "0", "--evidence", "0"]
    command = [sys.executable, "-c", program, "listen", "--input", SAMPLE, *outputs]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[dict[str, Any]]]]:
    base = tmp_path_factory.mktemp("clock")
    programs = {"steady": _STEADY, "jumping": _JUMPING}
    return {name: (base / name, listened(text, base / name)) for name, text in programs.items()}


def undated(record: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in record.items() if k != "utc" and not k.endswith("_ms")}


def test_results_and_events_are_the_same_as_with_a_steady_clock(
    runs: dict[str, tuple[Path, list[dict[str, Any]]]],
) -> None:
    (_, steady), (_, jumping) = runs["steady"], runs["jumping"]
    assert [undated(record) for record in jumping] == [undated(record) for record in steady]
    assert any(record["type"] == "event" for record in jumping)
    times = [record["time_s"] for record in jumping if record["type"] == "result"]
    assert times == sorted(set(times))


def test_dates_follow_the_clock(runs: dict[str, tuple[Path, list[dict[str, Any]]]]) -> None:
    folder, records = runs["jumping"]
    with (folder / "a.csv").open(newline="") as table:
        dates = [row["utc"] for row in csv.DictReader(table)]
    for said in (dates, [record["utc"] for record in records]):
        offsets = [datetime.fromisoformat(date) - datetime.now(UTC) for date in said]
        for sign in (-1, 1):
            there = timedelta(seconds=sign * YEARS_S)
            assert any(abs(offset - there) < timedelta(hours=1) for offset in offsets)


def test_recordings_sort_by_the_time_of_their_audio(
    runs: dict[str, tuple[Path, list[dict[str, Any]]]],
) -> None:
    onsets = {}
    for name, (folder, _) in runs.items():
        kept = sorted((folder / "kept").glob("*.json"))
        onsets[name] = [json.loads(path.read_text())["event"]["start_s"] for path in kept]
    assert onsets["jumping"] == onsets["steady"] == sorted(onsets["steady"])
    assert len(onsets["steady"]) > 1
