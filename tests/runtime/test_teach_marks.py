"""Teaching with marks: the clip of a marked recording is the audio that the event judged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import Run, write_wav

from sernet_edge.runtime import Event, SernetError
from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.event_folder import EventFolder, Mark
from sernet_edge.runtime.listen.recorder import EventRecorder
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.teach.clips import read_clips
from sernet_edge.runtime.teach.marks import marked_clips

SPEECH = Path(__file__).parents[2] / "docs/demo/two_moods.wav"
RATE = 16_000


@pytest.fixture(scope="module")
def speech() -> NDArray[np.int16]:
    return read_recording(SPEECH, RATE)


@pytest.fixture
def contract(shipped_model: Path) -> Contract:
    return ModelFile.read(shipped_model).require_contract()


def record(
    folder: Path, contract: Contract, speech: NDArray[np.int16], ends_s: list[float]
) -> EventFolder:
    """Record an event called anger of 2 s that ends at each of these times."""
    recorder = EventRecorder(folder, 100_000_000, contract)
    time_s = 0.0
    for number, end_s in enumerate(ends_s, 1):
        until_s = end_s + 1.5
        new = speech[round(time_s * RATE) : round(until_s * RATE)]
        start = Event("start", number, "anger", end_s - 2, None, 0.8)
        end = Event("end", number, "anger", end_s - 2, end_s, 0.9)
        recorder.push(new, [start, end], until_s)
        time_s = until_s
    return recorder.folder


def mark(folder: EventFolder, *verdicts: tuple[str, str | None] | None) -> None:
    """Mark the recordings, the oldest first."""
    recordings = list(folder.recordings())[::-1]
    for recording, verdict in zip(recordings, verdicts, strict=True):
        if verdict is not None:
            recording.set_mark(Mark.of(verdict[0], recording, verdict[1]))  # type: ignore[arg-type]


def test_marks_teach_the_same_as_labelled_clips_of_the_same_audio(
    tmp_path: Path,
    contract: Contract,
    shipped_model: Path,
    speech: NDArray[np.int16],
    sernet_edge: Run,
) -> None:
    ends_s = [5.0, 7.0, 9.0, 11.0]
    folder = record(tmp_path / "kept", contract, speech, ends_s)
    mark(folder, ("right", None), ("wrong", "fear"), None, ("wrong", "fear"))
    for end_s, label in zip(ends_s, ("anger", "fear", "", "fear"), strict=True):
        if label:
            # The event's first result is for the window that ends at the event's start.
            from_s = end_s - 2 - contract.window_s
            part = speech[round(from_s * RATE) : round(end_s * RATE)]
            (tmp_path / "clips" / label).mkdir(parents=True, exist_ok=True)
            write_wav(tmp_path / "clips" / label / f"{end_s}.wav", part)
    for out, arguments in (("a.tflite", ("clips",)), ("b.tflite", ("--from-marks", "kept"))):
        done = sernet_edge(
            *("teach", *arguments, "--model", shipped_model),
            *("--out", out, "--even-if-worse", "--json"),
        )
        assert done.returncode == 0, done.stderr
        clips = json.loads(done.stdout)["clips"]
        assert {label: count for label, count in clips.items() if count} == {"anger": 1, "fear": 2}
    assert Path("a.tflite").read_bytes() == Path("b.tflite").read_bytes()


def test_marks_that_the_model_has_no_label_for_are_left_out_and_named(
    tmp_path: Path, contract: Contract, speech: NDArray[np.int16]
) -> None:
    folder = record(tmp_path, contract, speech, [6.0, 10.0, 16.0])
    mark(folder, ("right", None), ("nobody", None), ("wrong", "hunger"))
    told: list[str] = []
    without_none = contract.replace(labels=contract.labels[:-1])
    (clip,) = marked_clips(tmp_path, without_none, told.append)
    assert clip.label == "anger"
    assert told == [
        "left out: marks that say hunger, 1; the model has no such label",
        "left out: marks that say that nobody spoke, 1; the model has no such label",
    ]


def test_marks_without_speech_teach_the_label_none(tmp_path: Path, contract: Contract) -> None:
    assert contract.labels[-1] == "none"
    noise = np.random.default_rng(1).normal(0, 2000, 160_000).astype(np.int16)
    mark(record(tmp_path, contract, noise, [6.0]), ("nobody", None))
    told: list[str] = []
    clips = marked_clips(tmp_path, contract, told.append)
    (clip,) = read_clips(clips, contract, told.append)
    assert clip.file.label == "none" and not told  # it is noise, and is used all the same


def test_a_folder_without_marks_says_where_to_set_them(
    tmp_path: Path, contract: Contract, speech: NDArray[np.int16]
) -> None:
    record(tmp_path, contract, speech, [6.0])
    with pytest.raises(SernetError, match=r"no mark.*listen --web --record"):
        marked_clips(tmp_path, contract, print)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--out", "x.tflite"), 2, "Name the clips, or give --from-marks"),
        (("clips",), 2, "--out names the model"),
        (("--from-marks", "nowhere", "--out", "x.tflite"), 1, "cannot read nowhere: No such file"),
    ],
)
def test_the_error_names_what_is_missing(
    arguments: tuple[str, ...], code: int, message: str, in_process: Run
) -> None:
    done = in_process("teach", *arguments)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
