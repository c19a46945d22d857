"""MkDocs' hooks: add pages from elsewhere in the repository, references, and links between them."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import c_reference
import cli_reference

ROOT = Path(__file__).parents[1]

# Page of the site: file of the repository.
PAGES = {
    "readme.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    **{
        f"models/{card.name}": f"runtime/models/{card.name}"
        for card in (ROOT / "runtime" / "models").glob("*.md")
    },
}

_PYTHON = """\
# Python

Made from docstrings. `sernet_edge.runtime` is the library of a program that listens
([library.md](../guides/library.md)); the other stages have a function each for notebooks.

"""

_NAMES = (
    *(
        f"sernet_edge.runtime.{module}.{name}"
        for module, name in (
            ("interpreter", "load"),
            ("interpreter", "Model"),
            ("stream", "Listener"),
            ("records", "Result"),
            ("records", "Event"),
            ("records", "Notice"),
            ("contract", "Contract"),
            ("modelfile", "ModelFile"),
            ("frontend", "FrontEnd"),
            ("frontend", "FeatureStream"),
            ("errors", "SernetError"),
        )
    ),
    "sernet_edge.train.training.train",
    "sernet_edge.train.evaluation.evaluate.evaluate",
    "sernet_edge.convert.conversion.convert",
    "sernet_edge.cross_validate.cross_validation.cross_validate",
)

_no_caches = shutil.ignore_patterns("__pycache__", "csrc", "layouts", "*.tflite")

# The search runs in a worker. Browsers refuse workers to pages that are opened from a folder.
_WORKER = Path(__file__).with_name("iframe_worker.js")
_WORKER_ELSEWHERE = re.compile(r'src="https://[^"]*/iframe-worker/shim"')

_ELSEWHERE = re.compile(
    r'<(?:script|img|iframe)[^>]*src="https?:[^"]*"|<link[^>]*stylesheet[^>]*https?:'
)

_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)")


def on_pre_build(config: Any) -> None:
    """Copy the packages under their import names, for the Python reference."""
    tree = ROOT / "build" / "site-tree" / "sernet_edge"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(ROOT / "sernet_edge", tree, ignore=_no_caches)
    for folder in ("runtime", "train", "convert", "firmware_export"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=_no_caches)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""
    generated = {page: (ROOT / source).read_text("utf-8") for page, source in PAGES.items()}
    generated["reference/commands.md"] = cli_reference.reference()
    generated["reference/c.md"] = c_reference.reference()
    generated["reference/python.md"] = _PYTHON + "".join(f"::: {name}\n\n" for name in _NAMES)
    for page, text in generated.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_post_build(config: Any) -> None:
    """Copy the worker for the search, and refuse pages that load anything from other servers.

    Raises:
        PluginError: A page loads a script, a style or a picture from another server.
    """
    site = Path(config.site_dir)
    shutil.copy(_WORKER, site / "assets" / "javascripts" / "iframe-worker.js")
    for path in site.rglob("*.html"):
        up = "../" * (len(path.relative_to(site).parts) - 1)
        text = _WORKER_ELSEWHERE.sub(
            f'src="{up}assets/javascripts/iframe-worker.js"', path.read_text("utf-8")
        )
        if found := _ELSEWHERE.search(text):
            raise PluginError(f"{path.name} would load {found[0]}: the site has to work offline")
        path.write_text(text, "utf-8")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Convert links between files of the repository to links between pages of the site."""
    here = page.file.src_uri
    source = PAGES.get(here, f"docs/{here}")
    parts = re.split(r"(^```.*?^```\n?)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        part if part.startswith("```") else _LINK.sub(lambda m: _link(m, here, source), part)
        for part in parts
    )


def _link(match: re.Match[str], here: str, source: str) -> str:
    shown, (path, _, anchor) = match[1], match[2].partition("#")
    if "://" in match[2] or not path:
        return match[0]
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    pages = {file: page for page, file in PAGES.items()}
    if target in pages:
        found = pages[target]
    elif target.startswith("docs/"):
        found = target.removeprefix("docs/")
    elif (ROOT / target).exists():
        return f"`{target}`" if shown.strip("[]").strip("`") == target else f"{shown[1:-1]}"
    else:
        return match[0]  # mkdocs reports it as an error
    way = os.path.relpath(found, posixpath.dirname(here) or ".")
    return f"{shown}({way}{'#' if anchor else ''}{anchor})"
