"""Programs that are killed with signal 9 leave whole files, and continue with them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
from output_cases import eventually
from support import Run, killed_at_the_rename, write_wav

from sernet_edge.runtime.modelfile import ModelFile

DEMO = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


def test_after_a_kill_listen_continues_with_whole_lines_and_recordings(
    sernet_edge: Run, tmp_path: Path
) -> None:
    lines, rows, kept = tmp_path / "out.jsonl", tmp_path / "out.csv", tmp_path / "kept"
    outputs = ["--json", str(lines), "--csv", str(rows), "--record", str(kept), "--quiet"]
    with wave.open(str(DEMO)) as file:
        sound = file.readframes(file.getnframes())
    command = [sys.executable, "-m", "sernet_edge", "listen", "--input", "-", *outputs]
    listening = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert listening.stdin
    try:
        listening.stdin.write(sound)
        listening.stdin.flush()
        eventually(lambda: lines.is_file() and lines.read_bytes().count(b"\n") > 5, "no results")
    finally:
        listening.kill()
        listening.wait()
        listening.stdin.close()
    # A power failure may leave a part of a line.
    for path in (lines, rows):
        with path.open("ab") as torn:
            torn.write(b'{"type": "res' if path == lines else b"2026-11-30T")
    before = lines.read_bytes().count(b"\n")
    again = sernet_edge("listen", "--input", DEMO, *outputs)
    assert again.returncode == 0, again.stderr
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    assert len(records) > before
    with rows.open(newline="") as table:
        widths = {len(row) for row in csv.reader(table)}
    assert len(widths) == 1
    recordings = list(kept.glob("*.wav"))
    assert recordings
    for recording in recordings:
        with wave.open(str(recording)) as file:
            assert file.getnframes() > 0
        assert json.loads(recording.with_suffix(".json").read_text())


def test_teach_leaves_the_earlier_model_as_it_was(
    shipped_model: Path, sernet_edge: Run, tmp_path: Path
) -> None:
    with wave.open(str(DEMO)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    # The sample's two voices, in two pieces each.
    for number, piece in enumerate(np.array_split(sound, 4)):
        path = tmp_path / "clips" / ("anger", "sadness")[number // 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, piece)
    mine = tmp_path / "mine.tflite"
    mine.write_bytes(shipped_model.read_bytes())
    arguments = ["teach", tmp_path / "clips", "--out", mine, "--force"]
    killed_at_the_rename(*arguments)
    assert mine.read_bytes() == shipped_model.read_bytes()
    again = sernet_edge(*arguments)
    assert again.returncode == 0, again.stderr
    assert ModelFile.read(mine).require_contract().taught
