"""The changelog and the program name the same version."""

from __future__ import annotations

import re
from pathlib import Path

from support import Run

from sernet_edge import __version__
from sernet_edge.runtime.contract import CONTRACT_VERSION
from sernet_edge.runtime.records import RECORD_VERSION

_CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


def test_the_changelogs_newest_version_is_the_programs() -> None:
    headings = re.findall(r"^## (\S+)", _CHANGELOG.read_text(), re.MULTILINE)
    assert headings[0] == __version__


def test_the_command_line_prints_its_version_and_its_formats_versions(in_process: Run) -> None:
    csrc = Path(__file__).parents[2] / "firmware_export" / "csrc"

    def defined(name: str, file: str) -> str:
        found = re.search(rf"#define {name} (\d+)", (csrc / file).read_text())
        assert found, name
        return found[1]

    assert in_process("--version").stdout.splitlines() == [
        f"sernet-edge, version {__version__}",
        f"contract {CONTRACT_VERSION}, records {RECORD_VERSION}, "
        f"C engine {defined('SERNET_ENGINE_VERSION', 'sernet_engine.h')}, "
        f"C API {defined('SERNET_API_VERSION', 'sernet.h')}, "
        f"serial protocol {defined('SERNET_SERIAL_VERSION', 'sernet_serial.h')}",
    ]
