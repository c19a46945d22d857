"""Arranges a bundle for a build system: its folders and its build files.

A layout is a folder of templates in layouts/, with the folders of the bundle. In a template
`@VERSION@` becomes the bundle's version. A line with `@SOURCE@` is repeated for each file to
compile, a line with `@GOLDEN@` for each file of golden vectors. Lines that begin with `@AUDIO ` are
only for bundles that take audio, lines with `@ROWS ` only for bundles of a network alone. The
sources stay in src/, because all of these build systems look there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from sernet_edge import __version__

COMPILED = (".c", ".S", ".cc")
"""Suffixes of the files to compile; the other files of src/ are headers."""

_README_BUILD = re.compile(r"^## Try it on this computer\n\n(?: {4}.*\n)+", re.MULTILINE)


def _same(path: str) -> str:
    return path


def _programs_in_extras(path: str) -> str:
    """Move programs for a computer to extras/: examples/ is for the build system's examples."""
    return path.replace("examples/", "extras/", 1)


def _arduino(path: str) -> str:
    """Put the golden vectors into their sketch's folder, because Arduino compiles that folder."""
    if PurePosixPath(path).name.startswith("sernet_golden"):
        return path.replace("examples/", "examples/SelfTest/", 1)
    return _programs_in_extras(path)


# Layout -> function from a path in the plain bundle to the path in this layout.
_PLACES: dict[str, Callable[[str], str]] = {
    "plain": _same,
    "cmake": _same,
    "arduino": _arduino,
    "platformio": _programs_in_extras,
    "esp-idf": _programs_in_extras,
    "zephyr": _programs_in_extras,
}

LAYOUTS = tuple(_PLACES)

# Example programs that take audio; a bundle of a network alone leaves them out.
_AUDIO_EXAMPLES = re.compile(r"(examples|samples)/(Emotions|BoardTest|listen)/")
_KIND = re.compile(r"@(AUDIO|ROWS) ?(.*)", re.DOTALL)


def arrange(layout: str, bundle: Mapping[str, str], version: str = __version__) -> dict[str, str]:
    """Return a bundle in another layout.

    Args:
        layout: One of `LAYOUTS`.
        bundle: The plain bundle, text by path: sources and headers in src/, programs for a
            computer in examples/.
        version: The bundle's version, for the manifests.

    Returns:
        Text by path.
    """
    if layout == "plain":
        return dict(bundle)
    place = _PLACES[layout]
    files = {
        place(path): text
        for path, text in bundle.items()
        if path != "Makefile" and not path.startswith("qemu/")  # only the Makefile builds qemu/
    }
    build = filled(layout, list(bundle), version)
    build["README.md"] = _readme(bundle["README.md"], build["README.md"])
    return files | build


def filled(layout: str, paths: Iterable[str], version: str = __version__) -> dict[str, str]:
    """Return a layout's templates, filled in, by their paths in the bundle.

    Args:
        layout: The name of a folder in layouts/.
        paths: The paths of the bundle's files.
        version: The bundle's version.
    """
    paths = list(paths)
    sources = sorted(p for p in paths if p.startswith("src/") and p.endswith(COMPILED))
    golden = sorted(PurePosixPath(path).name for path in paths if "sernet_golden" in path)
    kind = "AUDIO" if "src/sernet_frontend.c" in paths else "ROWS"
    filled_in = {}
    for path, template in _templates(layout).items():
        if kind == "ROWS" and _AUDIO_EXAMPLES.match(path):
            continue
        text = of_kind(template.replace("@VERSION@", version), kind)
        for placeholder, files in (("@SOURCE@", sources), ("@GOLDEN@", golden)):
            text = _repeated(text, placeholder, files)
        filled_in[path] = text
    return filled_in


def of_kind(template: str, kind: str) -> str:
    """Return a template without the lines for the other kind of bundle.

    Args:
        template: A template as the module describes it.
        kind: "AUDIO" or "ROWS".
    """
    lines = []
    for line in template.splitlines(keepends=True):
        marked = _KIND.fullmatch(line)
        if marked is None:
            lines.append(line)
        elif marked[1] == kind:
            lines.append(marked[2])
    return "".join(lines)


def _readme(plain: str, how: str) -> str:
    """Return the plain README with `how` in place of its section on make."""
    text, found = _README_BUILD.subn(lambda _: f"## Try it\n\n{how}", plain)
    if found != 1:
        raise ValueError("the bundle's README has no section on how to try it")
    return text


def _repeated(text: str, placeholder: str, files: list[str]) -> str:
    """Return a text in which each line with a placeholder is repeated for every file."""
    lines = []
    for line in text.splitlines(keepends=True):
        found = files if placeholder in line else [""]
        lines += [line.replace(placeholder, file) for file in found]
    return "".join(lines)


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
