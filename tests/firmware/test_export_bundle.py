"""`sernet-edge export --out` writes a bundle that builds, runs and passes its self-test."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bundle_cases import build
from object_files import FAST
from support import Run, quickly, write_wav

from sernet_edge.runtime.modelfile import ModelFile

SAMPLE = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


@pytest.fixture(scope="module")
def bundle(sernet_edge: Run, shipped_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "bundle"
    result = sernet_edge("export", shipped_model, "--out", out)
    assert (result.returncode, result.stderr) == (0, "")
    assert str(out) in result.stdout
    return out


def made(bundle: Path, compiler: str = "gcc") -> Path:
    """Return a copy of a bundle, built as its README says."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    copy = bundle.with_name(f"made-{compiler}")
    if copy.exists():
        return copy
    shutil.copytree(bundle, copy)
    done = subprocess.run(
        ["make", f"CC={compiler}", "all"], cwd=copy, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return copy


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.slow
def test_two_exports_are_byte_identical(
    sernet_edge: Run, bundle: Path, shipped_model: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    environment = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    sernet_edge("export", shipped_model, "--out", again, env=environment)
    assert content(again) == content(bundle)


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_the_demo_prints_the_results_of_listen(
    compiler: str, sernet_edge: Run, bundle: Path
) -> None:
    copy = made(bundle, compiler)
    demo = subprocess.run(
        ["./demo_host", str(SAMPLE)], cwd=copy, capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in demo.stdout.splitlines()]
    listened = sernet_edge("listen", "--input", SAMPLE, "--json", "--no-timing")
    said = [json.loads(line) for line in listened.stdout.splitlines()]
    records = [record for record in said if record["type"] == "result"]
    assert len(records) > 10
    assert [(float(line[0]), line[2]) for line in lines] == [
        (record["time_s"], record["label"]) for record in records
    ]
    for line, record in zip(lines, records, strict=True):
        scores = dict(zip(line[3::2], map(float, line[4::2]), strict=True))
        assert scores.keys() == record["scores"].keys()
        for label, score in record["scores"].items():
            # Features may differ by an int8 step, and then a score by a few steps of 1/256.
            assert scores[label] == pytest.approx(score, abs=0.01)


@pytest.mark.slow
def test_the_demo_prints_the_decisions_of_listen(
    in_process: Run, bundle: Path, tmp_path: Path
) -> None:
    main, options = bundle / "examples/demo_host.c", (*FAST, "-DSERNET_DECIDE")
    demo = build(bundle, tmp_path / "demo", main, options)
    said = subprocess.run([demo, SAMPLE], capture_output=True, text=True, check=True).stdout
    records = [json.loads(line) for line in listened(in_process).splitlines()]
    results = re.findall(r"^ *([\d.]+) s  (\w+) +(sure|unsure) ", said, re.M)
    assert results == [
        (f"{record['time_s']:.3f}", record["label"], "sure" if record["sure"] else "unsure")
        for record in records
        if record["type"] == "result"
    ]
    events = [record for record in records if record["type"] == "event"]
    begun = re.findall(r"^event (\d+), (\w+): starts at ([\d.]+) s$", said, re.M)
    ended = re.findall(r"^event (\d+), (\w+): ([\d.]+) to ([\d.]+) s, peak", said, re.M)
    assert begun == [
        (str(event["id"]), event["label"], f"{event['start_s']:.3f}")
        for event in events
        if event["kind"] == "start"
    ]
    assert ended == [
        (str(event["id"]), event["label"], f"{event['start_s']:.3f}", f"{event['end_s']:.3f}")
        for event in events
        if event["kind"] == "end"
    ]
    assert begun and len(begun) == len(ended) and len(set(results)) > 10


def listened(in_process: Run) -> str:
    said = in_process("listen", "--input", SAMPLE, "--json", "--no-timing")
    assert said.returncode == 0, said.stderr
    return str(said.stdout)


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_the_self_test_passes(compiler: str, bundle: Path) -> None:
    copy = made(bundle, compiler)
    done = subprocess.run(
        ["make", "-s", f"CC={compiler}", "check"], cwd=copy, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scores that differ: 0 of" in done.stdout
    assert done.stdout.endswith("\nself-test passed\n")


@pytest.mark.slow
def test_other_macros_compile_everything_again(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)

    def compiled(*options: str) -> int:
        command = ["make", "demo_host", "CFLAGS=-O0", *options]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True)
        return done.stdout.count(" -c ")

    files = compiled()
    assert files > 10
    assert compiled("OPTIONS=-DSERNET_DECIDE") == files
    demo = subprocess.run([copy / "demo_host", SAMPLE], capture_output=True, text=True, check=True)
    assert "sure" in demo.stdout
    assert compiled("OPTIONS=-DSERNET_DECIDE") == 0


@pytest.mark.slow
def test_the_self_test_fails_with_another_front_end(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    header = copy / "src" / "sernet_contract.h"
    text = header.read_text()
    assert "SERNET_LOG_FLOOR (0)" in text
    header.write_text(text.replace("SERNET_LOG_FLOOR (0)", "SERNET_LOG_FLOOR (33554432)"))
    done = subprocess.run(["make", "-s", "check"], cwd=copy, capture_output=True, text=True)
    assert done.returncode != 0
    assert "self-test failed: features -7" in done.stdout


def test_a_short_recording_is_padded_like_in_listen(
    in_process: Run, bundle: Path, tmp_path: Path
) -> None:
    copy = made(bundle)
    short = tmp_path / "short.wav"
    time = np.arange(20_000) / 16_000
    write_wav(short, (9000 * np.sin(2 * np.pi * 300 * time)).astype(np.int16))
    demo = subprocess.run(
        ["./demo_host", str(short)], cwd=copy, capture_output=True, text=True, check=True
    )
    record = json.loads(in_process("listen", "--input", short, "--json").stdout)
    assert demo.stdout.split()[:3:2] == [f"{record['time_s']:.3f}", record["label"]]


def test_the_demo_names_what_is_wrong_with_a_file(bundle: Path, tmp_path: Path) -> None:
    copy = made(bundle)
    whole = SAMPLE.read_bytes()
    write_wav(tmp_path / "rate.wav", np.zeros(9000, np.int16), rate=44_100)
    for name, data, words in (
        ("rate.wav", None, "44100 Hz; convert it"),
        ("missing.wav", None, "No such file"),
        ("empty.wav", b"", "not a WAV"),
        ("text.wav", b"a text that is long enough to be read", "not a WAV"),
        ("header.wav", whole[:30], "no samples"),
        ("short.wav", whole[:60_001], "truncated"),
        ("hostile.wav", whole[:12] + b"junk\xff\xff\xff\xff" + whole[12:], "no samples"),
        ("format.wav", whole[:16] + b"\xff\xff\xff\x7f" + whole[20:], "no samples"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        done = subprocess.run(
            ["./demo_host", str(tmp_path / name)], cwd=copy, capture_output=True, text=True
        )
        assert done.returncode == 1, name
        assert words in done.stderr, (name, done.stderr)
    usage = subprocess.run(["./demo_host"], cwd=copy, capture_output=True, text=True)
    assert usage.returncode == 2


def test_a_folder_that_is_not_empty_is_not_changed(
    in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "README.md").write_text("mine")
    (out / "notes.txt").write_text("mine")
    result = in_process("export", shipped_model, "--out", out)
    assert result.returncode == 1
    assert str(out) in result.stderr and "--force" in result.stderr
    assert content(out) == {"README.md": b"mine", "notes.txt": b"mine"}
    assert in_process("export", shipped_model, "--out", out, "--force").returncode == 0
    assert (out / "README.md").read_text() != "mine"
    assert (out / "notes.txt").read_text() == "mine"


def test_a_model_that_firmware_cannot_run_leaves_no_folder(
    in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    whole = shipped_model.read_bytes()
    bare = ModelFile("model", whole).flatbuffer
    contract = ModelFile("model", whole).require_contract()
    for name, data, words in (
        ("text", b"not a model at all", "not a TensorFlow Lite model"),
        ("cut", whole[: len(whole) // 2], "truncated"),
        (
            "clip",
            ModelFile("model", bare).with_contract(contract.replace(level="clip")).data,
            "not causal",
        ),
    ):
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(data)
        result = in_process("export", path, "--out", tmp_path / "out")
        assert result.returncode == 1
        assert str(path) in result.stderr and words in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert not (tmp_path / "out").exists()


def test_an_unwritable_folder_is_named(
    in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("a" * 300)):
        result = in_process("export", shipped_model, "--out", out)
        assert result.returncode == 1
        assert str(out) in result.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_one_destination_must_be_named(
    in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    both = in_process("export", shipped_model, "--out", tmp_path / "a", "--header", tmp_path / "b")
    assert both.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_does_not_load_tensorflow(shipped_model: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['tensorflow'] = sys.modules['keras'] = sys.modules['scipy'] = None\n"
        "from sernet_edge.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["export", str(shipped_model), "--out", str(tmp_path / "bundle")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    assert (tmp_path / "bundle" / "README.md").exists()
