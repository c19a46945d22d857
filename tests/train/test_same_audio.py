"""The same audio under several names: errors and warnings."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import Run, write_wav

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.recordings import Recording, SameAudio

SOUNDS = np.random.default_rng(5).integers(-3000, 3000, (4, 20_000)).astype(np.int16)


def recording(name: str, sound: int, label: str, speaker: str) -> Recording:
    return Recording(Utterance(Path(name), label, speaker), SOUNDS[sound])


def test_contradictions_and_copies_are_named() -> None:
    audio = SameAudio(
        [
            recording("1.wav", 0, "joy", "anna"),
            recording("2.wav", 0, "rage", "anna"),
            recording("3.wav", 1, "joy", "anna"),
            recording("4.wav", 1, "joy", "bert"),
            *(recording(f"{n}.wav", 2, "joy", "anna") for n in (5, 6, 7)),
            recording("8.wav", 3, "joy", "anna"),
        ]
    )
    assert audio.remarks() == [
        "the same audio has two labels: 1.wav is joy, 2.wav is rage",
        "the same audio has two speakers: 3.wav is by anna, 4.wav is by bert",
        "the same audio is there twice: 5.wav and 6.wav and 7.wav",
    ]


def test_digital_silence_is_not_the_same_recording() -> None:
    silence = np.zeros(20_000, np.int16)
    utterances = [Utterance(Path(f"{who}.wav"), "joy", who) for who in ("anna", "bert")]
    audio = SameAudio(Recording(utterance, silence) for utterance in utterances)
    assert audio.remarks() == []
    audio.check_split(utterances[:1], utterances[1:])


def test_audio_on_both_sides_of_a_split_is_refused_with_its_names() -> None:
    recordings = [recording(f"a{n}.wav", n, "joy", "anna") for n in range(4)]
    recordings += [recording(f"b{n}.wav", n, "joy", "bert") for n in range(4)]
    audio = SameAudio(recordings)
    anna, bert = ([r.utterance for r in recordings[i : i + 4]] for i in (0, 4))
    with pytest.raises(
        SernetError,
        match=r"fold bert: .*b0\.wav \(joy, speaker bert\) is a0\.wav \(joy, .*; and 1 more",
    ):
        audio.check_split(anna, bert, "fold bert")
    audio.check_split([*anna, *bert], [])


def write_tagged(path: Path, samples: NDArray[np.int16]) -> None:
    """Write the same samples as `write_wav`, in a file with different bytes."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.repeat(samples, 2).astype("<i2").tobytes())


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """Two speakers; the second speaker's joy is the first one's, in stereo."""
    for number, name in enumerate(("joy/anna", "rage/anna", "joy/bert", "rage/bert")):
        (tmp_path / "corpus" / name).mkdir(parents=True)
        write_wav(tmp_path / "corpus" / name / "x.wav", SOUNDS[number])
    write_tagged(tmp_path / "corpus/joy/bert/x.wav", SOUNDS[0])
    return tmp_path / "corpus"


def test_training_and_cross_validation_refuse_the_same_audio_in_training_and_test(
    leaking: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    corpus = ("--corpus", "folder", leaking, "--epochs", 1)
    result = sernet_edge("train", *corpus, "--out", tmp_path / "m.keras")
    assert result.returncode == 1
    assert "the same audio would be trained on and tested on" in result.stderr
    assert "joy/bert/x.wav (joy, speaker bert) is " in result.stderr
    result = sernet_edge("cross-validate", *corpus, "--out", tmp_path / "run")
    assert result.returncode == 1
    assert "fold anna: the same audio would be trained on" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.training
def test_labels_come_from_the_recordings_that_were_read(
    leaking: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    (leaking / "broken").mkdir()
    (leaking / "broken" / "x.wav").write_bytes(b"RIFF")
    result = sernet_edge(
        "train",
        *("--corpus", "folder", leaking, "--epochs", 1, "--holdout", "none", "--skip-bad"),
        *("--out", tmp_path / "m.keras"),
    )
    assert result.returncode == 0, result.stderr
    assert "warning: the same audio has two speakers: " in result.stderr
    report = json.loads((tmp_path / "m.metrics.json").read_text())
    assert report["skipped_recordings"] == 1
    result = sernet_edge("inspect", tmp_path / "m.keras", "--json")
    assert json.loads(result.stdout)["contract"]["labels"] == ["joy", "rage"]


def test_evaluation_names_audio_with_two_labels(
    small_corpus: Path, shipped_model: Path, tmp_path: Path, in_process: Run
) -> None:
    (tmp_path / "copy.wav").write_bytes((small_corpus / "03a01Wa.wav").read_bytes())
    table = tmp_path / "corpus.csv"
    table.write_text(f"path,label\n{small_corpus / '03a01Wa.wav'},anger\ncopy.wav,fear\n")
    result = in_process("evaluate", shipped_model, "--corpus", "csv", table)
    assert result.returncode == 0, result.stderr
    assert "warning: the same audio has two labels: " in result.stderr
    assert "03a01Wa.wav is anger, " in result.stderr and "copy.wav is fear" in result.stderr
    assert "left out" not in result.stdout
