"""`sernet-edge export --header` writes one C header."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support import Run

from sernet_edge.firmware_export.header import model_header
from sernet_edge.runtime.modelfile import ModelFile


def _assert_refused(
    result: subprocess.CompletedProcess[str], *words: str, exit_code: int = 1
) -> None:
    assert result.returncode == exit_code
    assert result.stdout == ""
    assert all(word in result.stderr for word in words), result.stderr
    if exit_code == 1:
        assert len(result.stderr.splitlines()) == 1, result.stderr


def test_export_writes_the_header(in_process: Run, shipped_model: Path, tmp_path: Path) -> None:
    result = in_process("export", shipped_model, "--header", tmp_path / "model.h")
    assert (result.returncode, result.stderr) == (0, "")
    assert str(tmp_path / "model.h") in result.stdout
    licence, _, text = (tmp_path / "model.h").read_text().partition("\n")
    assert licence == "/* SPDX-License-Identifier: Apache-2.0 */"
    assert text == model_header(ModelFile.read(shipped_model))


def test_two_exports_are_byte_identical(
    sernet_edge: Run, shipped_model: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(shipped_model.read_bytes())
    sernet_edge("export", shipped_model, "--header", tmp_path / "a.h")
    sernet_edge(
        "export", copy, "--header", tmp_path / "b.h", env={**os.environ, "TZ": "Asia/Tokyo"}
    )
    assert (tmp_path / "a.h").read_bytes() == (tmp_path / "b.h").read_bytes()


def test_an_existing_file_is_overwritten_only_with_force(
    in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    header = tmp_path / "model.h"
    header.write_text("mine")
    _assert_refused(in_process("export", shipped_model, "--header", header), str(header), "--force")
    assert header.read_text() == "mine"
    assert in_process("export", shipped_model, "--header", header, "--force").returncode == 0
    assert "SERNET_MODEL_BYTES" in header.read_text()


def test_a_bad_model_does_not_change_the_existing_file_even_with_force(
    in_process: Run, tmp_path: Path
) -> None:
    header = tmp_path / "model.h"
    header.write_text("mine")
    model = tmp_path / "model.tflite"
    model.write_bytes(b"RIFF....WAVE")
    _assert_refused(
        in_process("export", model, "--header", header, "--force"), str(model), "TensorFlow Lite"
    )
    assert header.read_text() == "mine"


def test_an_unwritable_place_is_named(in_process: Run, shipped_model: Path, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "model.h"
    _assert_refused(in_process("export", shipped_model, "--header", missing), str(missing))
    # Containers run tests as root, but even root cannot create files in /proc.
    _assert_refused(
        in_process("export", shipped_model, "--header", "/proc/model.h"), "/proc/model.h"
    )
    folder = tmp_path / "folder.h"
    folder.mkdir()
    _assert_refused(in_process("export", shipped_model, "--header", folder, "--force"), "folder.h")
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == []


def test_a_model_that_is_missing_or_a_folder_is_named(in_process: Run, tmp_path: Path) -> None:
    header = tmp_path / "model.h"
    for model in (tmp_path / "absent.tflite", tmp_path):
        _assert_refused(in_process("export", model, "--header", header), str(model))
    assert not header.exists()


def test_a_model_without_a_possible_header_is_refused_by_name(
    in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    whole = shipped_model.read_bytes()
    bare = ModelFile("model", whole).flatbuffer
    contract = ModelFile("model", whole).require_contract()
    other_shape = contract.replace(window_frames=contract.window_frames + 1)
    bad = {
        "empty": (b"", "not a TensorFlow Lite model"),
        "text": (b"not a model at all", "not a TensorFlow Lite model"),
        "bare": (bare, "no contract"),
        "other_shape": (ModelFile("model", bare).with_contract(other_shape).data, "shape"),
        "truncated": (whole[: len(whole) // 2], "model"),
    }
    for name, (data, words) in bad.items():
        model = tmp_path / f"{name}.tflite"
        model.write_bytes(data)
        result = in_process("export", model, "--header", tmp_path / "model.h")
        _assert_refused(result, str(model), words)
        assert not (tmp_path / "model.h").exists()


def test_export_without_a_destination_is_wrong_usage(in_process: Run, shipped_model: Path) -> None:
    _assert_refused(in_process("export", shipped_model), "--header", exit_code=2)


def test_export_does_not_load_tensorflow(shipped_model: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['tensorflow'] = sys.modules['keras'] = sys.modules['scipy'] = None\n"
        "from sernet_edge.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["export", str(shipped_model), "--header", str(tmp_path / "model.h")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    assert (tmp_path / "model.h").exists()


def test_a_header_cannot_replace_its_own_model(
    shipped_model: Path, tmp_path: Path, in_process: Run
) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(shipped_model.read_bytes())
    result = in_process("export", model, "--header", model, "--force")
    assert result.returncode == 2
    assert "must end in .h" in result.stderr
    assert model.read_bytes() == shipped_model.read_bytes()
