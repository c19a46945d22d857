"""Outputs on a full disk, and in a read-only folder."""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support import SAMPLE, Run

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.event_folder import EventFolder, Mark

RUN = Path(__file__).parents[2] / "benchmarks" / "runs" / "emodb-light-sernet-default"


def mounted(folder: Path, options: str) -> bool:
    """Mount a file system in memory on a new folder; this needs root."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A read-only file system; for users other than root, a folder without write permission."""
    folder = tmp_path / "read-only"
    is_mounted = mounted(folder, "ro")
    if not is_mounted:
        folder.chmod(0o555)
        if os.access(folder, os.W_OK):
            pytest.skip("root without the right to mount may write everywhere")
    yield folder
    if is_mounted:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with 2 MB."""
    folder = tmp_path / "small"
    if not mounted(folder, "size=2m"):
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def room_for(limit_bytes: int) -> Callable[[], None]:
    """Return a function that limits this process's file sizes, to simulate a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))


# Arguments of a command, and its message when the folder OUT is full. Other names in capitals are
# fixtures.
QUICK = {
    "header": ("export emodb --header OUT/m.h", "cannot write OUT/m.h"),
    "bundle": ("export emodb --out OUT/bundle", "cannot write OUT/bundle/"),
    "teach": (
        "teach CLIPS --out OUT/m.tflite --even-if-worse",
        "cannot write OUT/m.lesson.json",
    ),
    "head": (
        "teach CLIPS --out OUT/m.tflite --head OUT/m.head --even-if-worse",
        "cannot write OUT/m.head",
    ),
    "report": (f"report {RUN} --out OUT/pages", "cannot write OUT/pages/"),
}
TRAINING = {
    "train": (
        "train --corpus emodb CORPUS --out OUT/m.keras --epochs 1",
        "cannot write OUT/m.checkpoint.npz",
    ),
    # Keras unpacks the weights to a temporary file.
    "convert": ("convert KERAS --corpus emodb CORPUS --out OUT/m.tflite", "cannot unpack KERAS"),
    "cross-validate": (
        "cross-validate --corpus emodb CORPUS --out OUT/run --epochs 1 --folds 03",
        "cannot write OUT/run/fold-03.checkpoint.npz",
    ),
    "evaluate": (
        "evaluate emodb --corpus emodb CORPUS --out OUT/page.html",
        "cannot write OUT/page.html",
    ),
}
STARTED_ALONE = {
    "csv": ("listen --input SAMPLE --csv OUT/a.csv", ""),
    "json": ("listen --input SAMPLE --json OUT/a.jsonl", ""),
    "record": ("listen --input SAMPLE --record OUT/kept", ""),
    "bench": ("bench emodb --out OUT/page.md", ""),
}


def filled(text: str, out: Path, request: pytest.FixtureRequest) -> str:
    """Return a text with its placeholders replaced."""
    names = {"CLIPS": "clips", "CORPUS": "small_corpus", "KERAS": "small_keras"}
    for name, fixture in names.items():
        if name in text.split():
            text = text.replace(name, str(request.getfixturevalue(fixture)))
    return text.replace("SAMPLE", str(SAMPLE)).replace("OUT", str(out))


def cases(*tables: dict[str, tuple[str, str]], **more: int) -> list[object]:
    return [
        pytest.param(
            *case,
            *more.values(),
            id=name,
            marks=(pytest.mark.training,) if table is TRAINING else (),
        )
        for table in tables
        for name, case in table.items()
    ]


@pytest.mark.parametrize(
    ("command", "complaint", "room_bytes"),
    [*cases(QUICK, room_bytes=0), *cases(TRAINING, room_bytes=20_000)],
)
def test_a_full_disk_gives_a_message_and_leaves_no_partial_file(
    command: str,
    complaint: str,
    room_bytes: int,
    tmp_path: Path,
    sernet_edge: Run,
    request: pytest.FixtureRequest,
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    arguments = filled(command, out, request).split()
    done = sernet_edge(*arguments, preexec_fn=room_for(room_bytes))
    assert done.returncode == 1, done.stderr
    told = done.stderr.splitlines()[-1]
    assert told.startswith("sernet-edge: ") and filled(complaint, out, request) in told
    assert "File too large" in told
    assert [path for path in out.rglob("*") if path.is_file() and path.name != "run.json"] == []


@pytest.mark.parametrize(("command", "_"), cases(QUICK, TRAINING, STARTED_ALONE))
def test_the_error_names_a_read_only_folder(
    command: str, _: str, read_only: Path, in_process: Run, request: pytest.FixtureRequest
) -> None:
    done = in_process(*filled(command, read_only, request).split())
    assert done.returncode == 1, done.stderr
    told = done.stderr.splitlines()[-1]
    assert told.startswith("sernet-edge: cannot ") and str(read_only) in told, told


def test_a_read_only_card_refuses_marks_but_its_recordings_can_be_read(
    read_only: Path, tmp_path: Path, in_process: Run
) -> None:
    kept = tmp_path / "kept"
    done = in_process("listen", "--input", SAMPLE, "--record", kept, "--quiet")
    assert done.returncode == 0, done.stderr
    if os.geteuid() == 0:
        subprocess.run(["mount", "--bind", "-o", "ro", kept, read_only], check=True)
    else:
        read_only = kept
        kept.chmod(0o555)
    try:
        recordings = list(EventFolder(read_only).recordings())
        assert recordings
        with pytest.raises(SernetError, match=f"cannot write {recordings[0].path.parent}"):
            recordings[0].set_mark(Mark.of("right", recordings[0]))
        assert recordings[0].mark() is None
        done = in_process("teach", "--forget", read_only, "--force")
        assert done.returncode == 1
        assert "cannot delete" in done.stderr
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", read_only], check=True)


def test_listening_continues_on_a_full_disk(small_disk: Path) -> None:
    rows, kept, filler = small_disk / "a.csv", small_disk / "kept", small_disk / "filler"
    # Every label makes an event.
    command = [sys.executable, "-m", "sernet_edge", "listen", "--input", "-"]
    command += ["--unsure-below", "0", "--evidence", "0"]
    with wave.open(str(SAMPLE)) as file:
        sound = file.readframes(file.getnframes())
    listening = subprocess.Popen(
        [*command, "--csv", rows, "--record", kept],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert listening.stdin and listening.stdout

    def hears_until(*expected: str) -> None:
        assert listening.stdin and listening.stdout
        listening.stdin.write(sound)
        listening.stdin.flush()
        missing = set(expected)
        while missing:
            line = listening.stdout.readline().decode()
            assert line, f"it ended without {missing}"
            missing = {text for text in missing if text not in line}

    with listening:
        hears_until(" ended at ")
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        hears_until(f"cannot write {rows}: No space left", f"cannot write {kept}/")
        filler.unlink()
        before = set(kept.glob("*.wav"))
        hears_until(f"{rows} is written again", " ended at ")
        listening.stdin.close()
        listening.stdout.read()
    assert listening.returncode == 0
    with rows.open(newline="") as table:
        lengths = {len(row) for row in csv.reader(table)}
    assert len(lengths) == 1
    recordings = set(kept.glob("*.wav"))
    assert recordings > before > set()
    assert {path.stem for path in kept.iterdir()} == {path.stem for path in recordings}
    for recording in recordings:
        json.loads(recording.with_suffix(".json").read_text())
        with wave.open(str(recording)) as audio:
            assert len(audio.readframes(audio.getnframes())) == 2 * audio.getnframes() > 0
