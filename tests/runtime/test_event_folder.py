"""The folder of recordings: their marks, and deleting everything."""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from support import Run

from sernet_edge.runtime import Contract, Event, SernetError
from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.event_folder import EventFolder, Mark, Recording
from sernet_edge.runtime.listen.recorder import EventRecorder

CONTRACT = Contract(labels=("anger", "calm"), mean=(0.0,) * 40, std=(1.0,) * 40)


def record(folder: Path, events: int, limit_bytes: int = 100_000_000) -> EventFolder:
    """Record events of 2 s; a recording is 5 s long and takes about 160 kB."""
    recorder = EventRecorder(folder, limit_bytes, CONTRACT, lambda: 1_772_600_767)
    for number in range(1, events + 1):
        end_s = 10.0 * number
        start = Event("start", number, "anger", end_s - 4, None, 0.8)
        end = Event("end", number, "anger", end_s - 4, end_s - 2, 0.9)
        recorder.push(np.zeros(160_000, np.int16), [start, end], end_s)
    return EventFolder(folder)


def newest(folder: EventFolder) -> Recording:
    return next(folder.recordings())


def test_recordings_give_the_position_of_their_event(tmp_path: Path) -> None:
    folder = record(tmp_path, 2)
    found = list(folder.recordings())
    assert [one.path.name[:8] for one in found] == ["00000002", "00000001"]
    recording = found[0]
    # The event is from 16 to 18 s, the recording from 3 s before to 1 s after.
    assert (recording.onset_s, recording.end_s, recording.label) == (3.0, 5.0, "anger")
    with wave.open(str(recording.path)) as file:
        assert file.getnframes() == 6 * 16_000


def test_listing_the_recordings_fills_no_table_of_the_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = record(tmp_path, 3)
    interned: list[str] = []
    intern = sys.intern
    monkeypatch.setattr(sys, "intern", lambda name: interned.append(name) or intern(name))
    assert len([(one, one.mark()) for one in folder.recordings()]) == 3
    assert not [name for name in interned if name.startswith("0000")]


@pytest.mark.parametrize(
    ("verdict", "label", "heard"),
    [("right", None, "anger"), ("wrong", "calm", "calm"), ("nobody", None, NONE)],
)
def test_a_mark_is_read_as_it_was_written_until_it_is_removed(
    verdict: str, label: str | None, heard: str, tmp_path: Path
) -> None:
    folder = record(tmp_path, 2)
    recording = newest(folder)
    assert recording.mark() is None
    recording.set_mark(Mark.of("right", recording))
    recording.set_mark(Mark.of(verdict, recording, label))  # type: ignore[arg-type]
    assert [one.mark() for one in EventFolder(tmp_path).recordings()] == [
        Mark(verdict, heard),  # type: ignore[arg-type]
        None,
    ]
    recording.set_mark(None)
    assert newest(folder).mark() is None


@pytest.mark.parametrize(("verdict", "label"), [("wrong", None), ("wrong", "anger"), ("x", "calm")])
def test_a_mark_without_meaning_is_refused(verdict: str, label: str | None, tmp_path: Path) -> None:
    recording = newest(record(tmp_path, 1))
    with pytest.raises(ValueError, match="mark"):
        Mark.of(verdict, recording, label)  # type: ignore[arg-type]


def test_a_damaged_mark_is_named_with_what_to_do(tmp_path: Path) -> None:
    recording = newest(record(tmp_path, 1))
    recording.set_mark(Mark.of("right", recording))
    (path,) = tmp_path.glob("*.mark.json")
    path.write_text(path.read_text()[:30])
    with pytest.raises(SernetError, match=rf"{path}.*mark the recording again"):
        recording.mark()


def test_a_name_cannot_point_outside_the_folder(tmp_path: Path) -> None:
    folder = record(tmp_path / "kept", 1)
    name = newest(folder).name
    for path in (tmp_path / "kept").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert folder.find(name) is not None
    assert folder.find(f"../{name}") is None
    assert folder.find("") is None


def test_incomplete_recordings_are_not_listed(tmp_path: Path) -> None:
    folder = record(tmp_path, 2)
    about = newest(EventFolder(tmp_path)).path.with_suffix(".json")
    whole = about.read_text()
    about.write_text(whole[:50])
    assert len(list(folder.recordings())) == 1
    about.unlink()
    assert len(list(folder.recordings())) == 1
    about.write_text(whole)
    assert len(list(folder.recordings())) == 2


def test_a_listed_recording_is_not_read_again_and_goes_with_its_audio(tmp_path: Path) -> None:
    folder = record(tmp_path, 2)
    first, second = folder.recordings()
    first.path.with_suffix(".json").write_text("not read")
    assert list(folder.recordings()) == [first, second]
    first.path.unlink()
    assert list(folder.recordings()) == [second]


def test_marked_recordings_are_deleted_last(tmp_path: Path) -> None:
    folder = record(tmp_path, 1)
    oldest = newest(folder)
    oldest.set_mark(Mark.of("right", oldest))
    record(tmp_path, 5, limit_bytes=500_000)  # two recordings fit
    names = [one.name for one in folder.recordings()]
    assert len(names) == 2 and names[1] == oldest.name
    assert oldest.mark() is not None


def test_forgetting_deletes_recordings_and_marks_and_nothing_else(
    tmp_path: Path, in_process: Run
) -> None:
    kept = tmp_path / "kept"
    folder = record(kept, 3)
    newest(folder).set_mark(Mark.of("nobody", newest(folder)))
    name = newest(folder).path.name
    (kept / f".{name[:-4]}-k3x9.wav").write_bytes(b"of a program that was killed")
    (kept / "holiday.wav").write_bytes(b"mine")
    (kept / f"copy of {name}").write_bytes(b"mine")

    refused = in_process("teach", "--forget", kept)  # no terminal, so nobody to ask
    assert refused.returncode == 1 and "add --force" in refused.stderr
    assert len(list(folder.recordings())) == 3

    done = in_process("teach", "--forget", kept, "--force")
    assert done.returncode == 0, done.stderr
    assert f"deleted 3 recordings, 1 mark, 0 guided clips in {kept}" in done.stdout
    assert "2 other entries" in done.stdout
    assert sorted(path.name for path in kept.iterdir()) == [f"copy of {name}", "holiday.wav"]


def test_forgetting_a_folder_that_is_not_there_says_so(tmp_path: Path, in_process: Run) -> None:
    done = in_process("teach", "--forget", "nowhere", "--force")
    assert (done.returncode, "nowhere is not a folder" in done.stderr) == (1, True)


def test_the_mark_says_what_it_is(tmp_path: Path) -> None:
    recording = newest(record(tmp_path, 1))
    recording.set_mark(Mark.of("wrong", recording, "calm"))
    (path,) = tmp_path.glob("*.mark.json")
    assert path.name == f"{recording.name}.mark.json"
    assert json.loads(path.read_text()) == {
        "format": "sernet-edge-mark",
        "version": 1,
        "recording": recording.path.name,
        "verdict": "wrong",
        "label": "calm",
    }
