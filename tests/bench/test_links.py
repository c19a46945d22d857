"""The pages refer only to files, headings and pictures that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *(ROOT / "runtime").rglob("*.md")]

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def without_code(page: Path) -> str:
    """Return a page's text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    return [link for link in _LINK.findall(without_code(page)) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes from a page's headings."""
    headings = re.findall(r"^#+ (.*)$", without_code(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_has_a_target(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_index_lists_every_page() -> None:
    listed = {(DOCS / link).resolve() for link in links(DOCS / "index.md")}
    assert listed >= {page for page in DOCS.rglob("*.md") if page.name != "index.md"}


def test_every_picture_is_shown_on_a_page() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    assert shown >= set(DOCS.rglob("*.png"))


def test_every_page_that_the_code_names_exists() -> None:
    folders = ("runtime", "train", "convert", "firmware_export", "sernet_edge", "benchmarks")
    sources = [
        path
        for folder in folders
        for suffix in ("*.py", "*.c", "*.h", "*.md")
        for path in (ROOT / folder).rglob(suffix)
    ]
    named = {
        (path.name, page)
        for path in sources
        for page in re.findall(r"\bdocs/[\w./-]+\.md\b", path.read_text())
    }
    assert named
    assert not [(path, page) for path, page in named if not (ROOT / page).is_file()]
