"""Teaching is repeated from the clips after an upgrade of the original model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Run, write_wav

from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.teach.lesson import Lesson, outdated

SPEECH = Path(__file__).parents[2] / "docs/demo/two_moods.wav"


@pytest.fixture
def base(tmp_path: Path, shipped_model: Path) -> Path:
    path = tmp_path / "base.tflite"
    path.write_bytes(shipped_model.read_bytes())
    return path


@pytest.fixture
def mine(tmp_path: Path, base: Path, in_process: Run) -> Path:
    """A model that was taught with two clips, and its head."""
    speech = read_recording(SPEECH, 16_000)
    for label, start_s in (("anger", 1), ("fear", 8)):
        (tmp_path / "clips" / label).mkdir(parents=True)
        write_wav(tmp_path / f"clips/{label}/1.wav", speech[start_s * 16_000 :][:40_000])
    done = in_process(
        "teach", "clips", "--model", base, "--out", "mine.tflite", "--head", "mine.head"
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "mine.tflite"


def upgrade(base: Path) -> str:
    """Replace the base model by another one; return its contract's id."""
    file = ModelFile.read(base)
    contract = file.require_contract().replace(unsure_below=0.31)
    base.write_bytes(file.with_contract(contract).data)
    return contract.id


def test_the_lesson_is_beside_the_taught_model_and_not_in_it(mine: Path, base: Path) -> None:
    lesson = Lesson.of(mine)
    assert lesson == Lesson(base, (mine.parent / "clips",), (), mine, mine.parent / "mine.head")
    assert str(mine.parent).encode() not in mine.read_bytes()


def test_teaching_is_repeated_after_an_upgrade(mine: Path, base: Path, in_process: Run) -> None:
    old, before = ModelFile.read(base).require_contract().id, mine.read_bytes()
    new = upgrade(base)
    done = in_process("teach", "--repeat", mine)
    assert done.returncode == 0, done.stderr
    assert f"mine.tflite was taught from contract {old}; base.tflite is {new} now" in done.stderr
    again = in_process("teach", "clips", "--model", base, "--out", "x.tflite", "--head", "x.head")
    assert again.returncode == 0, again.stderr
    assert mine.read_bytes() == Path("x.tflite").read_bytes() != before
    assert Path("mine.head").read_bytes() == Path("x.head").read_bytes()


def test_repeating_without_an_upgrade_says_so_and_changes_nothing(
    mine: Path, in_process: Run
) -> None:
    before = mine.read_bytes()
    done = in_process("teach", "--repeat", mine)
    assert done.returncode == 0, done.stderr
    assert "mine.tflite was taught from is the same as before" in done.stderr
    assert mine.read_bytes() == before


@pytest.mark.parametrize("command", ["listen", "doctor"])
def test_listening_with_an_outdated_model_warns(
    command: str, mine: Path, base: Path, in_process: Run
) -> None:
    arguments = (command, "--model", mine, "--input", SPEECH, "--gate", "off")
    assert "was taught from contract" not in "".join(said(in_process(*arguments)))
    upgrade(base)
    told = "".join(said(in_process(*arguments)))
    assert "mine.tflite was taught from contract" in told
    assert f"sernet-edge teach --repeat {mine}" in told


def said(done: object) -> tuple[str, str]:
    return done.stdout, done.stderr  # type: ignore[attr-defined]


def test_a_model_without_its_lesson_listens_without_a_warning(
    mine: Path, base: Path, tmp_path: Path, in_process: Run
) -> None:
    upgrade(base)
    (tmp_path / "elsewhere").mkdir()
    moved = mine.rename(tmp_path / "elsewhere/mine.tflite")
    assert outdated(ModelFile.read(moved), moved) == ""
    done = in_process("teach", "--repeat", moved)
    assert done.returncode == 1
    assert "mine.lesson.json does not exist" in done.stderr


def test_an_interrupted_or_damaged_lesson_is_named(mine: Path, in_process: Run) -> None:
    path = mine.with_suffix(".lesson.json")
    content = json.loads(path.read_text())
    for text in (path.read_text()[:40], json.dumps(content | {"clips": 5}), "[]"):
        path.write_text(text)
        done = in_process("teach", "--repeat", mine)
        assert done.returncode == 1 and "mine.lesson.json" in done.stderr


def test_missing_clips_leave_the_model_unchanged(mine: Path, base: Path, in_process: Run) -> None:
    upgrade(base)
    before = mine.read_bytes()
    (mine.parent / "clips").rename(mine.parent / "gone")
    done = in_process("teach", "--repeat", mine)
    assert done.returncode == 1 and "clips does not exist" in done.stderr
    assert mine.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--repeat", "x.tflite", "clips"), "--repeat takes no clips"),
        (("--repeat", "x.tflite", "--out", "y.tflite"), "--repeat takes no clips"),
        (("--forget", "x", "--out", "y.tflite"), "--forget takes no clips"),
        (("--forget", "x", "--repeat", "x.tflite"), "--repeat takes no clips"),
        (("clips", "--out", "y.tflite", "--device", "1"), "and --web go with --guided only"),
        (("--guided", "x", "--head", "y.head"), "--out names the model"),
    ],
)
def test_contradicting_options_are_refused(
    arguments: tuple[str, ...], message: str, in_process: Run
) -> None:
    done = in_process("teach", *arguments)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
