"""Every dependency has a reason, and the page shows the content of pyproject.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

import dependencies

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "pyproject.toml").read_text()


def test_every_dependency_has_a_reason() -> None:
    project = tomllib.loads(TEXT)["project"]
    listed = {"": project["dependencies"], **project["optional-dependencies"]}
    found = dependencies.dependencies(TEXT)
    assert [(d.extra, d.requirement) for d in found] == [
        (extra, requirement) for extra, group in listed.items() for requirement in group
    ]
    assert not [d for d in found if len(d.reason.split()) < 2 or not d.reason.endswith(".")]


def test_a_dependency_without_a_comment_has_no_reason() -> None:
    text = TEXT.replace("    # The command line.\n", "")
    assert [d.requirement for d in dependencies.dependencies(text) if not d.reason] == [
        "click>=8.1,<9"
    ]


def test_the_page_matches_pyproject() -> None:
    kept = (ROOT / "docs" / "design" / "dependencies.md").read_text()
    assert kept == dependencies.page(dependencies.dependencies(TEXT)), "run make docs"
