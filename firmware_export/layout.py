"""Rearranges a bundle into what an ecosystem expects: its folders and its build files.

A layout is a folder of templates in layouts/, laid out as in the bundle. In them `@VERSION@` is
the bundle's version, and a line with `@SOURCE@` is repeated for each file to compile. The
sources stay in src/ everywhere: that is where all of these ecosystems look.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from sernet_edge import __version__

COMPILED = (".c", ".S", ".cc")
"""Suffixes of what is compiled; the rest of src/ are headers."""

_README_BUILD = re.compile(r"^## Try it on this computer\n\n(?: {4}.*\n)+", re.MULTILINE)


def _same(path: str) -> str:
    return path


def _programs_in_extras(path: str) -> str:
    """Programs for a computer where `examples/` or `samples/` is for the ecosystem's own."""
    return path.replace("examples/", "extras/", 1)


def _arduino(path: str) -> str:
    """A sketch is a folder whose sources are all compiled with it."""
    if PurePosixPath(path).name.startswith("sernet_golden"):
        return path.replace("examples/", "examples/SelfTest/", 1)
    return _programs_in_extras(path)


# Layout -> where a path of the plain bundle goes.
_PLACES: dict[str, Callable[[str], str]] = {
    "plain": _same,
    "cmake": _same,
    "arduino": _arduino,
    "platformio": _programs_in_extras,
    "esp-idf": _programs_in_extras,
    "zephyr": _programs_in_extras,
}

LAYOUTS = tuple(_PLACES)


def arrange(layout: str, bundle: Mapping[str, str], version: str = __version__) -> dict[str, str]:
    """Return a bundle in another layout.

    Args:
        layout: One of `LAYOUTS`.
        bundle: The plain bundle: text by path. Sources and headers are in src/, programs for a
            computer in examples/.
        version: Of the bundle, as the manifests say it.

    Returns:
        Text by path. Same arguments, same result.
    """
    if layout == "plain":
        return dict(bundle)
    place = _PLACES[layout]
    files = {
        place(path): text
        for path, text in bundle.items()
        if path != "Makefile" and not path.startswith("qemu/")  # which the Makefile builds
    }
    build = filled(layout, list(bundle), version)
    build["README.md"] = _readme(bundle["README.md"], build["README.md"])
    return files | build


def filled(layout: str, paths: Iterable[str], version: str = __version__) -> dict[str, str]:
    """Return a layout's templates, filled in, by their paths in the bundle.

    Args:
        layout: The name of a folder in layouts/.
        paths: Of the bundle's files.
        version: Of the bundle.
    """
    sources = sorted(p for p in paths if p.startswith("src/") and p.endswith(COMPILED))
    return {
        path: "".join(
            _repeated(line, sources)
            for line in template.replace("@VERSION@", version).splitlines(keepends=True)
        )
        for path, template in _templates(layout).items()
    }


def _readme(plain: str, how: str) -> str:
    """Return the README with `how` in place of its section on make."""
    text, found = _README_BUILD.subn(lambda _: f"## Try it\n\n{how}", plain)
    if found != 1:
        raise ValueError("the bundle's README has no section on how to try it")
    return text


def _repeated(line: str, sources: list[str]) -> str:
    if "@SOURCE@" not in line:
        return line
    return "".join(line.replace("@SOURCE@", source) for source in sources)


def _templates(layout: str) -> dict[str, str]:
    """Return the layout's templates by their paths in the bundle."""
    found: dict[str, str] = {}

    def collect(folder: Traversable, prefix: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.is_dir():
                collect(entry, f"{prefix}{entry.name}/")
            else:
                found[prefix + entry.name] = entry.read_text(encoding="utf-8")

    collect(resources.files(__package__) / "layouts" / layout, "")
    return found
