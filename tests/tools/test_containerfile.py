"""The Containerfile does what docs/guides/container.md says; tests/container replays it."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
from containerfile import is_sent, stages

ROOT = Path(__file__).parents[2]
STAGES = stages((ROOT / "Containerfile").read_text())
IMAGE = STAGES[-1]


def test_all_stages_use_the_same_multi_architecture_image() -> None:
    # Docker's library offers this image for each architecture under the same name.
    assert {stage.base for stage in STAGES} == {"docker.io/library/python:3.11-slim-bookworm"}


def test_it_runs_as_a_numbered_user_without_a_shell() -> None:
    user = IMAGE.last("USER")
    assert int(user) >= 10_000
    (made,) = (text for name, text in IMAGE.instructions if name == "RUN" and "useradd" in text)
    assert f"--uid {user}" in made and "--groups audio" in made and "nologin" in made
    assert json.loads(IMAGE.last("ENTRYPOINT")) == ["sernet-edge"]


def test_home_and_working_folder_are_the_volume() -> None:
    assert IMAGE.last("WORKDIR") == IMAGE.last("VOLUME") == "/data"
    assert "HOME=/data" in IMAGE.last("ENV").split()


def test_the_build_gets_only_the_wheels_sources() -> None:
    ignore = (ROOT / ".dockerignore").read_text()
    listed = subprocess.check_output(["git", "-C", ROOT, "ls-files"], text=True).splitlines()
    sent = {path for path in map(Path, listed) if is_sent(path, ignore)}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = set(settings["tool"]["setuptools"]["package-dir"].values())
    files = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "MANIFEST.in"}
    assert {path.parts[0] for path in sent} == folders | files
    assert not is_sent(Path("runtime/outputs/__pycache__/web.cpython-311.pyc"), ignore)


def test_the_replay_refuses_an_unknown_instruction() -> None:
    with pytest.raises(ValueError, match="ADD is not known"):
        stages("FROM x\nADD a b\n")
