"""`--record`: the audio around events, and nothing else."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tracemalloc
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import Run

from sernet_edge.runtime import Contract, Event, Result, SernetError
from sernet_edge.runtime.listen.recorder import EventRecorder

CONTRACT = Contract(labels=("so la/la", "b"), mean=(0.0,) * 40, std=(1.0,) * 40)
RATE = 16_000
# 2026-03-04 05:06:07 UTC, the start of the stream.
BEGAN = 1_772_600_767


class Stream:
    """Feeds a recorder with sample numbers, which show the origin of recorded audio."""

    def __init__(self, folder: Path, limit_bytes: int = 100_000_000, began: float = BEGAN) -> None:
        self.time_s = 0.0
        self.recorder = EventRecorder(folder, limit_bytes, CONTRACT, lambda: began + self.time_s)

    def feed(self, seconds: float, *records: Event | Result) -> list[str]:
        first = round(self.time_s * RATE)
        self.time_s += seconds
        numbers = np.arange(first, round(self.time_s * RATE)) // 100
        notices = self.recorder.push(numbers.astype(np.int16), records, self.time_s)
        return [notice.code for notice in notices]

    def event(self, start_s: float, end_s: float) -> list[str]:
        """Feed an event whose start and end are reported half a second late."""
        told = self.feed(start_s + 0.5 - self.time_s, event("start", start_s))
        return told + self.feed(end_s + 1.5 - self.time_s, event("end", start_s, end_s))


def event(kind: str, start_s: float, end_s: float | None = None, number: int = 1) -> Event:
    return Event(kind, number, "so la/la", start_s, end_s, 0.9)  # type: ignore[arg-type]


def samples(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_an_event_is_kept_with_three_seconds_before_and_one_after(tmp_path: Path) -> None:
    stream = Stream(tmp_path / "kept")
    assert stream.event(10.0, 12.0) == []
    names = sorted(path.name for path in (tmp_path / "kept").iterdir())
    # The audio begins at 7 s.
    stem = "00000001-20260304T050614Z-so_la_la-1"
    assert names == [f"{stem}.json", f"{stem}.wav"]
    np.testing.assert_array_equal(
        samples(tmp_path / "kept" / f"{stem}.wav"), np.arange(7 * RATE, 13 * RATE) // 100
    )
    about = json.loads((tmp_path / "kept" / f"{stem}.json").read_text())
    assert about["audio"] == f"{stem}.wav"
    assert about["began"] == "2026-03-04T05:06:14.000+00:00"
    assert about["from_s"] == 7.0
    assert about["event"] == event("end", 10.0, 12.0).record()
    assert about["contract"] == CONTRACT.id
    assert about["cut"] is False


def test_the_event_s_results_are_kept_with_its_audio(tmp_path: Path) -> None:
    stream = Stream(tmp_path)
    result = Result(3.5, "b", {"b": 1.0}, True, None, -20.0, 0, 0.1, 1.0, 1.0)
    stream.feed(3, result, event("start", 2.0))
    stream.feed(0.5, result)
    stream.feed(0.5, event("end", 2.0, 3.5))
    (path,) = tmp_path.glob("*.json")
    assert json.loads(path.read_text())["results"] == [result.record(timing=False)]


def test_audio_without_an_event_is_not_kept(tmp_path: Path) -> None:
    stream = Stream(tmp_path)
    for _ in range(100):
        stream.feed(1.0)
    assert list(tmp_path.iterdir()) == []


def test_a_recording_cannot_begin_before_the_stream(tmp_path: Path) -> None:
    Stream(tmp_path).event(1.0, 2.0)
    (path,) = tmp_path.glob("*.wav")
    np.testing.assert_array_equal(samples(path), np.arange(3 * RATE) // 100)


def test_a_long_event_is_cut_after_a_minute(tmp_path: Path) -> None:
    stream = Stream(tmp_path)
    stream.feed(10, event("start", 9.5))
    for _ in range(70):
        stream.feed(1)
    (path,) = tmp_path.glob("*.json")
    about = json.loads(path.read_text())
    assert (about["cut"], about["event"]["end_s"]) == (True, None)
    kept = samples(path.with_suffix(".wav"))
    np.testing.assert_array_equal(
        kept, (np.arange(6.5 * RATE, 66.5 * RATE) // 100).astype(np.int16)
    )
    stream.feed(1, event("end", 9.5, 79.0))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_long_recording_is_written_without_a_copy_of_its_audio(tmp_path: Path) -> None:
    stream = Stream(tmp_path)
    stream.feed(10, event("start", 9.5))
    for _ in range(50):
        stream.feed(1)
    tracemalloc.start()
    stream.feed(0.1, event("end", 9.5, 59.0))
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (path,) = tmp_path.glob("*.wav")
    assert path.stat().st_size > 1_600_000
    assert most_bytes < 200_000


def test_a_recording_ends_at_a_gap(tmp_path: Path) -> None:
    stream = Stream(tmp_path)
    stream.feed(10)
    stream.feed(2, event("start", 11.0))
    stream.time_s += 30
    stream.recorder.gap([event("end", 11.0, 12.0)], stream.time_s)
    stream.event(43.0, 44.0)
    before, after = sorted(tmp_path.glob("*.wav"))
    np.testing.assert_array_equal(samples(before), np.arange(8 * RATE, 12 * RATE) // 100)
    np.testing.assert_array_equal(
        samples(after), (np.arange(42 * RATE, 45 * RATE) // 100).astype(np.int16)
    )


def test_the_oldest_recordings_are_deleted_for_new_ones(tmp_path: Path) -> None:
    other = tmp_path / "20260101T000000Z-my notes.txt"
    other.write_text("not the recorder's")
    stream = Stream(tmp_path, limit_bytes=500_000)
    for start_s in (10.0, 30.0, 50.0, 70.0):
        stream.event(start_s, start_s + 2)  # 192 kB each
    kept = sorted(path.stem for path in tmp_path.glob("*-1.wav"))
    assert kept == [
        "00000003-20260304T050654Z-so_la_la-1",
        "00000004-20260304T050714Z-so_la_la-1",
    ]
    assert sorted(path.stem for path in tmp_path.glob("*-1.json")) == kept
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 500_000
    assert other.exists()


def audio_by_name(folder: Path) -> list[bytes]:
    """The recordings' samples, sorted by name; each has its JSON file."""
    paths = sorted(folder.glob("*.wav"))
    for path in paths:
        assert json.loads(path.with_suffix(".json").read_text())["audio"] == path.name
    assert len(list(folder.iterdir())) == 2 * len(paths)
    return [samples(path).tobytes() for path in paths]


@pytest.mark.parametrize("years", [0, -1, -50, 1], ids=["no clock", "back", "1976", "ahead"])
def test_a_recording_is_never_replaced_and_names_sort_by_time_whatever_the_clock_does(
    years: int, tmp_path: Path
) -> None:
    found: list[bytes] = []
    for run in range(4):  # every run starts at the same id and the same time
        Stream(tmp_path, began=BEGAN + (run % 2) * years * 31_557_600).event(10.0, 11.0 + run)
        assert audio_by_name(tmp_path)[:-1] == found
        found = audio_by_name(tmp_path)
    assert len(found) == 4


def test_the_newest_recordings_stay_even_if_the_clock_is_set_back(tmp_path: Path) -> None:
    Stream(tmp_path, 500_000).event(10.0, 12.0)
    Stream(tmp_path, 500_000).event(10.0, 12.5)
    Stream(tmp_path, 500_000, began=0).event(10.0, 13.0)
    lengths = [len(audio) / 2 / RATE for audio in audio_by_name(tmp_path)]
    assert lengths == [6.5, 7.0]


def test_a_label_of_any_length_and_script_makes_a_name(tmp_path: Path) -> None:
    stream = Stream(tmp_path)
    stream.feed(10, Event("start", 1, "害怕" * 100, 9.0, None, 0.9))
    assert stream.feed(2, Event("end", 1, "害怕" * 100, 9.0, 10.0, 0.9)) == []
    assert len(audio_by_name(tmp_path)) == 1


def test_listeners_that_share_a_folder_keep_all_recordings(tmp_path: Path) -> None:
    demo = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"
    command = [sys.executable, "-m", "sernet_edge", "listen", "--input", str(demo), "--json"]
    listeners = [
        subprocess.Popen([*command, "--record", str(tmp_path / "kept")], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    outputs = [listener.communicate(timeout=120)[0] for listener in listeners]
    ends = outputs[0].count(b'"kind": "end"')
    assert ends > 0 and all(output.count(b'"kind": "end"') == ends for output in outputs)
    kept = audio_by_name(tmp_path / "kept")
    assert len(kept) == 3 * ends
    # There are three copies of each recording.
    assert {kept.count(audio) for audio in kept} == {3}


def test_only_the_owner_can_read_the_folder(tmp_path: Path) -> None:
    Stream(tmp_path / "private")
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "no" / "such", tmp_path / "file"):
        with pytest.raises(SernetError, match=f"cannot record to {path}"):
            Stream(path)


def test_a_folder_that_goes_away_is_reported_once_and_listening_goes_on(tmp_path: Path) -> None:
    stream = Stream(tmp_path / "gone")
    os.rmdir(tmp_path / "gone")
    assert stream.event(10.0, 12.0) == ["record-failed"]
    assert stream.event(20.0, 22.0) == []


def test_a_recording_whose_description_cannot_be_written_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise SernetError(f"cannot write {path}: No space left on device")

    stream = Stream(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("sernet_edge.runtime.listen.recorder.write_text", full)
        assert stream.event(10.0, 12.0) == ["record-failed"]
    assert list(tmp_path.iterdir()) == []
    assert stream.event(20.0, 22.0) == []
    assert len(audio_by_name(tmp_path)) == 1


def test_temporary_files_of_a_killed_program_are_deleted_like_the_oldest_recordings(
    tmp_path: Path,
) -> None:
    left = tmp_path / ".00000001-20260304T050614Z-so_la_la-1-k3x9w_ab.wav"
    left.write_bytes(bytes(300_000))
    stream = Stream(tmp_path, limit_bytes=500_000)
    stream.event(10.0, 12.0)  # 192 kB
    assert left.exists()
    stream.event(30.0, 32.0)
    assert not left.exists()
    assert len(audio_by_name(tmp_path)) == 2


def test_listen_records_nothing_without_the_option(sernet_edge: Run, tmp_path: Path) -> None:
    demo = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"
    options = ("listen", "--input", demo, "--json", "--no-timing")
    plain = sernet_edge(*options, cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert list(tmp_path.iterdir()) == []
    recording = sernet_edge(*options, "--record", "kept", cwd=tmp_path)
    assert recording.stdout == plain.stdout
    assert "at most 500 MB" in recording.stderr
    ends = [line for line in plain.stdout.splitlines() if '"kind": "end"' in line]
    kept = sorted((tmp_path / "kept").glob("*.json"))
    assert len(kept) == len(ends) > 0
    assert [json.loads(path.read_text())["event"] for path in kept] == list(map(json.loads, ends))
    with wave.open(str(demo)) as file:
        whole = file.readframes(file.getnframes())
    for path in kept:
        assert samples(path.with_suffix(".wav")).tobytes() in whole


@pytest.mark.parametrize("limit", ["0", "9", "many", "99999999999"])
def test_a_nonsensical_limit_is_wrong_usage(limit: str, sernet_edge: Run) -> None:
    result = sernet_edge("listen", "--input", "a.wav", "--record", "x", "--record-limit", limit)
    assert result.returncode == 2
    assert "--record-limit" in result.stderr
