"""The changelog and the program name the same version."""

from __future__ import annotations

import re
from pathlib import Path

from support import Run

from sernet_edge import __version__

_CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


def test_the_newest_version_of_the_changelog_is_the_programs() -> None:
    headings = re.findall(r"^## (\S+)", _CHANGELOG.read_text(), re.MULTILINE)
    assert headings[0] == __version__


def test_the_command_line_names_its_version(sernet_edge: Run) -> None:
    assert sernet_edge("--version").stdout == f"sernet-edge, version {__version__}\n"
