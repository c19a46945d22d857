"""The shell's completion of an unfinished command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Runs the program like the script of `_SERNET_EDGE_COMPLETE=bash_source sernet-edge`.
_ASK = """
import sys
sys.argv[0] = "sernet-edge"
from sernet_edge.cli import main
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


def _completed(line: str) -> tuple[list[str], set[str]]:
    """Return the completions of the last word of `line`, and the loaded modules."""
    words = line.split(" ")
    asked = {"_SERNET_EDGE_COMPLETE": "bash_complete", "COMP_WORDS": line}
    done = subprocess.run(
        [sys.executable, "-c", _ASK],
        env=os.environ | asked | {"COMP_CWORD": str(len(words) - 1)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    answers = [answer.partition(",")[2] for answer in done.stdout.splitlines()]
    return answers, {name.partition(".")[0] for name in done.stderr.split()}


def test_completion_of_commands_loads_no_command() -> None:
    answers, loaded = _completed("sernet-edge e")
    assert answers == ["evaluate", "export"]
    assert not loaded & {"numpy", "tensorflow", "tflite"}


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("sernet-edge --ver", "--version"),
        ("sernet-edge listen --list", "--list-devices"),
        ("sernet-edge train --hold", "--holdout"),
    ],
)
def test_completion_knows_options(line: str, answer: str) -> None:
    answers, loaded = _completed(line)
    assert answers == [answer]
    assert "tensorflow" not in loaded


def test_the_names_of_shipped_models_are_completed() -> None:
    answers, _ = _completed("sernet-edge listen --model emo")
    assert answers == ["emodb", "emodb-half"]


@pytest.mark.parametrize("option", ["--input", "--json", "--csv", "--model", "--config"])
def test_names_of_files_are_left_to_the_shell(option: str) -> None:
    # click gives the word back as it is, as a file's.
    assert _completed(f"sernet-edge listen {option} sp")[0] == ["sp"]


def test_bash_accepts_the_printed_script(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("sernet-edge")
    script = subprocess.run(
        [program],
        env=os.environ | {"_SERNET_EDGE_COMPLETE": "bash_source"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (tmp_path / "script").write_text(script)
    asking = (
        "source ./script; COMP_WORDS=(sernet-edge do); COMP_CWORD=1; "
        '_sernet_edge_completion sernet-edge; echo "${COMPREPLY[@]}"'
    )
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", asking], env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["doctor"]
